/**
 * What holds want done now: a device that was given back is made clean, and only then. Pure.
 *
 * Owns: that cleaning begins only at the generation that was given back, and only when no domain has the device; that a device is called
 * clean only after it was verified; that what nothing can prove is said to be dirty. A crash before the verdict is on disk repeats the cleaning.
 */
import type { HoldWish } from '#libs/contracts';
import type { VfSettings } from '#libs/pci';
import type { DeviceFacts } from './facts.js';
import { differing, isOn, policyOf, poolOf, type VfChange } from './pools.js';
import { NO_RECORD, type Dirty } from './records.js';
import { MOST, type SeenDevice } from './seen.js';

/** `may`: where the device offers none that works, it is as it is accepted. */
export type Reset = 'must' | 'may' | 'no';

export type HoldAction = { readonly identity: string; readonly generation: number } & (
  /** Reset, set back, bind, read back. */
  | { readonly does: 'scrub'; readonly reset: Reset }
  /** Nothing is left to do but to say so. */
  | { readonly does: 'call-clean' }
  | { readonly does: 'call-dirty'; readonly dirty: Dirty });

const QUARANTINE = 'Nothing can prove that nothing of its last guest is left on it. An operator has to make it clean, and say so (skylite device release).';

export function planHolds(facts: DeviceFacts): HoldAction[] {
  return (facts.wishes?.holds ?? []).flatMap((hold) => {
    const action = planHold(hold, facts);
    return action ? [action] : [];
  });
}

function planHold(hold: HoldWish, facts: DeviceFacts): HoldAction | null {
  const { identity } = hold;
  const device = facts.seen.devices.get(identity);
  const record = facts.records.get(identity) ?? NO_RECORD;
  // Which card it is, an operator has to say first: it may be one that somebody else has.
  if (hold.holder !== null || !device || device.held || device.doubt !== null) return null;
  // It was given to somebody since: these wishes are older than what was done, or a restored control plane has forgotten it. Once nobody
  // has it any more it is cleaned as after that one.
  const generation = Math.max(hold.generation, record.used);
  if ((record.cleanAt ?? -1) >= generation) return null;
  if (!isLetGo(device, facts)) return null;
  const released = (hold.releasedAt ?? 0) >= generation;
  if (released) return facts.mayWrite ? { identity, generation, does: 'scrub', reset: 'no' } : { identity, generation, does: 'call-clean' };
  if (record.dirty !== null && record.dirty.generation >= generation) return null;
  // Whoever had this generation never got it on this host.
  const untouched = record.cleanAt !== null && record.cleanAt >= generation - 1 && record.used < generation;
  if (hold.sanitizer === 'quarantine') return untouched ? { identity, generation, does: 'call-clean' } : { identity, generation, does: 'call-dirty', dirty: { generation, code: 'quarantine', sentence: QUARANTINE } };
  const needed = device.protectedBy ?? device.portOf;
  if (needed !== null) return { identity, generation, does: 'call-dirty', dirty: { generation, code: 'protected', sentence: `The host itself lives on it now (${needed}): it is not touched.`.slice(0, MOST.sentence) } };
  return facts.mayWrite ? { identity, generation, does: 'scrub', reset: hold.sanitizer === 'operator-accepts' ? 'may' : 'must' } : null;
}

/** Why a device that was given back is not cleaned yet, though nothing fails; null: it is clean, or its turn comes. */
export function waitsFor(device: SeenDevice, facts: DeviceFacts): string | null {
  const hold = facts.wishes?.holds.find(({ identity }) => identity === device.identity);
  const record = facts.records.get(device.identity) ?? NO_RECORD;
  if (!hold || hold.holder !== null || (record.cleanAt ?? -1) >= Math.max(hold.generation, record.used)) return null;
  const use = facts.seen.uses.find(({ address, live, domainId }) => address === device.fn.address && (live || domainId === record.holder));
  if (use) return `It was given back, and domain ${use.domainId} ${use.live ? 'runs' : 'is still defined'} with it: it is cleaned when that is over.`;
  const claim = facts.claims.get(device.identity);
  return claim ? `It was given back, and its host is still to have server ${claim.instanceId} with it: it is cleaned when that is over.` : null;
}

/** No domain runs with it, none of its last holder is left that would take it again, and no instance of this host shall have it. */
export function isLetGo(device: SeenDevice, { claims, records, seen }: Pick<DeviceFacts, 'claims' | 'records' | 'seen'>): boolean {
  const holder = records.get(device.identity)?.holder;
  return !claims.has(device.identity) && !seen.uses.some(({ address, live, domainId }) => address === device.fn.address && (live || domainId === holder));
}

/** All zeros: a driver that finds it chooses one of its own. */
export const NO_MAC = '00:00:00:00:00:00';
const DEFAULTS = { trust: false, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0, vlans: [], macPrefix: 'fa:16:3e' };

/** How a VF is set when nobody has it. */
export const cleanSettings = (device: SeenDevice, facts: Pick<DeviceFacts, 'wishes'>): VfChange => ({ ...policyOf(poolOf(device, facts)?.vfs?.policy ?? DEFAULTS), mac: NO_MAC });

/** The driver of a device that nobody has; null: whatever it is on. */
export function freeDriver(device: SeenDevice, facts: Pick<DeviceFacts, 'wishes'>): 'vfio-pci' | 'kernel' | null {
  const pool = poolOf(device, facts);
  if (!pool) return null;
  return pool.mode === 'vfs' ? (pool.vfs?.driver ?? 'vfio-pci') : 'vfio-pci';
}

/** What is still of its last holder; null: nothing. @param settings null: it has none. @param mac as it was set */
export function leftOver(device: SeenDevice, settings: VfSettings | null, facts: Pick<DeviceFacts, 'wishes'>, mac: string): string | null {
  const driver = freeDriver(device, facts);
  // A driver of the host's chooses a MAC of its own, as soon as it has the VF.
  const { mac: _mac, ...clean } = cleanSettings(device, facts);
  const wrong = settings ? differing(settings, driver === 'kernel' ? clean : { ...clean, mac }) : {};
  const names = Object.keys(wrong);
  if (names.length > 0) return `After it was set back, ${names.map((name) => `its ${name} is ${String(settings?.[name as keyof VfSettings])}`).join(', ')}.`;
  return driver === null || isOn(device, driver) ? null : `After it was bound, it is on ${device.fn.driver ?? 'no driver'}.`;
}
