import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fleetPullEveryMs, handOutTokens, simulatedName } from './fleet.js';

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'fleet-')); });
afterEach(() => rmSync(folder, { recursive: true }));
const hand = (names: string[], tokens: string[]) => handOutTokens(join(folder, 'shown.json'), names, tokens);

describe('a fleet', () => {
  it('names its hosts so that they sort', () => {
    expect([0, 9, 99, 999].map(simulatedName)).toEqual(['sim-001', 'sim-010', 'sim-100', 'sim-1000']);
  });
  it('pulls more slowly the larger it is', () => {
    expect([1, 100, 1_000].map(fleetPullEveryMs)).toEqual([15_000, 15_000, 20_000]);
  });
  it('lets a host show its own token again, never one that another has shown', async () => {
    expect([...(await hand(['a', 'b', 'c'], ['1', '2', '3']))]).toEqual([['a', '1'], ['b', '2'], ['c', '3']]);
    // b and c were killed before the answer; a joined.
    expect([...(await hand(['b', 'c'], ['1', '2', '3']))].filter(([name]) => name !== 'a')).toEqual([['b', '2'], ['c', '3']]);
    // New tokens for those that are left.
    expect((await hand(['b', 'c', 'd'], ['4', '5', '6'])).get('d')).toBe('6');
    expect((await hand(['e'], ['4'])).get('e')).toBeUndefined();
  });
});
