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

  /** A project's id is no domain's: in the tree, in limits and in tokens' scopes one stands for the other. */
  async isProject(client: PoolClient, id: string): Promise<boolean> {
    return (await client.query('SELECT 1 FROM identity.projects WHERE id = $1', [id])).rows.length > 0;
  }

  async insert(client: PoolClient, { id, name, description, enabled, tags, options }: DomainRow): Promise<void> {
    await client.query('INSERT INTO identity.domains (id, name, description, enabled, tags, options) VALUES ($1, $2, $3, $4, $5, $6)', [id, name, description, enabled, tags, options]);
  }

  async update(client: PoolClient, { id, name, description, enabled, tags, options }: DomainRow): Promise<void> {
    await client.query('UPDATE identity.domains SET name = $2, description = $3, enabled = $4, tags = $5, options = $6, generation = generation + 1 WHERE id = $1', [id, name, description, enabled, tags, options]);
  }

  /**
   * Of what is in the domain at most `most` users and `most` projects, after its groups, with what is theirs; the domain with its
   * own roles once nothing else is left, which `rest` says it is not.
   * `credentials`: ids of the application credentials that went. Projects go from the leaves on: what is left is a tree.
   */
  async removeSome(client: PoolClient, id: string, most: number): Promise<{ users: number; projects: number; groups: number; credentials: string[]; rest: boolean }> {
    // Whoever adds something to the domain waits for this lock, and finds no domain then, or a disabled one.
    await client.query('SELECT 1 FROM identity.domains WHERE id = $1 FOR UPDATE', [id]);
    const groups = (await client.query('DELETE FROM identity.groups WHERE domain_id = $1', [id])).rowCount ?? 0;
    const credentials: string[] = [];
    const users = await this.removeUsers(client, id, most, credentials);
    let projects = 0;
    for (let some = -1; some !== 0 && projects < most; projects += some) some = await this.removeLeaves(client, id, most - projects, credentials);
    const { rows } = await client.query('SELECT 1 FROM identity.users WHERE domain_id = $1 UNION ALL SELECT 1 FROM identity.projects WHERE domain_id = $1 LIMIT 1', [id]);
    const rest = rows.length > 0;
    if (!rest) await client.query('DELETE FROM identity.domains WHERE id = $1', [id]);
    return { users, projects, groups, credentials, rest };
  }

  private async removeUsers(client: PoolClient, id: string, most: number, credentials: string[]): Promise<number> {
    const { rows } = await client.query<{ id: string }>('SELECT id FROM identity.users WHERE domain_id = $1 LIMIT $2', [id, most]);
    const ids = idsOf({ rows });
    // Before their access rules, which they hold.
    credentials.push(...idsOf(await client.query('DELETE FROM identity.application_credentials WHERE user_id = ANY($1) RETURNING id', [ids])));
    return (await client.query('DELETE FROM identity.users WHERE id = ANY($1)', [ids])).rowCount ?? 0;
  }

  /** Projects with none below them. */
  private async removeLeaves(client: PoolClient, id: string, most: number, credentials: string[]): Promise<number> {
    const { rows } = await client.query<{ id: string }>(
      'SELECT p.id FROM identity.projects p WHERE p.domain_id = $1 AND NOT EXISTS (SELECT 1 FROM identity.projects b WHERE b.parent_id = p.id AND b.domain_id = $1) LIMIT $2', [id, most]);
    const ids = idsOf({ rows });
    if (ids.length === 0) return 0;
    credentials.push(...idsOf(await client.query('DELETE FROM identity.application_credentials WHERE project_id = ANY($1) RETURNING id', [ids])));
    await client.query('DELETE FROM identity.credentials WHERE project_id = ANY($1)', [ids]);
    await client.query('UPDATE identity.users SET default_project_id = NULL WHERE default_project_id = ANY($1)', [ids]);
    return (await client.query('DELETE FROM identity.projects WHERE id = ANY($1)', [ids])).rowCount ?? 0;
  }

  /** Groups of the domain that have roles and members of other domains: these. Nobody joins or leaves them meanwhile. */
  async lendingGroups(client: PoolClient, id: string): Promise<{ groupId: string; userIds: string[] }[]> {
    await client.query('SELECT 1 FROM identity.groups WHERE domain_id = $1 ORDER BY id FOR UPDATE', [id]);
    const { rows } = await client.query<{ groupId: string; userIds: string[] }>(
      `SELECT g.id AS "groupId", array_agg(u.id) AS "userIds"
         FROM identity.groups g JOIN identity.group_members m ON m.group_id = g.id JOIN identity.users u ON u.id = m.user_id
        WHERE g.domain_id = $1 AND u.domain_id <> $1 AND EXISTS (SELECT 1 FROM identity.role_assignments a WHERE a.group_id = g.id) GROUP BY g.id`, [id]);
    return rows;
  }

  /** The domain that a user belongs to. */
  async ofUser(client: PoolClient, userId: string): Promise<string | undefined> {
    return (await client.query<{ domain_id: string }>('SELECT domain_id FROM identity.users WHERE id = $1', [userId])).rows[0]?.domain_id;
  }
}

const idsOf = ({ rows }: { rows: { id: string }[] }): string[] => rows.map(({ id }) => id);
