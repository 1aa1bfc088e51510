import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { takeShare } from './inventory.js';

const machine = { vcpus: 8, memoryMib: 16_000, diskGib: 100, cells: [{ id: 0, cpus: [0, 1, 2, 3], memoryMib: 8_000 }, { id: 1, cpus: [4, 5, 6, 7], memoryMib: 7_900 }] };

describe('takeShare', () => {
  it('is the whole machine by default', () => {
    expect(takeShare(machine, {})).toEqual(machine);
  });
  it('shrinks the cells with the share', () => {
    expect(takeShare(machine, { vcpus: 5, memoryMib: 1_590 })).toEqual({
      vcpus: 5, memoryMib: 1_590, diskGib: 100, cells: [{ id: 0, cpus: [0, 1, 2, 3], memoryMib: 800 }, { id: 1, cpus: [4], memoryMib: 790 }],
    });
  });
  it('never offers more than there is, nor a CPU or MiB twice', () => {
    fc.assert(fc.property(fc.record({ vcpus: fc.integer({ min: 1, max: 20 }), memoryMib: fc.integer({ min: 1, max: 30_000 }), diskGib: fc.integer({ min: 1, max: 200 }) }), (share) => {
      const taken = takeShare(machine, share);
      expect(taken.vcpus).toBe(Math.min(8, share.vcpus));
      expect(taken.cells.flatMap(({ cpus }) => cpus)).toHaveLength(taken.vcpus);
      expect(taken.cells.reduce((sum, cell) => sum + cell.memoryMib, 0)).toBeLessThanOrEqual(Math.max(taken.memoryMib, 0));
      expect(taken.diskGib).toBeLessThanOrEqual(100);
    }));
  });
});
