/**
 * Leaves out hosts whose aggregates are for some projects alone (metadata filter_tenant_id…, Nova's
 * AggregateMultiTenancyIsolation), unless the server's project is one of them. Pure.
 */
import type { MergedMetadata } from '../aggregates.js';
import type { Filter } from '../sieve.js';
import { hostsAre } from '../words.js';
import { siftBy } from './sift.js';

function admits(metadata: MergedMetadata, projectId: string | undefined): boolean {
  let reserved = false;
  for (const [key, values] of metadata) {
    if (!key.startsWith('filter_tenant_id')) continue;
    if (projectId !== undefined && values.has(projectId)) return true;
    reserved = true;
  }
  return !reserved;
}

export const tenantFilter: Filter = {
  name: 'tenant',
  sieve(fleet, { projectId }, hosts, count) {
    const { sets } = fleet.aggregates;
    return sets.length === 1 ? count : siftBy(hosts, count, fleet.aggregateSet, sets.length, (set) => admits(sets[set]!, projectId));
  },
  measure: (fleet, { projectId }, host) => (admits(fleet.aggregates.sets[fleet.aggregateSet[host]!]!, projectId) ? null
    : { filter: 'tenant', needed: `open to project ${projectId ?? 'of nobody'}`, free: 'in an aggregate of other projects', distance: 1 }),
  sentence: (refused) => `${hostsAre(refused)} set aside for other projects.`,
};
