/**
 * May this instance have its devices now, and where do they stand today? Pure.
 *
 * Owns: that a device is given only to whom it is held for, only at that generation, only clean, and only where nothing else on the host
 * is hurt by it. Never chooses a device: the claim did. Whoever is refused is told why, with the cure.
 */
import type { ClaimedDevice, DesiredInstance } from '#libs/contracts';
import type { PciAddress } from '#libs/pci';
import { devicesIn, type OwnDevice } from '../../decide/layout.js';
import type { DeviceFacts } from './facts.js';
import { planPools } from './pools.js';
import { NO_RECORD, type DeviceRecord } from './records.js';
import { blockingMates, conditionOf, type SeenDevice } from './seen.js';

/** A claimed device where it stands today. */
export interface PlacedDevice { readonly claimed: OwnDevice; readonly address: PciAddress }

export type Readiness =
  | { readonly kind: 'ready'; readonly devices: readonly PlacedDevice[] }
  /** It comes by itself: the host is still at it. */
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

const refused = (code: string, message: string): Readiness => ({ kind: 'refused', code, message });

/** @param facts null: the host's devices have not been looked at yet */
export function readinessOf({ id, layout }: Pick<DesiredInstance, 'id' | 'layout'>, facts: DeviceFacts | null): Readiness {
  const claimed = devicesIn(layout);
  if (claimed.length === 0) return { kind: 'ready', devices: [] };
  if (facts === null) return { kind: 'wait', why: 'The devices of its host have not been looked at yet.' };
  if (!facts.mayWrite) return refused('devices-unsupported', 'This host does not give devices to guests: its agent may not change them (SKYLITE_DEVICES is not manage, or the agent is not root).');
  const identities = new Set(claimed.map(({ identity }) => identity));
  if (identities.size !== claimed.length) return refused('device-twice', 'One device was claimed twice for this server.');
  const devices: PlacedDevice[] = [];
  for (const each of claimed) {
    const device = facts.seen.devices.get(each.identity);
    const record = facts.records.get(each.identity) ?? NO_RECORD;
    const problem = device ? whyNot(id, each, { device, record, identities, facts }) : whyMissing(each, record, facts);
    if (problem) return problem;
    devices.push({ claimed: each, address: device!.fn.address });
  }
  return { kind: 'ready', devices };
}

/** A port that is down is brought up; and what its card has counted keeps nobody from what he has. */
const NO_REASON: ReadonlySet<string> = new Set(['link-down', 'pf-aer-errors']);

/** Does the instance have that device, or VFs of it? */
export const isOf = (identity: string, { layout }: Pick<DesiredInstance, 'layout'>): boolean =>
  devicesIn(layout).some((each) => each.identity === identity || each.identity.startsWith(`${identity}/vf:`));

const nameOf = ({ identity, className }: ClaimedDevice): string => `${className} ${identity}`;

/** A VF that its pool has not made again yet comes back; one whose PF can't be read, may. */
function whyMissing(claimed: ClaimedDevice, { last }: DeviceRecord, facts: DeviceFacts): Readiness {
  const { seen } = facts;
  const pfIdentity = last?.pf?.identity ?? /^(.+)\/vf:\d+$/.exec(claimed.identity)?.[1];
  const pf = pfIdentity === undefined ? undefined : seen.devices.get(pfIdentity);
  const held = seen.held.find(({ address }) => address === last?.address || address === pf?.fn.address) ?? (last?.pf && !pf ? seen.held[0] : undefined);
  if (held) return refused('device-unusable', `The device ${nameOf(claimed)} can't be read: a write to ${held.address} has not come back (${held.what}).`);
  const isComing = planPools(facts).actions.some(({ does, identity }) => does === 'set-vfs' && identity === pfIdentity);
  if (isComing) return { kind: 'wait', why: `The virtual functions of ${pf?.fn.address ?? 'its PF'} are still to be made.` };
  return refused('device-missing', `The device ${nameOf(claimed)} is not in its host any more${last ? ` (it stood at ${last.address})` : ''}, so the server is not started without it. Put it back, or move the server.`);
}

interface About { readonly device: SeenDevice; readonly record: DeviceRecord; readonly identities: ReadonlySet<string>; readonly facts: DeviceFacts }

function whyNot(id: string, claimed: ClaimedDevice, { device, record, identities, facts }: About): Readiness | null {
  const { identity, generation } = claimed;
  const name = nameOf(claimed);
  const hold = facts.wishes?.holds.find((each) => each.identity === identity);
  const newest = Math.max(record.used, hold?.generation ?? 0, record.cleanAt ?? 0);
  if (newest > generation) return refused('device-generation', `The device ${name} was claimed for this server at generation ${generation}, and has been given on since (${newest}).`);
  if (hold?.generation === generation && hold.holder !== id) {
    return refused('device-held', hold.holder === null ? `The device ${name} was taken back from this server.` : `The device ${name} is held for another server.`);
  }
  if (record.used === generation && record.holder !== id) return refused('device-held', `The device ${name} was given to another server at generation ${generation}.`);
  // Said to be clean at this very generation: it was taken back and scrubbed.
  if (record.cleanAt === generation) return refused('device-generation', `The device ${name} was given back at generation ${generation} already.`);
  if (device.usedBy !== null && device.usedBy !== id) return refused('device-in-use', `The device ${name} is in use by another guest on its host.`);
  const needed = device.protectedBy ?? device.portOf;
  if (needed !== null) return refused('device-protected', `The host itself lives on the device ${name} (${needed}).`);
  const isOwn = record.used === generation;
  const released = Math.max(record.releasedAt, hold?.releasedAt ?? 0);
  if (!isOwn && record.dirty !== null && record.dirty.generation > released) return refused('device-dirty', `The device ${name} could not be made clean: ${record.dirty.sentence}`);
  if (!isOwn && record.used > Math.max(record.cleanAt ?? -1, released)) return refused('device-not-clean', `The device ${name} has not been made clean since its last guest (generation ${record.used}).`);
  if ((device.fn.sriov?.numVfs ?? 0) > 0) return refused('pf-has-vfs', `The device ${name} has ${device.fn.sriov?.numVfs} virtual functions, which would vanish without a word.`);
  if (claimed.attach === 'interface' && device.kind !== 'vf') return refused('device-unusable', `The device ${name} is no virtual function, and only those can be a network interface by themselves.`);
  const pf = device.pf ? facts.seen.devices.get(device.pf.identity) : undefined;
  // Mates of the same claim are taken from the host together with it; a PF that is down is brought up.
  const mates = device.mates.filter((mate) => mate.identity === null || !identities.has(mate.identity));
  const condition = conditionOf({ ...device, mates }, record, pf && { device: pf, record: facts.records.get(pf.identity) ?? NO_RECORD });
  if (condition && !NO_REASON.has(condition.code)) return refused(blockingMates({ mates }).length > 0 && condition.code === 'group-not-viable' ? 'group-not-viable' : 'device-unusable', `The device ${name} can't be given to a guest now: ${condition.sentence}`);
  return null;
}
