import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { ListSql } from '../http/list-sql.js';
import type { RegionsQuery } from './catalog.schema.js';

export interface Region { id: string; description: string; parentId: string | null; extra: Extra }

const COLUMNS = 'r.id, r.description, r.parent_region_id AS "parentId", r.extra';

@Injectable()
export class RegionsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: RegionsQuery): Promise<Paged<Region>> {
    const sql = new ListSql().equals('r.parent_region_id', query.parent_region_id).equals('r.id', query.name);
    const { rows } = await this.db.pool.query<Region>(`SELECT ${COLUMNS} FROM identity.regions r ${sql.end(query, 'r', 'identity.regions', {})}`, sql.values);
    return cutPage(rows, pageSize(query.limit), (row) => row.id);
  }

  async get(id: string): Promise<Region | null> {
    return (await this.db.pool.query<Region>(`SELECT ${COLUMNS} FROM identity.regions r WHERE r.id = $1`, [id])).rows[0] ?? null;
  }

  async lock(client: PoolClient, id: string): Promise<Region | null> {
    return (await client.query<Region>(`SELECT ${COLUMNS} FROM identity.regions r WHERE r.id = $1 FOR UPDATE`, [id])).rows[0] ?? null;
  }

  async insert(client: PoolClient, { id, description, parentId, extra }: Region): Promise<void> {
    await client.query('INSERT INTO identity.regions (id, description, parent_region_id, extra) VALUES ($1, $2, $3, $4)', [id, description, parentId, extra]);
  }

  /** @returns whether it was not there before. */
  async ensure(client: PoolClient, id: string): Promise<boolean> {
    return (await client.query('INSERT INTO identity.regions (id) VALUES ($1) ON CONFLICT DO NOTHING', [id])).rowCount === 1;
  }

  async update(client: PoolClient, { id, description, parentId, extra }: Region): Promise<void> {
    await client.query('UPDATE identity.regions SET description = $2, parent_region_id = $3, extra = $4 WHERE id = $1', [id, description, parentId, extra]);
  }

  /** Would the region stand below itself? */
  async wouldCircle(client: PoolClient, id: string, parentId: string): Promise<boolean> {
    const { rows: [row] } = await client.query<{ circles: boolean }>(
      `WITH RECURSIVE up(id) AS (SELECT $2::text UNION SELECT r.parent_region_id FROM up u JOIN identity.regions r ON r.id = u.id WHERE r.parent_region_id IS NOT NULL)
       SELECT EXISTS (SELECT FROM up WHERE id = $1) AS circles`, [id, parentId]);
    return row?.circles === true;
  }

  /** With the regions below it. @throws PostgreSQL's 23503 while an endpoint or a limit is for one of them. */
  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query(
      `WITH RECURSIVE below(id) AS (SELECT $1::text UNION SELECT r.id FROM below b JOIN identity.regions r ON r.parent_region_id = b.id)
       DELETE FROM identity.regions WHERE id IN (SELECT id FROM below)`, [id]);
  }
}
