/**
 * Prefers hosts that have the server's image already: nothing has to be fetched. Pure.
 */
import type { Weigher } from '../sieve.js';

export const imageCachedWeigher: Weigher = {
  name: 'imageCached',
  kind: 'merit',
  add(fleet, { cachedOn }, hosts, count, multiplier, scores) {
    if (cachedOn === undefined || cachedOn.size === 0) return;
    const having = new Set<number>();
    for (const id of cachedOn) having.add(fleet.indexOf(id));
    for (let at = 0; at < count; at += 1) if (having.has(hosts[at]!)) scores[at]! += multiplier;
  },
};
