import type { LimitRow } from './limits.repository.js';
import type { RegisteredLimitRow } from './registered-limits.repository.js';

export const registeredLimitView = (v3: string, row: RegisteredLimitRow) => ({
  id: row.id, service_id: row.service_id, region_id: row.region_id, resource_name: row.resource_name, default_limit: row.default_limit, description: row.description,
  links: { self: `${v3}/registered_limits/${row.id}` },
});

export const limitView = (v3: string, row: LimitRow) => ({
  id: row.id, project_id: row.project_id, domain_id: row.domain_id, service_id: row.service_id, region_id: row.region_id, resource_name: row.resource_name,
  resource_limit: row.resource_limit, description: row.description, links: { self: `${v3}/limits/${row.id}` },
});

/** Each project is counted by itself: what is above or below it in the tree does not matter. */
export const FLAT_MODEL = { name: 'flat', description: 'Limit enforcement and validation does not take project hierarchy into consideration.' };
