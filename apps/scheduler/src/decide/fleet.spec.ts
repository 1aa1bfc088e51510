import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Fleet, type HostRow } from './fleet.js';

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
  fleet.assume(0, { vcpus: 7, memoryMib: 0, diskGib: 0 });
  expect(fleet.put(row('a', 4, 5, 40, 'z'))).toBe(false);
  expect(fleet.usedVcpus[0]).toBe(57);
  expect(fleet.isCurrent(row('a', 5, 5, 50, 'z'))).toBe(true);
  expect(fleet.put(row('a', 4, 5, 40, 'z'), true)).toBe(true);
  expect(fleet.usedVcpus[0]).toBe(40);
});
