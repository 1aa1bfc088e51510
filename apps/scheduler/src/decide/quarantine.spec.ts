import { expect, it } from '@jest/globals';
import { afterBuild, isForgotten, mostQuarantined, type Builds } from './quarantine.js';

const rules = { failures: 3, firstMs: 60_000, mostMs: 600_000, keptMs: 900_000, share: 0.1 };

it('begins with failures in a row, doubles, and ends with the first success', () => {
  let builds: Builds | null = null;
  const waits: number[] = [];
  for (let at = 0; at < 8; at += 1) {
    builds = afterBuild(builds, false, at, rules);
    waits.push(builds!.until - at);
  }
  expect(waits).toEqual([-Infinity, -Infinity, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
  expect(afterBuild(builds, true, 9, rules)).toBeNull();
});

it('failures are forgotten', () => {
  const builds = afterBuild(afterBuild(null, false, 0, rules), false, 10, rules)!;
  expect([isForgotten(builds, 900_009, rules), isForgotten(builds, 900_010, rules)]).toEqual([false, true]);
  expect(afterBuild(builds, false, 900_010, rules)).toMatchObject({ failures: 1, until: -Infinity });
});

it('never takes much of a fleet', () => {
  expect([0, 1, 2, 3, 5, 19, 20, 100].map((hosts) => mostQuarantined(hosts, rules))).toEqual([-1, 0, 0, 1, 1, 1, 2, 10]);
});
