/**
 * Keeps hosts whose agent knows layouts, for guests that get one, and real time, for guests that want it: an older agent would
 * build them without their CPUs, cells and pages, or with threads of ordinary priority. Pure.
 */
import type { Kind } from '../kinds.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { siftBy } from './sift.js';

export const LAYOUT_TRAIT = 'CUSTOM_SKYLITE_LAYOUT';
export const REALTIME_TRAIT = 'CUSTOM_SKYLITE_CPU_REALTIME';

const realtime = ({ needs }: Ask): boolean => (needs?.realtime?.length ?? 0) > 0;
const concerns = ({ shape, needs }: Ask): boolean => shape.cells.length > 0 || Boolean(needs?.topology);
const knows = (ask: Ask, { traits }: Kind): boolean => traits.has(LAYOUT_TRAIT) && (!realtime(ask) || traits.has(REALTIME_TRAIT));
const words = (ask: Ask): string => (realtime(ask) ? 'pinned CPUs of real time' : 'pinned CPUs, cells, pages and guest topologies');

export const agentFilter: Filter = {
  name: 'agent',
  sieve(fleet, ask, hosts, count) {
    const { list } = fleet.kinds;
    return concerns(ask) ? siftBy(hosts, count, fleet.kind, list.length, (kind) => knows(ask, list[kind]!)) : count;
  },
  measure: (fleet, ask, host) => (!concerns(ask) || knows(ask, fleet.kinds.list[fleet.kind[host]!]!) ? null
    : { filter: 'agent', needed: `an agent that knows ${words(ask)}`, free: 'an older one: upgrade it', distance: 1 }),
  sentence: (refused, _nearest, _fleet, ask) => `${hostsHave(refused)} an agent that is too old for ${words(ask)}.`,
};
