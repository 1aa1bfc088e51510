/**
 * The common shape of the weighers: the share of a host's limit that would be left after the request, from 0 (full) to
 * 1 (empty). A share and not an amount, so that hosts of different sizes fill evenly. Pure.
 */
import type { Fleet } from '../fleet.js';
import type { PlacementRequest, Weigher } from '../request.js';

export function freeShareWeigher(name: Weigher['name'], need: (request: PlacementRequest) => number, limitOf: (fleet: Fleet) => Int32Array, usedOf: (fleet: Fleet) => Int32Array): Weigher {
  return {
    name,
    add(fleet, request, hosts, count, multiplier, scores) {
      const limit = limitOf(fleet);
      const used = usedOf(fleet);
      const needed = need(request);
      for (let at = 0; at < count; at += 1) {
        const host = hosts[at]!;
        const all = limit[host]!;
        if (all > 0) scores[at]! += multiplier * ((all - used[host]! - needed) / all);
      }
    },
  };
}
