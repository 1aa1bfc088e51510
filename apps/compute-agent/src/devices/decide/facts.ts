/** What the device loop knows when it decides: plain values, no clock, no handles. */
import type { PciAddress, VfSettings } from '#libs/pci';
import type { DeviceRecord, Wishes } from './records.js';
import type { Seen, SeenDevice } from './seen.js';

/** An instance of this host's own ledger that shall be here, and has the device in its layout. */
export interface Claim { readonly instanceId: string; readonly generation: number }

export interface DeviceFacts {
  readonly seen: Seen;
  /** Of PFs whose VFs were asked about. null: they can't be asked (no interface of the kernel). */
  readonly settings: ReadonlyMap<PciAddress, readonly VfSettings[] | null>;
  /** null: never told, or nothing may be done. */
  readonly wishes: Wishes | null;
  readonly records: ReadonlyMap<string, DeviceRecord>;
  readonly claims: ReadonlyMap<string, Claim>;
  /** May this agent write to the bus at all? */
  readonly mayWrite: boolean;
}

export interface PoolProblem { readonly poolId: string; readonly identity: string; readonly code: string; readonly sentence: string }

/** Somebody has it, or shall have it: whatever a pool says, it is left alone. */
export function isTaken(identity: string, facts: DeviceFacts): boolean {
  const device = facts.seen.devices.get(identity);
  if (device?.usedBy || facts.claims.has(identity)) return true;
  return facts.wishes?.holds.some((hold) => hold.identity === identity && hold.holder !== null) === true;
}

/** VFs that the kernel shows of a PF now. */
export const vfsOf = (pf: SeenDevice, { seen }: Pick<DeviceFacts, 'seen'>): SeenDevice[] =>
  [...seen.devices.values()].filter((device) => device.pf?.address === pf.fn.address).sort((a, b) => a.pf!.vf - b.pf!.vf);
