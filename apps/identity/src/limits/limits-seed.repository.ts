import type { PoolClient } from '#libs/db';
import { lockLimits, newId } from './effective-limits.repository.js';
import { COMPUTE_NAMES, RESOURCES } from './resources.js';

/**
 * Registers what is limited from the start, once per service; gives the operators' project no limits, once; and takes over the
 * rows that were the quota store before. What somebody changed or deleted since stays so. Runs within the seeding's transaction.
 */
export async function seedLimits(client: PoolClient, adminProjectId: string | null): Promise<void> {
  for (const type of Object.keys(RESOURCES)) await seedService(client, type, adminProjectId);
  await takeOver(client);
}

async function seedService(client: PoolClient, type: string, adminProjectId: string | null): Promise<void> {
  const { rows: [service] } = await client.query<{ id: string }>('SELECT id FROM identity.services WHERE type = $1 ORDER BY created_at, id LIMIT 1', [type]);
  // Not in the catalog: what is built in counts until it is.
  if (service === undefined) return;
  const { rowCount: first } = await client.query('INSERT INTO identity.seeded (what) VALUES ($1) ON CONFLICT DO NOTHING', [`registered-limits:${type}`]);
  if (first !== 1) return;
  await lockLimits(client);
  for (const { name, byDefault, description } of RESOURCES[type] ?? []) {
    const { rows: [made] } = await client.query<{ id: string }>(
      `INSERT INTO identity.registered_limits (id, service_id, resource_name, default_limit, description) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (service_id, region_id, resource_name) DO UPDATE SET resource_name = excluded.resource_name RETURNING id`,
      [newId(), service.id, name, byDefault, description]);
    await give(client, adminProjectId, made?.id, -1);
  }
}

/** Each old row is one project's limits of compute, by other names; its words win over what was seeded just now. */
async function takeOver(client: PoolClient): Promise<void> {
  const { rows: registered } = await client.query<{ id: string; resource_name: string }>(
    `SELECT r.id, r.resource_name FROM identity.registered_limits r JOIN identity.services s ON s.id = r.service_id WHERE s.type = 'compute' AND r.region_id IS NULL ORDER BY s.created_at DESC`);
  if (registered.length === 0) return;
  const idOf = new Map(registered.map(({ id, resource_name: name }) => [name, id]));
  const { rows: old } = await client.query<{ project_id: string; limits: Record<string, unknown> }>('DELETE FROM identity.project_limits RETURNING project_id, limits');
  if (old.length > 0) await lockLimits(client);
  for (const { project_id: projectId, limits } of old) {
    for (const [field, name] of Object.entries(COMPUTE_NAMES)) {
      const limit = limits[field];
      if (typeof limit === 'number' && Number.isInteger(limit)) await give(client, projectId, idOf.get(name), Math.min(Math.max(limit, -1), 0x7fff_ffff));
    }
  }
}

async function give(client: PoolClient, projectId: string | null, registeredLimitId: string | undefined, limit: number): Promise<void> {
  if (registeredLimitId === undefined || projectId === null) return;
  await client.query(
    `INSERT INTO identity.limits (id, project_id, registered_limit_id, resource_limit) VALUES ($1, $2, $3, $4)
     ON CONFLICT (project_id, domain_id, registered_limit_id) DO UPDATE SET resource_limit = excluded.resource_limit`, [newId(), projectId, registeredLimitId, limit]);
}
