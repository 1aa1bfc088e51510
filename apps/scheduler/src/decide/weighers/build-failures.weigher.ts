/**
 * Prefers hosts on which no build failed lately: each failure costs, the first ones most. Pure.
 */
import type { Weigher } from '../sieve.js';

export const buildFailuresWeigher: Weigher = {
  name: 'buildFailures',
  kind: 'merit',
  add(fleet, _ask, hosts, count, multiplier, scores) {
    if (fleet.failing === 0) return;
    const { recentFailures } = fleet;
    for (let at = 0; at < count; at += 1) {
      const failures = recentFailures[hosts[at]!]!;
      if (failures > 0) scores[at]! -= (multiplier * failures) / (failures + 1);
    }
  },
};
