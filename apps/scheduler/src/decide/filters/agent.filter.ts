/**
 * Keeps hosts whose agent knows layouts, for guests that get one: an older agent would build them without their CPUs,
 * cells and pages. Pure.
 */
import type { Kind } from '../kinds.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { siftBy } from './sift.js';

export const LAYOUT_TRAIT = 'CUSTOM_SKYLITE_LAYOUT';

const concerns = ({ shape, needs }: Ask): boolean => shape.cells.length > 0 || Boolean(needs?.topology);
const knows = ({ traits }: Kind): boolean => traits.has(LAYOUT_TRAIT);

export const agentFilter: Filter = {
  name: 'agent',
  sieve(fleet, ask, hosts, count) {
    const { list } = fleet.kinds;
    return concerns(ask) ? siftBy(hosts, count, fleet.kind, list.length, (kind) => knows(list[kind]!)) : count;
  },
  measure: (fleet, ask, host) => (!concerns(ask) || knows(fleet.kinds.list[fleet.kind[host]!]!) ? null
    : { filter: 'agent', needed: 'an agent that knows pinned CPUs, cells, pages and guest topologies', free: 'an older one: upgrade it', distance: 1 }),
  sentence: (refused) => `${hostsHave(refused)} an agent that is too old for pinned CPUs, cells, pages and guest topologies.`,
};
