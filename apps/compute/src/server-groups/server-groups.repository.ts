import { Inject, Injectable } from '@nestjs/common';
import { audit, audited } from '#libs/audit';
import type { Caller, GroupWish, ServerGroup } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';

export type NewServerGroup = Omit<ServerGroup, 'members'>;

/** Members are the group's servers that are not deleted; the row of a deleted server still names its group. */
const SELECT = `SELECT g.id, g.project_id AS "projectId", g.user_id AS "userId", g.name, g.policy, g.max_server_per_host AS "maxServerPerHost",
    ARRAY(SELECT i.id::text FROM compute.instances i WHERE i.group_id = g.id AND i.intent <> 'deleted' ORDER BY i.number) AS members
  FROM compute.server_groups g`;

/** compute.server_groups */
@Injectable()
export class ServerGroupsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async find(id: string): Promise<ServerGroup | undefined> {
    return (await this.db.pool.query<ServerGroup>(`${SELECT} WHERE g.id = $1`, [id])).rows[0];
  }

  /** Its rule alone, as a placement asks for it; null: it is gone, and its servers are in none. */
  async wish(id: string): Promise<GroupWish | null> {
    const { rows } = await this.db.pool.query<GroupWish>('SELECT id, policy, coalesce(max_server_per_host, 1) AS "maxServerPerHost" FROM compute.server_groups WHERE id = $1', [id]);
    return rows[0] ?? null;
  }

  async list(projectId: string | null, offset: number, limit: number): Promise<ServerGroup[]> {
    const { rows } = await this.db.pool.query<ServerGroup>(
      `${SELECT} WHERE $1::text IS NULL OR g.project_id = $1 ORDER BY g.number OFFSET $2 LIMIT $3`, [projectId, offset, limit]);
    return rows;
  }

  /** `full`: the project has `max` already (negative: no limit). Counted under the project's lock; the same id again changes nothing. */
  async create(group: NewServerGroup, max: number, by: Caller): Promise<'made' | 'exists' | 'full'> {
    return this.db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 3))', [group.projectId]);
      const { rows: [state] } = await client.query<{ count: number; exists: boolean }>(
        'SELECT count(*)::int AS count, EXISTS (SELECT 1 FROM compute.server_groups WHERE id = $2) AS exists FROM compute.server_groups WHERE project_id = $1', [group.projectId, group.id]);
      if (state?.exists === true) return 'exists';
      if (max >= 0 && (state?.count ?? 0) >= max) return 'full';
      await client.query(
        'INSERT INTO compute.server_groups (id, cell_id, project_id, user_id, name, policy, max_server_per_host) VALUES ($1, $2, $3, $4, $5, $6, $7)',
        [group.id, this.db.cellId, group.projectId, group.userId, group.name, group.policy, group.maxServerPerHost]);
      await audit(client, by, { service: 'compute', action: 'server-groups:create', target: { kind: 'server-group', id: group.id }, detail: { name: group.name, policy: group.policy } });
      return 'made';
    });
  }

  async delete(id: string, by: Caller): Promise<boolean> {
    return ((await this.db.pool.query(...audited(by, { service: 'compute', action: 'server-groups:delete', target: { kind: 'server-group', id } }, 'DELETE FROM compute.server_groups WHERE id = $1 RETURNING id', [id]))).rowCount ?? 0) > 0;
  }
}
