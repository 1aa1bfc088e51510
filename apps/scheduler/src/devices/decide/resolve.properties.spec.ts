import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DeviceMatch } from '#libs/contracts';
import { FAST, fn, GPU, gpuPool, pf, PF0, PF1, POOL_A, POOL_B, row, vf, vfPool } from '../testing/devices.js';
import type { HostFacts } from './match.js';
import { placeRows } from './place-rows.js';
import { resolve } from './resolve.js';
import { heldBy, type Definitions, type StockDevice } from './stock.js';

const host: HostFacts = { id: 'h', name: 'one', labels: new Map() };
const A = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const some = { protectedBy: fc.constantFrom(null, null, null, 'boot-disk'), usedBy: fc.constantFrom(null, null, null, A) };
const state = fc.record({ poolId: fc.constantFrom(null, POOL_A, POOL_B), holder: fc.constantFrom(null, null, { instanceId: A, generation: 1, className: 'fast-net', purpose: 'run' }), missing: fc.nat(5).map((n) => n === 0) });
const card = (parent: string) => fc.tuple(fc.nat(3), fc.array(fc.tuple(fc.record(some), state), { minLength: 4, maxLength: 4 })).map(([count, each]) => [
  pf(parent, { ...each[0]![0], sriov: { totalVfs: 7, numVfs: count } } as never), ...Array.from({ length: count }, (_, index) => vf(parent, index, each[index + 1]![0] as never)),
].map((facts, at): StockDevice => row(facts, { ...each[at]![1], className: each[at]![1].poolId && 'fast-net', role: each[at]![1].poolId && 'offered' })));
const group = fc.tuple(fc.boolean(), fc.array(fc.tuple(fc.record(some), state), { minLength: 2, maxLength: 2 })).map(([apart, each]) => [
  fn('slot:a', { ...each[0]![0], mates: apart ? [] : ['slot:b'] } as never), fn('slot:b', { ...each[1]![0], pciClass: '040300', mates: apart ? [] : ['slot:a'] } as never),
].map((facts, at) => row(facts, { ...each[at]![1], className: each[at]![1].poolId && 'a100', role: each[at]![1].poolId && 'offered' })));
const rows = fc.tuple(card(PF0), card(PF1), group).map((parts) => parts.flat());
const match: fc.Arbitrary<DeviceMatch> = fc.constantFrom<DeviceMatch>({}, { vendor: ['8086'] }, { pf: ['enp1s0'] }, { numaNode: [1] }, { pciClass: ['03'] }, { pciClass: ['03', '04'] }, { kind: ['vf'] }, { kind: ['pf'] });
const definitions = fc.record({ vfs: fc.option(match), vfCount: fc.nat(3), functions: fc.option(match), together: fc.boolean() }).map(({ vfs, vfCount, functions, together }): Definitions => ({
  classes: new Map([[FAST.name, FAST], [GPU.name, GPU]]),
  pools: [...(vfs === null ? [] : [vfPool({ match: vfs, vfCount: vfCount + 1 })]), ...(functions === null ? [] : [gpuPool({ match: functions, groupTogether: together })])],
}));

describe('whatever is defined', () => {
  it('nothing is offered that must not be, units are offered whole, and one thing at most is wanted of a function', () => {
    fc.assert(fc.property(rows, definitions, (all, defined) => {
      const { places, wishes } = resolve(host, all, defined);
      const there = new Map(all.filter(({ missing }) => !missing).map((one) => [one.identity, one.facts!]));
      expect([...places.keys()].sort()).toEqual([...there.keys()].sort());
      for (const [identity, { role, poolId, className, unit }] of places) {
        expect([identity, poolId === null]).toEqual([identity, role === null && className === null]);
        if (role !== 'offered' && role !== 'companion') continue;
        const facts = there.get(identity)!;
        expect([identity, facts.protectedBy, facts.sriov?.numVfs ?? 0]).toEqual([identity, null, 0]);
        for (const mate of facts.mates) expect(['offered', 'companion']).toContain(places.get(mate)?.role);
        for (const mate of facts.mates) expect(places.get(mate)).toMatchObject({ unit, poolId });
      }
      expect(new Set(wishes.map(({ identity }) => identity)).size).toBe(wishes.length);
      for (const { identity } of wishes) expect(there.get(identity)?.protectedBy).toBeNull();
    }), { numRuns: 500 });
  });

  it('a device that a server has keeps its pool while there is one, and placing twice is placing once', () => {
    fc.assert(fc.property(rows, definitions, (all, defined) => {
      const once = placeRows(host, all, defined);
      for (const [at, before] of all.entries()) {
        const pool = defined.pools.find(({ id }) => id === before.poolId);
        // What its mode can't have given, it can't keep; what the host lives on is nobody's.
        if (heldBy(before) === null || pool === undefined || before.facts!.protectedBy !== null || before.missing || (pool.mode === 'vfs') !== (before.facts!.kind === 'pf')) continue;
        expect(once.rows[at]!.poolId).toBe(before.poolId);
      }
      const twice = placeRows(host, once.rows, defined);
      const again = placeRows(host, twice.rows, defined);
      expect(again.rows).toEqual(twice.rows);
      expect(again.told).toEqual([]);
    }), { numRuns: 300 });
  });
});
