import type { Aggregate } from '#libs/contracts';
import { microsNoZone, microsNoZoneOrNull } from './dates.js';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

export const aggregateView = ({ id, uuid, name, metadata, hosts, createdAt, updatedAt }: Aggregate, version: Microversion) => ({
  id, ...(has(version, 'aggregate.uuid') && { uuid }), name, hosts, metadata, availability_zone: metadata['availability_zone'] ?? null,
  created_at: microsNoZone(createdAt), updated_at: microsNoZoneOrNull(updatedAt), deleted: false, deleted_at: null,
});

/** What a create answers: neither hosts nor metadata. */
export const newAggregateView = (aggregate: Aggregate, version: Microversion) => {
  const { hosts: _hosts, metadata: _metadata, ...view } = aggregateView(aggregate, version);
  return view;
};
