import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readRange } from './range.js';

describe('readRange', () => {
  it.each<[string | undefined, number, unknown]>([
    [undefined, 10, undefined], ['bytes=0-3', 10, { start: 0, end: 3 }], ['bytes=5-', 10, { start: 5, end: 9 }], ['bytes=-3', 10, { start: 7, end: 9 }], ['bytes=-30', 10, { start: 0, end: 9 }],
    ['bytes=8-99', 10, { start: 8, end: 9 }], ['bytes=10-', 10, 'unsatisfiable'], ['bytes=-0', 10, 'unsatisfiable'], ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=3-1', 10, undefined], ['bytes=0-1,3-4', 10, undefined], ['items=0-1', 10, undefined], ['bytes=-', 10, undefined],
  ])('%s of %d bytes', (header, size, expected) => {
    expect(readRange(header, size)).toEqual(expected);
  });

  it('never leaves the file', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('0', '1', '9', '-', ',', 'b', ' ') }), fc.nat(1000), (text, size) => {
      const range = readRange(`bytes=${text}`, size);
      if (typeof range !== 'object') return;
      expect(range.start).toBeGreaterThanOrEqual(0);
      expect(range.end).toBeLessThan(size);
      expect(range.start).toBeLessThanOrEqual(range.end);
    }));
  });
});
