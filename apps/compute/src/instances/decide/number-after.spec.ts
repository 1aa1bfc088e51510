import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { numberAfter } from './number-after.js';

it('counts in the first incarnation', () => { expect([numberAfter(1, 1), numberAfter(7, 1)]).toEqual([2, 8]); });

it('no number is given again after a restore, whatever was lost', () => {
  fc.assert(fc.property(fc.nat(50), fc.nat(50), fc.integer({ min: 31_000_000, max: 40_000_000 }), fc.integer({ min: 60, max: 1_000_000 }), (kept, lost, first, later) => {
    for (const [before, after] of [[1, first], [first, first + later]] as const) {
      const given: number[] = [numberAfter(kept, before)];
      for (let n = 0; n < lost; n += 1) given.push(numberAfter(given.at(-1)!, before));
      expect(given).not.toContain(numberAfter(kept, after));
    }
  }));
});
