import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { ListSql } from '../http/list-sql.js';
import type { Interface } from './catalog.js';
import type { EndpointsQuery } from './catalog.schema.js';

export interface Endpoint {
  id: string; serviceId: string; regionId: string | null; interface: Interface; url: string; name: string | null; description: string | null; enabled: boolean; extra: Extra;
}

const COLUMNS = 'e.id, e.service_id AS "serviceId", e.region_id AS "regionId", e.interface, e.url, e.name, e.description, e.enabled, e.extra';

@Injectable()
export class EndpointsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: EndpointsQuery): Promise<Paged<Endpoint>> {
    const sql = new ListSql().equals('e.interface', query.interface).equals('e.service_id', query.service_id).equals('e.region_id', query.region_id);
    const { rows } = await this.db.pool.query<Endpoint>(`SELECT ${COLUMNS} FROM identity.endpoints e ${sql.end(query, 'e', 'identity.endpoints', {})}`, sql.values);
    return cutPage(rows, pageSize(query.limit), (row) => row.id);
  }

  async get(id: string): Promise<Endpoint | null> {
    return (await this.db.pool.query<Endpoint>(`SELECT ${COLUMNS} FROM identity.endpoints e WHERE e.id = $1`, [id])).rows[0] ?? null;
  }

  async lock(client: PoolClient, id: string): Promise<Endpoint | null> {
    return (await client.query<Endpoint>(`SELECT ${COLUMNS} FROM identity.endpoints e WHERE e.id = $1 FOR UPDATE`, [id])).rows[0] ?? null;
  }

  async insert(client: PoolClient, it: Endpoint): Promise<void> {
    await client.query(
      'INSERT INTO identity.endpoints (id, service_id, region_id, interface, url, name, description, enabled, extra) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      [it.id, it.serviceId, it.regionId, it.interface, it.url, it.name, it.description, it.enabled, it.extra]);
  }

  async update(client: PoolClient, it: Endpoint): Promise<void> {
    await client.query(
      'UPDATE identity.endpoints SET service_id = $2, region_id = $3, interface = $4, url = $5, name = $6, description = $7, enabled = $8, extra = $9 WHERE id = $1',
      [it.id, it.serviceId, it.regionId, it.interface, it.url, it.name, it.description, it.enabled, it.extra]);
  }

  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query('DELETE FROM identity.endpoints WHERE id = $1', [id]);
  }
}
