import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { LostPlace } from '../application-credentials/dead-credentials.repository.js';
import type { Extra } from '../http/body.js';
import { cutBounded, withinBytes, type Counted } from '../http/bounded-page.js';
import { ListSql } from '../http/list-sql.js';
import { pageSize, type Paged } from '../http/links.js';
import type { GroupsQuery } from './groups.schema.js';

export interface GroupRow { id: string; name: string; domainId: string; description: string; extra: Extra }

const COLUMNS = 'g.id, g.name, g.domain_id AS "domainId", g.description, g.extra';
const SORT = { id: 'g.id', name: 'g.name', domain_id: 'g.domain_id' };

@Injectable()
export class GroupsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** @param only the domain whose groups the caller may see; undefined: all. @param userId whose groups; undefined: everybody's. */
  async list(query: GroupsQuery, only: string | undefined, userId?: string): Promise<Paged<GroupRow>> {
    const sql = new ListSql().equals('g.domain_id', only).text('g.name', query, 'name').equals('g.domain_id', query.domain_id);
    if (userId !== undefined) sql.and(`g.id IN (SELECT group_id FROM identity.group_members WHERE user_id = ${sql.value(userId)})`);
    const end = sql.end(query, 'g', 'identity.groups', SORT);
    const { rows } = await this.db.pool.query<GroupRow & Counted>(withinBytes(`SELECT ${COLUMNS} FROM identity.groups g ${end}`), sql.values);
    return cutBounded<GroupRow>(rows, pageSize(query.limit));
  }

  async get(id: string): Promise<GroupRow | null> {
    const { rows } = await this.db.pool.query<GroupRow>({ name: 'identity-group', text: `SELECT ${COLUMNS} FROM identity.groups g WHERE g.id = $1`, values: [id] });
    return rows[0] ?? null;
  }

  /** Held until the transaction ends: nobody joins, leaves or changes it meanwhile. */
  async lock(client: PoolClient, id: string): Promise<GroupRow | null> {
    return (await client.query<GroupRow>(`SELECT ${COLUMNS} FROM identity.groups g WHERE g.id = $1 FOR UPDATE`, [id])).rows[0] ?? null;
  }

  async insert(client: PoolClient, { id, domainId, name, description, extra }: GroupRow): Promise<void> {
    await client.query('INSERT INTO identity.groups (id, domain_id, name, description, extra) VALUES ($1, $2, $3, $4, $5)', [id, domainId, name, description, extra]);
  }

  async update(client: PoolClient, { id, name, description, extra }: GroupRow): Promise<void> {
    await client.query('UPDATE identity.groups SET name = $2, description = $3, extra = $4, generation = generation + 1 WHERE id = $1', [id, name, description, extra]);
  }

  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query('DELETE FROM identity.groups WHERE id = $1', [id]);
  }

  async memberIds(client: PoolClient, id: string): Promise<string[]> {
    return (await client.query<{ user_id: string }>('SELECT user_id FROM identity.group_members WHERE group_id = $1', [id])).rows.map((row) => row.user_id);
  }

  async hasMember(id: string, userId: string): Promise<boolean> {
    return (await this.db.pool.query('SELECT 1 FROM identity.group_members WHERE group_id = $1 AND user_id = $2', [id, userId])).rows.length > 0;
  }

  /** @returns whether the user was none before. */
  async addMember(client: PoolClient, id: string, userId: string): Promise<boolean> {
    return (await client.query('INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [id, userId])).rowCount === 1;
  }

  /** @returns whether the user was one. */
  async removeMember(client: PoolClient, id: string, userId: string): Promise<boolean> {
    return (await client.query('DELETE FROM identity.group_members WHERE group_id = $1 AND user_id = $2', [id, userId])).rowCount === 1;
  }

  /** Everything that was given to the group. */
  async places(client: PoolClient, id: string): Promise<LostPlace[]> {
    const { rows } = await client.query<LostPlace>(
      `SELECT a.role_id AS "roleId", a.project_id AS "projectId", a.domain_id AS "domainId", a.inherited, p.domain_id AS "projectDomainId"
         FROM identity.role_assignments a LEFT JOIN identity.projects p ON p.id = a.project_id WHERE a.group_id = $1`, [id]);
    return rows;
  }
}
