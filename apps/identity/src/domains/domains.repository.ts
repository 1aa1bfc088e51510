import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import { ListSql } from '../http/list-sql.js';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { DOMAIN_IDS_OF_USER } from '../role-assignments/user-scopes.repository.js';
import type { DomainsQuery } from './domains.schema.js';

export interface DomainRow { id: string; name: string; description: string; enabled: boolean; tags: string[]; options: Extra }

const COLUMNS = 'd.id, d.name, d.description, d.enabled, d.tags, d.options';
const SORT = { id: 'd.id', name: 'd.name', enabled: 'd.enabled' };

@Injectable()
export class DomainsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** @param only the one domain that the caller may see; undefined: all. */
  async list(query: DomainsQuery, only: string | undefined): Promise<Paged<DomainRow>> {
    const sql = new ListSql().equals('d.id', only).text('d.name', query, 'name').equals('d.enabled', query.enabled);
    const end = sql.end(query, 'd', 'identity.domains', SORT);
    const { rows } = await this.db.pool.query<DomainRow>(`SELECT ${COLUMNS} FROM identity.domains d ${end}`, sql.values);
    return cutPage(rows, pageSize(query.limit), (row) => row.id);
  }

  /** Enabled domains for which the user could have a token. */
  async listOfUser(userId: string, query: DomainsQuery): Promise<Paged<DomainRow>> {
    const sql = new ListSql();
    sql.value(userId);
    sql.text('d.name', query, 'name').and('d.enabled').and(`d.id IN (${DOMAIN_IDS_OF_USER})`);
    const { rows } = await this.db.pool.query<DomainRow>(`SELECT ${COLUMNS} FROM identity.domains d ${sql.end(query, 'd', 'identity.domains', SORT)}`, sql.values);
    return cutPage(rows, pageSize(query.limit), (row) => row.id);
  }

  async get(id: string): Promise<DomainRow | null> {
    const { rows } = await this.db.pool.query<DomainRow>({ name: 'identity-domain', text: `SELECT ${COLUMNS} FROM identity.domains d WHERE d.id = $1`, values: [id] });
    return rows[0] ?? null;
  }

  /** The domain, held against every other change of it and of its tree of projects until the transaction ends. */
  async lock(client: PoolClient, id: string): Promise<DomainRow | null> {
    const { rows } = await client.query<DomainRow>(`SELECT ${COLUMNS} FROM identity.domains d WHERE d.id = $1 FOR NO KEY UPDATE`, [id]);
    return rows[0] ?? null;
  }

  async insert(client: PoolClient, { id, name, description, enabled, tags, options }: DomainRow): Promise<void> {
    await client.query('INSERT INTO identity.domains (id, name, description, enabled, tags, options) VALUES ($1, $2, $3, $4, $5, $6)', [id, name, description, enabled, tags, options]);
  }

  async update(client: PoolClient, { id, name, description, enabled, tags, options }: DomainRow): Promise<void> {
    await client.query('UPDATE identity.domains SET name = $2, description = $3, enabled = $4, tags = $5, options = $6, generation = generation + 1 WHERE id = $1', [id, name, description, enabled, tags, options]);
  }

  /** The domain and everything in it: groups, users with what is theirs, projects with what is theirs, its own roles. */
  async remove(client: PoolClient, id: string): Promise<{ users: number; projects: number; groups: number }> {
    // Whoever adds something to the domain waits for this lock, and finds no domain then.
    await client.query('SELECT 1 FROM identity.domains WHERE id = $1 FOR UPDATE', [id]);
    const groups = await client.query('DELETE FROM identity.groups WHERE domain_id = $1', [id]);
    await client.query('DELETE FROM identity.application_credentials WHERE user_id IN (SELECT id FROM identity.users WHERE domain_id = $1)', [id]);
    const users = await client.query('DELETE FROM identity.users WHERE domain_id = $1', [id]);
    await client.query('DELETE FROM identity.credentials WHERE project_id IN (SELECT id FROM identity.projects WHERE domain_id = $1)', [id]);
    await client.query('UPDATE identity.users SET default_project_id = NULL WHERE default_project_id IN (SELECT id FROM identity.projects WHERE domain_id = $1)', [id]);
    const projects = await client.query('DELETE FROM identity.projects WHERE domain_id = $1', [id]);
    await client.query('DELETE FROM identity.domains WHERE id = $1', [id]);
    return { users: users.rowCount ?? 0, projects: projects.rowCount ?? 0, groups: groups.rowCount ?? 0 };
  }

  /** Users of other domains who have roles through groups of this one; `projectId` where the group itself has one. */
  async lentRoles(client: PoolClient, id: string): Promise<{ userId: string; projectId: string | null }[]> {
    const { rows } = await client.query<{ userId: string; projectId: string | null }>(
      `SELECT DISTINCT m.user_id AS "userId", CASE WHEN a.inherited THEN NULL ELSE a.project_id END AS "projectId"
         FROM identity.groups g JOIN identity.group_members m ON m.group_id = g.id JOIN identity.users u ON u.id = m.user_id JOIN identity.role_assignments a ON a.group_id = g.id
        WHERE g.domain_id = $1 AND u.domain_id <> $1`, [id]);
    return rows;
  }

  /** The domain that a user belongs to. */
  async ofUser(client: PoolClient, userId: string): Promise<string | undefined> {
    return (await client.query<{ domain_id: string }>('SELECT domain_id FROM identity.users WHERE id = $1', [userId])).rows[0]?.domain_id;
  }
}
