/**
 * Keeps hosts with all traits that flavor and image require, and none that they forbid: CPU flags and models
 * (HW_CPU_…), what the agent can do (COMPUTE_…, CUSTOM_SKYLITE_…), and whatever the operator says. Pure.
 */
import type { Kind } from '../kinds.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { siftBy } from './sift.js';

const missing = ({ traits }: Kind, { needs }: Ask): string[] => needs?.traits.required.filter((trait) => !traits.has(trait)) ?? [];
const unwanted = ({ traits }: Kind, { needs }: Ask): string[] => needs?.traits.forbidden.filter((trait) => traits.has(trait)) ?? [];

export const traitsFilter: Filter = {
  name: 'traits',
  sieve(fleet, ask, hosts, count) {
    if (!ask.needs || ask.needs.traits.required.length + ask.needs.traits.forbidden.length === 0) return count;
    const { list } = fleet.kinds;
    return siftBy(hosts, count, fleet.kind, list.length, (kind) => missing(list[kind]!, ask).length + unwanted(list[kind]!, ask).length === 0);
  },
  measure(fleet, ask, host) {
    const kind = fleet.kinds.list[fleet.kind[host]!]!;
    const [without, having] = [missing(kind, ask), unwanted(kind, ask)];
    if (without.length + having.length === 0) return null;
    return {
      filter: 'traits', needed: [...without, ...having.map((trait) => `not ${trait}`)].join(', '),
      free: [without.length > 0 ? `without ${without.join(', ')}` : '', having.length > 0 ? `has ${having.join(', ')}` : ''].filter(Boolean).join('; '), distance: without.length + having.length,
    };
  },
  sentence: (refused, nearest) => `${hostsHave(refused)} not the traits asked for (nearest: ${nearest.free}).`,
};
