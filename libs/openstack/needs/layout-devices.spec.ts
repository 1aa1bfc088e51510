import { describe, expect, it } from '@jest/globals';
import type { ClaimedDevice, Layout } from '#libs/contracts';
import { devicesOfAttachment, freePlaces, withDeviceNeeds, withDevices, withoutAttachment } from './layout-devices.js';

const device = (identity: string, change: Partial<ClaimedDevice> = {}): ClaimedDevice =>
  ({ deviceId: `id ${identity}`, identity, className: 'net', generation: 1, numaNode: null, need: 0, attach: 'hostdev', mac: null, vlan: null, physicalNetwork: null, ...change });
const pinned: Layout = { cells: [{ hostCell: 0, memoryMib: 64, pageKib: null, pins: [{ guest: 0, host: 1 }], floating: [] }], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false };

describe('devices of a layout', () => {
  it('have places: those of the flavor by their order, others the lowest that are free', () => {
    expect(freePlaces([], 2)).toEqual([0, 1]);
    expect(freePlaces([device('a'), device('b'), device('c', { place: 3 })], 3)).toEqual([2, 4, 5]);
  });

  it('come and go, and leave nothing behind of a guest that floats', () => {
    const one = device('x', { attachment: 'a', place: 0 });
    const layout = withDevices(null, [one]);
    expect([layout.cells, layout.devices, devicesOfAttachment(layout, 'a'), devicesOfAttachment(layout, 'b')]).toEqual([[], [one], [one], []]);
    expect([withoutAttachment(layout, 'a'), withoutAttachment(layout, 'b'), withoutAttachment(null, 'a')]).toEqual([null, layout, null]);
    expect(withoutAttachment(withDevices(pinned, [one]), 'a')).toEqual(pinned);
    const shown = { ...withDevices(null, [one]), guestTopology: { sockets: 1, cores: 1, threads: 1 } };
    expect(withoutAttachment(shown, 'a')).toMatchObject({ guestTopology: { sockets: 1 } });
    expect(withoutAttachment(withDevices(pinned, [device('f'), one]), 'a')?.devices).toEqual([device('f')]);
  });

  it('are needed of the next host beside what the flavor says', () => {
    const need = { className: 'net', count: 1, numaPolicy: null, vlan: null, attachment: 'a' };
    expect([withDeviceNeeds(null, []), withDeviceNeeds(null, [need])?.devices, withDeviceNeeds(withDeviceNeeds(null, [need]), [need])?.devices]).toEqual([null, [need], [need, need]]);
  });
});
