import { describe, expect, it } from '@jest/globals';
import type { DeviceNeed } from '#libs/contracts';
import { cell, fleetOf, no, numaHost, request, takers, yes } from '../../testing/numa-hosts.js';
import type { Fleet } from '../fleet.js';
import type { DeviceRow } from './device-row.js';
import { macOf } from './mac.js';

const POOL = '0ddba11a-0000-4000-8000-00000000d001';
const row = (identity: string, change: Partial<DeviceRow> = {}): DeviceRow => ({
  id: `id-${identity}`, identity, version: 1, generation: 0, standing: 'free', poolId: POOL, numaNode: 0, offered: true, unit: identity, kind: 'vf', network: true, pf: identity.split('/')[0]!, ...change,
});
const vfs = (pf: string, count: number, change: Partial<DeviceRow> = {}): DeviceRow[] => Array.from({ length: count }, (_, vf) => row(`${pf}/${vf}`, change));

function hostsWith(hosts: Record<string, DeviceRow[]>, make: object = {}): Fleet {
  const fleet = fleetOf(...Object.entries(hosts).map(([name, rows]) => ({ ...numaHost(name, [cell(0, 8, 2), cell(1, 8, 2)], { shared: 4, make }), devices: { rows, count: rows.length, versions: rows.length } })));
  fleet.setDeviceSettings([{ id: POOL, name: 'net-a', className: 'net', physicalNetwork: 'phys', groupTogether: true, vlans: [42], macPrefix: '02:00:00:00' }], [{ name: 'net', numaPolicy: 'legacy', attach: 'auto' }]);
  return fleet;
}
const ask = (change: Partial<DeviceNeed> = {}, needs: object = {}, more: object = {}): ReturnType<typeof request> => request({ ...needs, devices: [{ className: 'net', count: 1, numaPolicy: null, vlan: null, ...change }] }, more);
const chosen = (fleet: Fleet, question: ReturnType<typeof ask>): string[] => (yes(fleet, question).layout?.devices ?? []).map(({ identity }) => identity);

