/**
 * The common shape of the weighers of load: the share of a host's limit that would be left after the request, from 0
 * (full) to 1 (empty). A share and not an amount, so that hosts of different sizes fill evenly. Pure.
 */
import type { Fleet } from '../fleet.js';
import type { Ask, Weigher } from '../sieve.js';

/**
 * What a share that would be left counts. Spreading takes it as it is. Packing takes its root: a host that is nearly out of one
 * thing is then fuller than one that is half out of all, and so the scarcest decides, as in best-fit.
 */
export const emptiness = (strategy: Ask['strategy'], share: number): number => (strategy === 'spread' ? share : Math.sqrt(Math.max(0, share)));

export function freeShareWeigher(name: Weigher['name'], need: (ask: Ask) => number, limitOf: (fleet: Fleet) => Int32Array, usedOf: (fleet: Fleet) => Int32Array): Weigher {
  return {
    name,
    kind: 'load',
    add(fleet, ask, hosts, count, multiplier, scores) {
      const limit = limitOf(fleet);
      const used = usedOf(fleet);
      const needed = need(ask);
      for (let at = 0; at < count; at += 1) {
        const host = hosts[at]!;
        const all = limit[host]!;
        if (all > 0) scores[at]! += multiplier * emptiness(ask.strategy, (all - used[host]! - needed) / all);
      }
    },
  };
}
