/**
 * Keeps hosts of the architecture the image is made for. Pure.
 */
import { canonicalArchitecture } from '../kinds.js';
import type { Filter } from '../sieve.js';
import { hostsAre } from '../words.js';
import { siftBy } from './sift.js';

export const architectureFilter: Filter = {
  name: 'architecture',
  sieve(fleet, { needs }, hosts, count) {
    if (!needs?.architecture) return count;
    const wanted = canonicalArchitecture(needs.architecture);
    const { list } = fleet.kinds;
    return siftBy(hosts, count, fleet.kind, list.length, (kind) => list[kind]!.architecture === wanted);
  },
  measure(fleet, { needs }, host) {
    const { architecture } = fleet.kinds.list[fleet.kind[host]!]!;
    if (!needs?.architecture || architecture === canonicalArchitecture(needs.architecture)) return null;
    return { filter: 'architecture', needed: needs.architecture, free: architecture || 'not known', distance: 1 };
  },
  sentence: (refused, nearest) => `${hostsAre(refused)} not of the image's architecture ${nearest.needed}.`,
};
