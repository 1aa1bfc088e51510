/**
 * Devices that come to a layout and leave it while its server is there. Each has its place in the guest and keeps it: those of the flavor by
 * their order, later ones the lowest that nobody has. Pure.
 */
import { Needs, type ClaimedDevice, type DeviceNeed, type Layout } from '#libs/contracts';

/** A guest that floats has no layout until it has a device. */
const FLOATING: Layout = { cells: [], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false };

export const placeOf = (device: Pick<ClaimedDevice, 'place'>, index: number): number => device.place ?? index;

/** The lowest `count` places that nobody has. */
export function freePlaces(devices: readonly Pick<ClaimedDevice, 'place'>[], count: number): number[] {
  const taken = new Set(devices.map(placeOf));
  const free: number[] = [];
  for (let place = 0; free.length < count; place += 1) if (!taken.has(place)) free.push(place);
  return free;
}

export const withDevices = (layout: Layout | null, more: readonly ClaimedDevice[]): Layout => ({ ...(layout ?? FLOATING), devices: [...(layout?.devices ?? []), ...more] });

/** null: nothing is left that it would be bound by. */
export function withoutAttachment(layout: Layout | null, attachment: string): Layout | null {
  if (layout?.devices === undefined) return layout;
  const { devices: there, ...rest } = layout;
  const devices = there.filter((device) => device.attachment !== attachment);
  if (devices.length === there.length) return layout;
  if (devices.length > 0) return { ...rest, devices };
  const floats = rest.cells.length === 0 && rest.emulatorCpu === null && rest.emulatorThreads === null && rest.guestTopology === null && rest.idleCpus.length === 0;
  return floats ? null : rest;
}

export const devicesOfAttachment = (layout: Layout | null, attachment: string): ClaimedDevice[] => (layout?.devices ?? []).filter((device) => device.attachment === attachment);

/** What a server needs that has more devices than its flavor says. */
export function withDeviceNeeds(needs: Needs | null, more: readonly DeviceNeed[]): Needs | null {
  return more.length === 0 ? needs : { ...(needs ?? Needs.parse({})), devices: [...(needs?.devices ?? []), ...more] };
}
