/**
 * Devices that come to a server and leave it while it is there: what the server's row keeps of each attachment, and what follows from it for
 * layouts, needs and views. Owns which device of a host's report is which. Pure.
 *
 * wanted: the level. `devices`: what its host was told that it has by this attachment; empty: it was told nothing yet. While one is wanted
 * `detached`, its layout has them no more, and the claim has them until the host has proved that the domain has not.
 */
import type { ClaimedDevice, DeviceAttachment, DeviceNeed, Layout, ObservedDevice, ServerDevice } from '#libs/contracts';
import { devicesOfAttachment, placeOf } from '#libs/openstack';

export interface Attachment {
  id: string; className: string; count: number; tag: string | null; vlan: number | null; numaPolicy: DeviceNeed['numaPolicy'];
  wanted: 'attached' | 'detached';
  /** Its guest had it once: the timeline has said so. */
  attached: boolean;
  /** Why it is taken back by itself; null: it is not. */
  reason: string | null;
  devices: ClaimedDevice[];
  /** Whose devices they are; null: nobody's yet. Not said by rows of before it was kept: their host's. */
  hostId?: string | null;
  createdAt: string;
}

type Observed = { devices?: readonly ObservedDevice[] | undefined } | null;

export const needOf = ({ id, className, count, tag, vlan, numaPolicy }: Attachment): DeviceNeed => ({ className, count, vlan, numaPolicy: numaPolicy ?? null, attachment: id, ...(tag !== null && { tag }) });

/** What a host that takes the server has to give besides the flavor's. */
export const needsAttached = (attachments: readonly Attachment[]): DeviceNeed[] => attachments.filter(({ wanted }) => wanted === 'attached').map(needOf);

/** The server has another layout by now: its attachments are what that one says. Those that leave it keep in mind what they are to leave with, and where. */
export const attachmentsIn = (attachments: readonly Attachment[], layout: Layout | null, hostId: string | null): Attachment[] =>
  attachments.map((one) => (one.wanted === 'detached' ? one : { ...one, hostId, devices: devicesOfAttachment(layout, one.id) }));

/** It leaves a domain of this host. Those that the server left behind elsewhere end there, with all that it had there. */
export const leaves = ({ wanted, hostId, devices }: Attachment, host: string): boolean => wanted === 'detached' && devices.length > 0 && (hostId ?? host) === host;

export const replaced = (attachments: readonly Attachment[], id: string, change: Partial<Attachment>): Attachment[] => attachments.map((one) => (one.id === id ? { ...one, ...change } : one));

/** Rows that are made again from what their hosts remember: nobody knows any more what was asked for, but what was given. */
export function attachmentsOf(layout: Layout | null, hostId: string, createdAt: string): Attachment[] {
  const ids = [...new Set((layout?.devices ?? []).flatMap(({ attachment }) => attachment ?? []))];
  return ids.map((id) => {
    const devices = devicesOfAttachment(layout, id);
    const [{ className, tag = null, vlan }] = devices as [ClaimedDevice];
    return { id, className, count: devices.length, tag, vlan, numaPolicy: null, wanted: 'attached', attached: true, reason: null, devices, hostId, createdAt };
  });
}

/**
 * Of a row that follows what its host remembers: what was given, and what was attached before (`before`, of the same host) and is not given any
 * more. Whether its guest has let that go nobody knows: it leaves, until the host has proved it. `others`: identities that the host has given to
 * other servers since; those have left.
 */
export function attachmentsAgain(before: readonly Attachment[], layout: Layout | null, hostId: string, others: ReadonlySet<string>, createdAt: string): Attachment[] {
  const given = new Set((layout?.devices ?? []).map(({ identity }) => identity));
  const leaving = before.filter(({ devices }) => devices.length > 0 && !devices.some(({ identity }) => given.has(identity) || others.has(identity)));
  return [...attachmentsOf(layout, hostId, createdAt), ...leaving.map((one): Attachment => ({ ...one, wanted: 'detached', hostId }))];
}

/** A device's id says the host and the device; an agent that does not know it says at least which device of its host it is. */
const isOf = (device: ClaimedDevice, { deviceId, identity }: ObservedDevice): boolean => (deviceId === undefined ? identity === device.identity : deviceId === device.deviceId);

/** Is it in the domain, or may it be? At a higher hold it is another attachment's: nobody gets one as long as the hold before is not released. */
export const stillThere = (devices: readonly ClaimedDevice[], seen: readonly ObservedDevice[]): ObservedDevice | undefined =>
  seen.find((one) => devices.some((device) => isOf(device, one) && one.generation <= device.generation));

/** What the host says of this hold of a device. */
export const seenOf = (device: ClaimedDevice, seen: readonly ObservedDevice[]): ObservedDevice | undefined => seen.find((one) => isOf(device, one) && one.generation === device.generation);

export const isAttached = (devices: readonly ClaimedDevice[], seen: readonly ObservedDevice[]): boolean => devices.length > 0 && devices.every((device) => seenOf(device, seen)?.state === 'attached');

const says = (one: ObservedDevice | undefined): string | null => (one === undefined || one.state === 'attached' ? null : one.state === 'needs-guest-stop' ? `needs guest stop: ${one.message ?? 'the guest does not let it go'}` : one.message ?? null);

export function attachmentView(one: Attachment, observed: Observed): DeviceAttachment {
  const seen = observed?.devices ?? [];
  const state = one.wanted === 'detached' ? 'detaching' : isAttached(one.devices, seen) ? 'attached' : 'attaching';
  const hindered = one.devices.map((device) => says(stillThere([device], seen))).find((sentence) => sentence !== null) ?? null;
  return {
    id: one.id, className: one.className, count: one.count, tag: one.tag, vlan: one.vlan, numaPolicy: one.numaPolicy ?? null, createdAt: one.createdAt, state,
    reason: one.reason === null ? hindered : hindered === null ? one.reason : `${one.reason} ${hindered}`,
  };
}

/** Every device that the server has, is to have, or has not let go yet, by its place in the guest. */
export function serverDevices({ layout, attachments, observed }: { layout: Layout | null; attachments: readonly Attachment[]; observed: Observed }): ServerDevice[] {
  const seen = observed?.devices ?? [];
  const leaving = attachments.filter(({ wanted }) => wanted === 'detached').flatMap(({ devices }) => devices.map((device) => ({ device, place: placeOf(device, 0), leaves: true })));
  const staying = (layout?.devices ?? []).map((device, index) => ({ device, place: placeOf(device, index), leaves: false }));
  return [...staying, ...leaving].sort((a, b) => a.place - b.place).map(({ device, leaves }): ServerDevice => {
    const said = leaves ? stillThere([device], seen) : seenOf(device, seen);
    // Of what came with the flavor nothing was said by older agents: the server's own state tells.
    const there = said === undefined ? device.attachment === undefined : said.state === 'attached';
    return {
      deviceId: device.deviceId, identity: device.identity, className: device.className, attachment: device.attachment ?? null, state: leaves ? 'detaching' : there ? 'attached' : 'attaching', reason: says(said),
      tag: device.tag ?? null, mac: device.mac, vlan: device.vlan, physicalNetwork: device.physicalNetwork, generation: device.generation, numaNode: device.numaNode, attach: device.attach,
    };
  });
}
