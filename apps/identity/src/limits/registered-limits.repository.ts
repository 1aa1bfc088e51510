import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { conflict, forbidden } from '#libs/errors';
import type { Ids } from '#libs/http';
import { found } from '../http/found.js';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { lockLimits } from './effective-limits.repository.js';
import { filtersOf, idFor, mustExist } from './limits-sql.js';
import type { NewRegisteredLimit, RegisteredLimitsQuery, UpdateRegisteredLimit } from './limits.schema.js';

export interface RegisteredLimitRow { id: string; service_id: string; region_id: string | null; resource_name: string; default_limit: number; description: string | null }

const COLUMNS = 'r.id, r.service_id, r.region_id, r.resource_name, r.default_limit::float8 AS default_limit, r.description';

/** identity.registered_limits: what is limited at all, and how far where nothing else is said. */
@Injectable()
export class RegisteredLimitsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: RegisteredLimitsQuery): Promise<Paged<RegisteredLimitRow>> {
    const size = pageSize(query.limit);
    const { where, values } = filtersOf({ 'r.service_id': query.service_id, 'r.region_id': query.region_id, 'r.resource_name': query.resource_name }, 'r.id', query.marker);
    const { rows } = await this.db.pool.query<RegisteredLimitRow>(`SELECT ${COLUMNS} FROM identity.registered_limits r ${where} ORDER BY r.id LIMIT ${size + 1}`, values);
    return cutPage(rows, size, (row) => row.id);
  }

  async get(id: string): Promise<RegisteredLimitRow | undefined> {
    return (await this.db.pool.query<RegisteredLimitRow>(`SELECT ${COLUMNS} FROM identity.registered_limits r WHERE r.id = $1`, [id])).rows[0];
  }

  /** All or none of them. */
  create(caller: Caller, wanted: readonly NewRegisteredLimit[], ids: Ids): Promise<RegisteredLimitRow[]> {
    return this.db.transaction(async (client) => {
      await lockLimits(client);
      const made: RegisteredLimitRow[] = [];
      for (const [place, limit] of wanted.entries()) {
        const id = idFor(ids, 'registered limit', place);
        const before = ids.repeat ? await one(client, id) : undefined;
        made.push(before ?? await insert(client, caller, id, limit));
      }
      return made;
    });
  }

  /**
   * The default and the words may change at any time. What it is a limit of may not while projects' limits refer to it: they would
   * become limits of something else.
   */
  update(caller: Caller, id: string, { registered_limit: change }: UpdateRegisteredLimit): Promise<RegisteredLimitRow> {
    return this.db.transaction(async (client) => {
      await lockLimits(client);
      const before = found('registered limit', id, await one(client, id));
      const next = { ...before, ...Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) };
      if (next.service_id !== before.service_id || next.region_id !== before.region_id || next.resource_name !== before.resource_name) {
        await refuseReferenced(client, id);
        await mustBeRegistrable(client, next);
        await refuseDuplicate(client, next, id);
      }
      await client.query('UPDATE identity.registered_limits SET service_id = $2, region_id = $3, resource_name = $4, default_limit = $5, description = $6 WHERE id = $1',
        [id, next.service_id, next.region_id, next.resource_name, next.default_limit, next.description]);
      await audit(client, caller, { service: 'identity', action: 'registered-limits:update', target: { kind: 'registered_limit', id }, detail: { resource: next.resource_name, before: before.default_limit, after: next.default_limit, changed: Object.keys(change) } });
      return next;
    });
  }

  remove(caller: Caller, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      await lockLimits(client);
      const { resource_name: resource } = found('registered limit', id, await one(client, id));
      await refuseReferenced(client, id);
      await client.query('DELETE FROM identity.registered_limits WHERE id = $1', [id]);
      await audit(client, caller, { service: 'identity', action: 'registered-limits:delete', target: { kind: 'registered_limit', id }, detail: { resource } });
    });
  }
}

async function one(client: PoolClient, id: string): Promise<RegisteredLimitRow | undefined> {
  return (await client.query<RegisteredLimitRow>(`SELECT ${COLUMNS} FROM identity.registered_limits r WHERE r.id = $1`, [id])).rows[0];
}

async function insert(client: PoolClient, caller: Caller, id: string, limit: NewRegisteredLimit): Promise<RegisteredLimitRow> {
  const row: RegisteredLimitRow = { id, service_id: limit.service_id, region_id: limit.region_id ?? null, resource_name: limit.resource_name, default_limit: limit.default_limit, description: limit.description ?? null };
  await mustBeRegistrable(client, row);
  await refuseDuplicate(client, row, id);
  await client.query('INSERT INTO identity.registered_limits (id, service_id, region_id, resource_name, default_limit, description) VALUES ($1, $2, $3, $4, $5, $6)',
    [row.id, row.service_id, row.region_id, row.resource_name, row.default_limit, row.description]);
  await audit(client, caller, { service: 'identity', action: 'registered-limits:create', target: { kind: 'registered_limit', id }, detail: { resource: row.resource_name, limit: row.default_limit } });
  return row;
}

/** The rows it refers to stay until the commit. */
async function mustBeRegistrable(client: PoolClient, { service_id: service, region_id: region }: RegisteredLimitRow): Promise<void> {
  await mustExist(client, 'registered_limit', 'service_id', 'SELECT 1 FROM identity.services WHERE id = $1 FOR KEY SHARE', service);
  if (region !== null) await mustExist(client, 'registered_limit', 'region_id', 'SELECT 1 FROM identity.regions WHERE id = $1 FOR KEY SHARE', region);
}

async function refuseDuplicate(client: PoolClient, row: RegisteredLimitRow, id: string): Promise<void> {
  const { rowCount } = await client.query(
    'SELECT 1 FROM identity.registered_limits WHERE service_id = $1 AND region_id IS NOT DISTINCT FROM $2 AND resource_name = $3 AND id <> $4', [row.service_id, row.region_id, row.resource_name, id]);
  if ((rowCount ?? 0) > 0) throw conflict('Conflict occurred attempting to store registered_limit - Duplicate entry.');
}

async function refuseReferenced(client: PoolClient, id: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM identity.limits WHERE registered_limit_id = $1 LIMIT 1', [id]);
  if ((rowCount ?? 0) > 0) throw forbidden(`Unable to update or delete registered limit ${id} because there are project limits associated with it.`);
}