describe('which devices', () => {
  it('of a server come from different ports, of several servers from the emptiest', () => {
    const fleet = hostsWith({ a: [...vfs('p0', 3), ...vfs('p1', 2)] });
    expect(chosen(fleet, ask({ count: 2 }))).toEqual(['p0/0', 'p1/0']);
    const ports: string[] = [];
    for (let server = 0; server < 5; server += 1) {
      const candidate = yes(fleet, ask({}, {}, { memoryMib: 1, vcpus: 1 }));
      ports.push(candidate.layout!.devices![0]!.identity.split('/')[0]!);
      fleet.assume(candidate, { group: null });
    }
    expect(ports).toEqual(['p0', 'p0', 'p1', 'p0', 'p1']);
  });

  it('are where the guest’s cells are, and its cells where they are', () => {
    const fleet = hostsWith({ a: vfs('p0', 2, { numaNode: 1 }) });
    const near = ask({ numaPolicy: 'required', count: 2 }, { cpuPolicy: 'dedicated', pinned: [0, 1, 2, 3] });
    expect(yes(fleet, near).layout).toMatchObject({ cells: [{ hostCell: 1 }], devices: [{ numaNode: 1 }, { numaNode: 1 }] });
    const both = hostsWith({ a: [...vfs('p0', 1, { numaNode: 1 }), ...vfs('p1', 1, { numaNode: 0 })] });
    const { filters } = no(both, near);
    expect(filters).toMatchObject([{ name: 'device-numa', refused: 1, hosts: [{ needed: '2 net in the cells of the guest (required)', free: '1 net near enough, 1 in the wrong cell (1 on cell 0, 1 on cell 1; pool net-a: 2 free, 0 in use, 0 quarantined, 0 being scrubbed)' }] }]);
    expect(chosen(both, ask({ numaPolicy: 'preferred', count: 2 }, { cpuPolicy: 'dedicated', pinned: [0, 1, 2, 3] }))).toHaveLength(2);
  });

  it('say in numbers why there are none', () => {
    const fleet = hostsWith({ a: [...vfs('p0', 1), row('p0/7', { standing: 'claimed' }), row('p0/8', { standing: 'scrubbing' }), row('p0/9', { standing: 'quarantined' }), row('p0/6', { standing: 'missing' })] });
    expect(no(fleet, ask({ count: 2 })).filters).toMatchObject([{
      name: 'devices', reason: '1 host has not enough devices free: 2 net needed (most: 1 net).',
      hosts: [{ name: 'a', needed: '2 net', free: '1 net (pool net-a: 1 free, 1 in use, 1 quarantined, 1 being scrubbed, 1 not usable)' }],
    }]);
    expect(no(fleet, ask({ className: 'gone' })).filters[0]?.reason).toBe("No device class is named 'gone' any more.");
  });

  it('are never more than a guest has slots for, with those of their groups that come along', () => {
    const groups = (count: number, of: number): DeviceRow[] => Array.from({ length: count * of }, (_, at) => row(`f${String(at).padStart(3, '0')}`, { unit: `g${Math.floor(at / of)}`, kind: 'function', network: false, pf: null }));
    const [crowded, roomy] = [groups(9, 8), [...groups(1, 8), ...vfs('p0', 9)]];
    expect(chosen(hostsWith({ a: crowded }), ask({ count: 8 }))).toHaveLength(64);
    const pinned = { cpuPolicy: 'dedicated', pinned: [0] };
    for (const needs of [{}, pinned]) {
      expect(no(hostsWith({ a: crowded }), ask({ count: 9 }, needs))).toMatchObject({
        filters: [{
          name: 'device-slots', refused: 1, hosts: [{ name: 'a', needed: 'slots for 72 devices (9 asked for, and what goes along in their IOMMU groups)', free: 64 }],
          reason: '1 host has the devices, but a guest has not the slots for all that it would get: slots for 72 devices (9 asked for, and what goes along in their IOMMU groups) needed, 64 there.',
        }],
      });
      // Elsewhere there is room, wherever else a wide group is.
      expect(takers(hostsWith({ a: crowded, b: roomy }), ask({ count: 9 }, needs))).toEqual(['b']);
    }
  });

  it('are kept free for those who need them', () => {
    const fleet = hostsWith({ a: vfs('p0', 2), b: [] });
    expect([takers(fleet, request(null))[0], takers(fleet, ask())]).toEqual(['b', ['a']]);
  });

  it('have a MAC of the pool’s prefix, another one for each hold', () => {
    const macs = new Set(Array.from({ length: 200 }, (_, generation) => macOf('fa:16:3e', 'd', generation, 0)));
    expect([macs.size, macOf('fa:16:3e', 'd', 1, 0) === macOf('fa:16:3e', 'd', 1, 0), macOf('fa:16:3e', 'd', 1, 7) === macOf('fa:16:3e', 'd', 1, 0)]).toEqual([200, true, false]);
    expect(macOf('02:00:00:00:00', 'd', 1, 0)).toMatch(/^02:00:00:00:00:[0-9a-f]{2}$/);
    expect(yes(hostsWith({ a: vfs('p0', 1) }), ask({ vlan: 42 })).layout?.devices).toMatchObject([{ attach: 'interface', vlan: 42, physicalNetwork: 'phys', mac: expect.stringMatching(/^02:00:00:00:/) }]);
  });
});

it('a host whose agent gives no devices (any more) is never chosen, whatever it has reported', () => {
  const fleet = hostsWith({ old: vfs('p0', 2) }, { traits: ['CUSTOM_SKYLITE_LAYOUT'] });
  expect(no(fleet, ask()).filters[0]).toMatchObject({ name: 'agent', reason: '1 host has an agent that gives no devices to guests.', hosts: [{ needed: 'an agent that gives devices to guests' }] });
});
