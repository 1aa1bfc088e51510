import { describe, expect, it } from '@jest/globals';
import { periodOf } from './period.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const iso = (ms: number) => new Date(ms).toISOString();

describe('a period of usage', () => {
  it.each<[string | undefined, string | undefined, string, string]>([
    ['2026-11-20T00:00:00', '2026-11-21T00:00:00', '2026-11-20T00:00:00.000Z', '2026-11-21T00:00:00.000Z'],
    ['2026-10-24T01:04:01.647829', '2026-11-20T01:04:01.1', '2026-10-24T01:04:01.647Z', '2026-11-20T01:04:01.100Z'],
    ['2026-11-20 00:00:00.5', undefined, '2026-11-20T00:00:00.500Z', '2026-11-21T12:00:00.000Z'],
    ['2026-11-20T00:00:00', '2030-01-01T00:00:00', '2026-11-20T00:00:00.000Z', '2026-11-21T12:00:00.000Z'],
    [undefined, undefined, '2026-11-21T12:00:00.000Z', '2026-11-21T12:00:00.000Z'],
  ])('%s to %s', (start, end, from, to) => {
    const period = periodOf(start, end, NOW);
    expect([iso(period.fromMs), iso(period.toMs)]).toEqual([from, to]);
  });
  it.each([['yesterday'], ['2026-11-20'], ['2026-13-01T00:00:00'], ['2026-02-30T00:00:00'], ['2026-11-20 00:00:00'], ['2026-11-20T00:00:00Z'], ['0000-01-01T00:00:00'], ['2026-11-20T25:00:00']])('not %s', (start) =>
    expect(() => periodOf(start, undefined, NOW)).toThrow('Invalid datetime string: Datetime is in invalid format'));
  it('not backwards', () => expect(() => periodOf('2026-11-21T00:00:00', '2026-11-20T00:00:00', NOW)).toThrow('Invalid start time. The start time cannot occur after the end time.'));
});
