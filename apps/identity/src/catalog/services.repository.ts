import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { ListSql } from '../http/list-sql.js';
import type { ServicesQuery } from './catalog.schema.js';

export interface Service { id: string; type: string; name: string | null; description: string | null; enabled: boolean; extra: Extra }

const COLUMNS = 's.id, s.type, s.name, s.description, s.enabled, s.extra';

@Injectable()
export class ServicesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: ServicesQuery): Promise<Paged<Service>> {
    const sql = new ListSql().text('s.name', query, 'name').equals('s.type', query.type);
    const { rows } = await this.db.pool.query<Service>(`SELECT ${COLUMNS} FROM identity.services s ${sql.end(query, 's', 'identity.services', {})}`, sql.values);
    return cutPage(rows, pageSize(query.limit), (row) => row.id);
  }

  async get(id: string): Promise<Service | null> {
    return (await this.db.pool.query<Service>(`SELECT ${COLUMNS} FROM identity.services s WHERE s.id = $1`, [id])).rows[0] ?? null;
  }

  async lock(client: PoolClient, id: string): Promise<Service | null> {
    return (await client.query<Service>(`SELECT ${COLUMNS} FROM identity.services s WHERE s.id = $1 FOR UPDATE`, [id])).rows[0] ?? null;
  }

  async insert(client: PoolClient, { id, type, name, description, enabled, extra }: Service): Promise<void> {
    await client.query('INSERT INTO identity.services (id, type, name, description, enabled, extra) VALUES ($1, $2, $3, $4, $5, $6)', [id, type, name, description, enabled, extra]);
  }

  async update(client: PoolClient, { id, type, name, description, enabled, extra }: Service): Promise<void> {
    await client.query('UPDATE identity.services SET type = $2, name = $3, description = $4, enabled = $5, extra = $6 WHERE id = $1', [id, type, name, description, enabled, extra]);
  }

  /** With its endpoints. @throws PostgreSQL's 23503 while there are registered limits of it. */
  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query('DELETE FROM identity.services WHERE id = $1', [id]);
  }
}
