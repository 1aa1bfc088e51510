import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cell, fleetOf, numaHost } from '../testing/numa-hosts.js';
import { Fleet } from './fleet.js';
import type { HostRow } from './host-row.js';
import { FREE_CPUS, STRIDE } from './numa/cell-table.js';

const row = (id: string, version: number, generation: number, usedVcpus: number, zone: string): HostRow => ({
  id, name: `n-${id}`, zone, onlyWhenAsked: false, enabled: true, disabledReason: null, bootId: null, generation,
  capacity: { limit: { vcpus: 100, memoryMib: 100, diskGib: 100 }, used: { vcpus: usedVcpus, memoryMib: 0, diskGib: 0 }, largest: { vcpus: 100, memoryMib: 100 }, version },
});

it('keeps the newest of whatever order rows come in, host by host, through growth and removal', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ id: fc.integer({ min: 0, max: 150 }), version: fc.nat(9), generation: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.integer({ min: 0, max: 150 }) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const fleet = new Fleet();
    const model = new Map<string, { version: number; generation: number }>();
    for (const one of steps) {
      if ('remove' in one) {
        expect(fleet.remove(`${one.remove}`)).toBe(model.delete(`${one.remove}`));
        continue;
      }
      const id = `${one.id}`;
      // Content follows from the version, as it does in the database.
      fleet.put(row(id, one.version, one.generation, one.version * 3, `z${one.generation}`));
      const known = model.get(id) ?? { version: -1, generation: -1 };
      model.set(id, { version: Math.max(known.version, one.version), generation: Math.max(known.generation, one.generation) });
    }
    expect(fleet.size).toBe(model.size);
    for (const [id, { version, generation }] of model) {
      const at = fleet.indexOf(id);
      expect(fleet.ids[at]).toBe(id);
      expect(fleet.names[at]).toBe(`n-${id}`);
      expect(fleet.usedVcpus[at]).toBe(version * 3);
      expect(fleet.zones[at]).toBe(`z${generation}`);
    }
  }), { numRuns: 300 });
});

it('a full read that is forced replaces even what looks newer', () => {
  const fleet = new Fleet();
  fleet.put(row('a', 5, 5, 50, 'z'));
  fleet.assume({ host: 0, layout: null, amounts: { vcpus: 7, memoryMib: 0, diskGib: 0, cpus: [], cells: [], resources: {} } }, {});
  expect(fleet.put(row('a', 4, 5, 40, 'z'))).toBe(false);
  expect(fleet.usedVcpus[0]).toBe(57);
  expect(fleet.isCurrent(row('a', 5, 5, 50, 'z'))).toBe(true);
  expect(fleet.put(row('a', 4, 5, 40, 'z'), true)).toBe(true);
  expect(fleet.usedVcpus[0]).toBe(40);
});

describe('cells, resources, kinds and aggregates', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ id: fc.nat(80), cells: fc.nat(3), taken: fc.nat(4), version: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat(80) }) },
  );

  it('stay with their host through growth, removal and hosts that are made anew', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const fleet = new Fleet();
      fleet.setAggregates([{ id: 'odd', metadata: { odd: 'true' }, hostIds: Array.from({ length: 40 }, (_, at) => `${2 * at + 1}`) }]);
      const model = new Map<string, { cells: number; taken: number; version: number }>();
      let capacityVersion = 0;
      for (const one of steps) {
        if ('remove' in one) {
          expect(fleet.remove(`${one.remove}`)).toBe(model.delete(`${one.remove}`));
          continue;
        }
        const id = `${one.id}`;
        const known = model.get(id);
        const newer = known === undefined || one.version > known.version;
        const cells = newer ? one.cells : known.cells;
        capacityVersion += 1;
        // The row of a host that is known may come without its make.
        const make = known !== undefined && !newer ? null : numaHost('x', Array.from({ length: cells }, (_, at) => cell(at, 2, 2)), { make: { version: one.version, traits: [`T${cells}`], resources: { CUSTOM_A: 10 * cells } } }).make!;
        const taken = [0, 1, 2, 3].slice(0, one.taken);
        const plain = row(id, capacityVersion, 1, 0, 'z');
        fleet.put({ ...plain, make, capacity: { ...plain.capacity, claimed: { cpus: cells > 0 ? taken : [], cells: [], resources: { CUSTOM_A: one.taken } } } });
        model.set(id, { cells, taken: one.taken, version: newer ? one.version : known.version });
      }
      for (const [id, { cells, taken }] of model) {
        const at = fleet.indexOf(id);
        expect(fleet.cellCounts[at]).toBe(cells);
        expect(fleet.dedicated[at]).toBe(4 * cells);
        expect(fleet.freeDedicated[at]).toBe(cells > 0 ? 4 * cells - taken : 0);
        for (let nth = 0; nth < cells; nth += 1) expect(fleet.cellTable.data[fleet.cellStarts[at]! + nth * STRIDE + FREE_CPUS]).toBe(nth === 0 ? 4 - taken : 4);
        expect(fleet.resources[at]!.free('CUSTOM_A')).toBe(10 * cells - taken);
        expect(fleet.kinds.list[fleet.kind[at]!]!.traits.has(`T${cells}`)).toBe(true);
        expect(fleet.aggregates.sets[fleet.aggregateSet[at]!]!.has('odd')).toBe(Number(id) % 2 === 1);
      }
    }), { numRuns: 200 });
  });

  it('what is claimed stays claimed when a host is made anew, and an older make is not taken', () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 2, 2)], { claimed: { cpus: [0, 1], resources: { CUSTOM_A: 1 } }, make: { version: 2 } }));
    const again = (version: number, cells: number): boolean => fleet.put({ ...numaHost('a', Array.from({ length: cells }, (_, at) => cell(at, 2, 2)), { make: { version, resources: { CUSTOM_A: 4 } } }), capacity: { ...numaHost('a', []).capacity, version: 0 } });
    expect(again(1, 3)).toBe(false);
    expect(again(3, 2)).toBe(true);
    expect([fleet.freeDedicated[0], fleet.resources[0]!.free('CUSTOM_A')]).toEqual([6, 3]);
  });
});
