import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { ListSql } from '../http/list-sql.js';
import type { RolesQuery } from './roles.schema.js';

export interface RoleRow { id: string; name: string; domainId: string | null; description: string | null; options: Extra; extra: Extra }

const COLUMNS = 'r.id, r.name, r.domain_id AS "domainId", r.description, r.options, r.extra';

@Injectable()
export class RolesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Without a domain: the roles of the whole cloud. */
  async list(query: RolesQuery): Promise<Paged<RoleRow>> {
    const sql = new ListSql().text('r.name', query, 'name');
    if (query.domain_id === undefined) sql.and('r.domain_id IS NULL');
    else sql.equals('r.domain_id', query.domain_id);
    const text = `SELECT ${COLUMNS} FROM identity.roles r ${sql.end(query, 'r', 'identity.roles', { name: 'r.name' })}`;
    return cutPage((await this.db.pool.query<RoleRow>(text, sql.values)).rows, pageSize(query.limit), (row) => row.id);
  }

  async get(id: string): Promise<RoleRow | null> {
    return (await this.db.pool.query<RoleRow>(`SELECT ${COLUMNS} FROM identity.roles r WHERE r.id = $1`, [id])).rows[0] ?? null;
  }

  /** For the rest of the transaction nobody else changes it. */
  async lock(client: PoolClient, id: string): Promise<RoleRow | null> {
    return (await client.query<RoleRow>(`SELECT ${COLUMNS} FROM identity.roles r WHERE r.id = $1 FOR UPDATE`, [id])).rows[0] ?? null;
  }

  async insert(client: PoolClient, { id, name, domainId, description, options, extra }: RoleRow): Promise<void> {
    await client.query('INSERT INTO identity.roles (id, name, domain_id, description, options, extra) VALUES ($1, $2, $3, $4, $5, $6)', [id, name, domainId, description, options, extra]);
  }

  async update(client: PoolClient, { id, name, description, options, extra }: RoleRow): Promise<void> {
    await client.query('UPDATE identity.roles SET name = $2, description = $3, options = $4, extra = $5 WHERE id = $1', [id, name, description, options, extra]);
  }

  /** With its assignments and implications. */
  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query('DELETE FROM identity.roles WHERE id = $1', [id]);
  }

  /**
   * Everybody who holds the role: to whom it, or one from which it follows, was given, members of groups as well. For the rest
   * of the transaction nobody is given one of those, or joins such a group.
   */
  async holders(client: PoolClient, id: string): Promise<string[]> {
    const above = `WITH RECURSIVE above(id) AS (SELECT $1::text UNION SELECT i.prior_role_id FROM above r JOIN identity.implied_roles i ON i.implied_role_id = r.id)`;
    await client.query(`${above} SELECT 1 FROM identity.roles WHERE id IN (SELECT id FROM above) ORDER BY id FOR UPDATE`, [id]);
    await client.query(`${above} SELECT 1 FROM identity.groups WHERE id IN (SELECT group_id FROM identity.role_assignments WHERE role_id IN (SELECT id FROM above)) ORDER BY id FOR UPDATE`, [id]);
    const { rows } = await client.query<{ id: string }>(
      `${above} SELECT DISTINCT coalesce(a.user_id, m.user_id) AS id FROM identity.role_assignments a LEFT JOIN identity.group_members m ON m.group_id = a.group_id
        WHERE a.role_id IN (SELECT id FROM above) AND coalesce(a.user_id, m.user_id) IS NOT NULL`, [id]);
    return rows.map((row) => row.id);
  }

  /** The cloud's roles that it is or leads to: those that stand in tokens. */
  async leadsTo(client: PoolClient, id: string): Promise<string[]> {
    const { rows } = await client.query<{ id: string }>(
      `WITH RECURSIVE leads(role_id) AS (SELECT $1::text UNION SELECT i.implied_role_id FROM leads l JOIN identity.implied_roles i ON i.prior_role_id = l.role_id)
       SELECT r.id FROM leads l JOIN identity.roles r ON r.id = l.role_id WHERE r.domain_id IS NULL`, [id]);
    return rows.map((row) => row.id);
  }

  /** Does a role lead to `admin` of the whole cloud, or is it that? */
  async leadsToAdmin(client: PoolClient, id: string): Promise<boolean> {
    const { rows: [row] } = await client.query<{ leads: boolean }>(
      `WITH RECURSIVE leads(role_id) AS (SELECT $1::text UNION SELECT i.implied_role_id FROM leads l JOIN identity.implied_roles i ON i.prior_role_id = l.role_id)
       SELECT EXISTS (SELECT FROM leads l JOIN identity.roles r ON r.id = l.role_id WHERE r.name = 'admin' AND r.domain_id IS NULL) AS leads`, [id]);
    return row?.leads === true;
  }
}
