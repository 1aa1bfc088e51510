/**
 * Leaves out hosts whose aggregates are for images with other properties (Nova's AggregateImagePropertiesIsolation): where
 * image and aggregates name the same property, the values have to agree. Pure.
 */
import type { MergedMetadata } from '../aggregates.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsAre } from '../words.js';
import { siftBy } from './sift.js';

const propertiesOf = ({ needs }: Ask): [string, string][] => Object.entries(needs?.imageProperties ?? {}).filter(([, value]) => value !== '');

const disagreeing = (metadata: MergedMetadata, properties: [string, string][]): [string, string][] =>
  properties.filter(([key, value]) => metadata.has(key) && !metadata.get(key)!.has(value));

export const imagePropertiesFilter: Filter = {
  name: 'image-properties',
  sieve(fleet, ask, hosts, count) {
    const properties = propertiesOf(ask);
    const { sets } = fleet.aggregates;
    if (properties.length === 0 || sets.length === 1) return count;
    return siftBy(hosts, count, fleet.aggregateSet, sets.length, (set) => disagreeing(sets[set]!, properties).length === 0);
  },
  measure(fleet, ask, host) {
    const metadata = fleet.aggregates.sets[fleet.aggregateSet[host]!]!;
    const wrong = disagreeing(metadata, propertiesOf(ask));
    if (wrong.length === 0) return null;
    return {
      filter: 'image-properties', needed: wrong.map(([key, value]) => `${key}=${value}`).join('; '),
      free: wrong.map(([key]) => `${key}=${[...metadata.get(key)!].join(' or ')}`).join('; '), distance: wrong.length,
    };
  },
  sentence: (refused, nearest) => `${hostsAre(refused)} set aside for images with other properties (this one has ${nearest.needed}).`,
};
