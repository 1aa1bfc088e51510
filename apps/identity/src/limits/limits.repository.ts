import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { conflict, forbidden } from '#libs/errors';
import type { Ids } from '#libs/http';
import { found } from '../http/found.js';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { lockLimits } from './effective-limits.repository.js';
import { filtersOf, idFor, mustExist, noSuch } from './limits-sql.js';
import type { LimitsQuery, NewLimit, UpdateLimit } from './limits.schema.js';

export interface LimitRow {
  id: string; project_id: string | null; domain_id: string | null; service_id: string; region_id: string | null; resource_name: string; resource_limit: number; description: string | null;
  /** The domain that the limit's project is in, or its own. */
  owner_domain_id: string;
}

/** Whose limits a list is about: everybody's, those of a domain and of its projects, or one project's. */
export type Seen = 'all' | { domainId: string } | { projectId: string };

const SELECT = `SELECT l.id, l.project_id, l.domain_id, r.service_id, r.region_id, r.resource_name, l.resource_limit::float8 AS resource_limit, l.description,
    coalesce(l.domain_id, p.domain_id) AS owner_domain_id
  FROM identity.limits l JOIN identity.registered_limits r ON r.id = l.registered_limit_id LEFT JOIN identity.projects p ON p.id = l.project_id`;

/** identity.limits: what single projects and domains have instead of the default. */
@Injectable()
export class LimitsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: LimitsQuery, seen: Seen): Promise<Paged<LimitRow>> {
    const size = pageSize(query.limit);
    const { where, values } = filtersOf({
      'r.service_id': query.service_id, 'r.region_id': query.region_id, 'r.resource_name': query.resource_name, 'l.project_id': query.project_id, 'l.domain_id': query.domain_id,
      ...(seen !== 'all' && ('domainId' in seen ? { 'coalesce(l.domain_id, p.domain_id)': seen.domainId } : { '(l.project_id)': seen.projectId })),
    }, 'l.id', query.marker);
    const { rows } = await this.db.pool.query<LimitRow>(`${SELECT} ${where} ORDER BY l.id LIMIT ${size + 1}`, values);
    return cutPage(rows, size, (row) => row.id);
  }

  async get(id: string): Promise<LimitRow | undefined> {
    return (await this.db.pool.query<LimitRow>(`${SELECT} WHERE l.id = $1`, [id])).rows[0];
  }

  /** What each of these projects has; those that have nothing of their own are left out. */
  async ofProjects(ids: readonly string[]): Promise<Map<string, LimitRow[]>> {
    const { rows } = await this.db.pool.query<LimitRow>(`${SELECT} WHERE l.project_id = ANY($1::text[]) ORDER BY l.id`, [ids]);
    return Map.groupBy(rows, (row) => row.project_id ?? '');
  }

  /** All or none of them. */
  create(caller: Caller, wanted: readonly NewLimit[], ids: Ids): Promise<LimitRow[]> {
    return this.db.transaction(async (client) => {
      await lockLimits(client);
      const made: LimitRow[] = [];
      for (const [place, limit] of wanted.entries()) {
        const id = idFor(ids, 'limit', place);
        const before = ids.repeat ? await one(client, id) : undefined;
        made.push(before ?? await insert(client, caller, id, limit));
      }
      return made;
    });
  }

  update(caller: Caller, id: string, { limit: change }: UpdateLimit): Promise<LimitRow> {
    return this.db.transaction(async (client) => {
      await lockLimits(client);
      const before = found('limit', id, await one(client, id));
      const next: LimitRow = { ...before, resource_limit: change.resource_limit ?? before.resource_limit, description: change.description === undefined ? before.description : change.description };
      await client.query('UPDATE identity.limits SET resource_limit = $2, description = $3 WHERE id = $1', [id, next.resource_limit, next.description]);
      await audit(client, caller, { service: 'identity', action: 'limits:update', target: { kind: 'limit', id }, detail: { ...ofWhat(next), before: before.resource_limit, after: next.resource_limit } });
      return next;
    });
  }

  remove(caller: Caller, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      await lockLimits(client);
      const before = found('limit', id, await one(client, id));
      await client.query('DELETE FROM identity.limits WHERE id = $1', [id]);
      await audit(client, caller, { service: 'identity', action: 'limits:delete', target: { kind: 'limit', id }, detail: { ...ofWhat(before), before: before.resource_limit } });
    });
  }
}

const ofWhat = ({ project_id: projectId, domain_id: domainId, resource_name: resource }: LimitRow) => ({ ...(projectId === null ? { domainId } : { projectId }), resource });

async function one(client: PoolClient, id: string): Promise<LimitRow | undefined> {
  return (await client.query<LimitRow>(`${SELECT} WHERE l.id = $1`, [id])).rows[0];
}

async function insert(client: PoolClient, caller: Caller, id: string, limit: NewLimit): Promise<LimitRow> {
  await mustExist(client, 'limit', 'service_id', 'SELECT 1 FROM identity.services WHERE id = $1', limit.service_id);
  const regionId = limit.region_id ?? null;
  if (regionId !== null) await mustExist(client, 'limit', 'region_id', 'SELECT 1 FROM identity.regions WHERE id = $1', regionId);
  const owner = await ownerOf(client, limit);
  const { rows: [registered] } = await client.query<{ id: string }>(
    'SELECT id FROM identity.registered_limits WHERE service_id = $1 AND region_id IS NOT DISTINCT FROM $2 AND resource_name = $3', [limit.service_id, regionId, limit.resource_name]);
  if (registered === undefined) throw forbidden('Unable to create a limit that has no corresponding registered limit.');
  const { rowCount } = await client.query(
    'INSERT INTO identity.limits (id, project_id, domain_id, registered_limit_id, resource_limit, description) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, domain_id, registered_limit_id) DO NOTHING',
    [id, owner.projectId, owner.domainId, registered.id, limit.resource_limit, limit.description ?? null]);
  if (rowCount !== 1) throw conflict('Conflict occurred attempting to store limit - Duplicate entry.');
  const made = await one(client, id) as LimitRow;
  await audit(client, caller, { service: 'identity', action: 'limits:create', target: { kind: 'limit', id }, detail: { ...ofWhat(made), after: made.resource_limit } });
  return made;
}

/** A domain's id where a project's is expected stands for the domain, as it does in Keystone. */
async function ownerOf(client: PoolClient, limit: NewLimit): Promise<{ projectId: string | null; domainId: string | null }> {
  const [projectId, domainId] = [limit.project_id ?? null, limit.domain_id ?? null];
  const { rows: [there] } = await client.query<{ project: boolean; domain: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM identity.projects WHERE id = $1 AND NOT is_domain FOR KEY SHARE) AS project,
            EXISTS (SELECT 1 FROM identity.domains WHERE id = $1 FOR KEY SHARE) AS domain`, [projectId ?? domainId]);
  if (projectId !== null && there?.project === true) return { projectId, domainId: null };
  if (there?.domain === true) return { projectId: null, domainId: projectId ?? domainId };
  throw noSuch('limit', projectId !== null ? 'project_id' : 'domain_id');
}
