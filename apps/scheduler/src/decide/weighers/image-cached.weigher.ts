/**
 * Prefers hosts that have the server's image already: nothing has to be fetched. Pure.
 */
import type { Weigher } from '../sieve.js';

export const imageCachedWeigher: Weigher = {
  name: 'imageCached',
  kind: 'merit',
  add(fleet, { image }, hosts, count, multiplier, scores) {
    if (image === undefined || fleet.imageSets.list.length === 1) return;
    const having = fleet.imageSets.list.map((images) => images.has(image));
    if (!having.includes(true)) return;
    const { imageSet } = fleet;
    for (let at = 0; at < count; at += 1) if (having[imageSet[hosts[at]!]!] === true) scores[at]! += multiplier;
  },
};
