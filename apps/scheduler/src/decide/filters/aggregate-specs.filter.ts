/**
 * Keeps hosts whose aggregates' metadata meet the flavor's extra specs (aggregate_instance_extra_specs:… and those without
 * a scope; Nova's AggregateInstanceExtraSpecsFilter). A host in no aggregate meets none. Pure.
 */
import type { MergedMetadata } from '../aggregates.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsAre } from '../words.js';
import { siftBy } from './sift.js';
import { meets } from './spec-operators.js';

const specsOf = ({ needs }: Ask): [string, string][] => Object.entries(needs?.aggregateSpecs ?? {});

/** The specs that these aggregates do not meet. */
const unmet = (metadata: MergedMetadata, specs: [string, string][]): [string, string][] => specs.filter(([key, demand]) => {
  for (const value of metadata.get(key) ?? []) if (meets(value, demand)) return false;
  return true;
});

export const aggregateSpecsFilter: Filter = {
  name: 'aggregate-extra-specs',
  sieve(fleet, ask, hosts, count) {
    const specs = specsOf(ask);
    const { sets } = fleet.aggregates;
    return specs.length === 0 ? count : siftBy(hosts, count, fleet.aggregateSet, sets.length, (set) => unmet(sets[set]!, specs).length === 0);
  },
  measure(fleet, ask, host) {
    const metadata = fleet.aggregates.sets[fleet.aggregateSet[host]!]!;
    const wrong = unmet(metadata, specsOf(ask));
    if (wrong.length === 0) return null;
    const has = wrong.map(([key]) => `${key}: ${metadata.has(key) ? [...metadata.get(key)!].join(', ') : 'not in its aggregates'}`);
    return { filter: 'aggregate-extra-specs', needed: wrong.map(([key, demand]) => `${key}: ${demand}`).join('; '), free: has.join('; '), distance: wrong.length };
  },
  sentence: (refused, nearest) => `${hostsAre(refused)} in no aggregate with what the flavor's extra specs ask for (nearest misses ${nearest.needed}).`,
};
