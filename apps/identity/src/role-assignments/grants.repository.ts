import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import type { RoleRow } from '../roles/roles.repository.js';

/** To whom and on what: exactly one of user and group; exactly one of project, domain and `system`. */
export interface GrantPlace {
  userId: string | null; groupId: string | null;
  projectId: string | null; domainId: string | null; system: boolean;
  inherited: boolean;
}

/** What is known of the parties of a grant; null: there is no such one. */
export interface GrantParties {
  /** The domain of the user or group. */
  actorDomain: string | null;
  /** The domain, or the project's; null for the system as well. */
  targetDomain: string | null;
  role: { id: string; name: string; domainId: string | null; options: Extra } | null;
  /** Names of the cloud's roles that the role is or leads to. */
  leadsTo: string[];
}

const PLACE = 'user_id IS NOT DISTINCT FROM $1 AND group_id IS NOT DISTINCT FROM $2 AND project_id IS NOT DISTINCT FROM $3 AND domain_id IS NOT DISTINCT FROM $4 AND system = $5 AND inherited = $6';
const valuesOf = ({ userId, groupId, projectId, domainId, system, inherited }: GrantPlace): unknown[] => [userId, groupId, projectId, domainId, system, inherited];

type Queries = Pick<PoolClient, 'query'>;

/** Single assignments, as they were given. */
@Injectable()
export class GrantsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** @param roleId null: no role is meant. */
  async parties(place: GrantPlace, roleId: string | null, client: Queries = this.db.pool): Promise<GrantParties> {
    const { rows: [row] } = await client.query<GrantParties>(
      `WITH RECURSIVE leads(role_id) AS (SELECT $5::text UNION SELECT i.implied_role_id FROM leads l JOIN identity.implied_roles i ON i.prior_role_id = l.role_id)
       SELECT coalesce((SELECT domain_id FROM identity.users WHERE id = $1), (SELECT domain_id FROM identity.groups WHERE id = $2)) AS "actorDomain",
              coalesce((SELECT domain_id FROM identity.projects WHERE id = $3), (SELECT id FROM identity.domains WHERE id = $4)) AS "targetDomain",
              (SELECT jsonb_build_object('id', id, 'name', name, 'domainId', domain_id, 'options', options) FROM identity.roles WHERE id = $5) AS role,
              coalesce((SELECT jsonb_agg(r.name) FROM leads l JOIN identity.roles r ON r.id = l.role_id WHERE r.domain_id IS NULL), '[]') AS "leadsTo"`,
      [place.userId, place.groupId, place.projectId, place.domainId, roleId]);
    return row as GrantParties;
  }

  /** The roles that were given there, by name. */
  async roles(place: GrantPlace): Promise<RoleRow[]> {
    const { rows } = await this.db.pool.query<RoleRow>(
      `SELECT r.id, r.name, r.domain_id AS "domainId", r.description, r.options, r.extra FROM identity.roles r
        WHERE r.id IN (SELECT role_id FROM identity.role_assignments WHERE ${PLACE}) ORDER BY r.name, r.id`, valuesOf(place));
    return rows;
  }

  async has(place: GrantPlace, roleId: string): Promise<boolean> {
    return (await this.db.pool.query(`SELECT FROM identity.role_assignments WHERE ${PLACE} AND role_id = $7`, [...valuesOf(place), roleId])).rowCount !== 0;
  }

  /** @returns false: it was given already. */
  async insert(client: PoolClient, place: GrantPlace, roleId: string): Promise<boolean> {
    const { rowCount } = await client.query(
      'INSERT INTO identity.role_assignments (user_id, group_id, project_id, domain_id, system, inherited, role_id) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING', [...valuesOf(place), roleId]);
    return rowCount === 1;
  }

  /** @returns false: there was none. */
  async remove(client: PoolClient, place: GrantPlace, roleId: string): Promise<boolean> {
    return (await client.query(`DELETE FROM identity.role_assignments WHERE ${PLACE} AND role_id = $7`, [...valuesOf(place), roleId])).rowCount === 1;
  }

  /** For the rest of the transaction nobody joins it or leaves. */
  async lockGroup(client: PoolClient, id: string): Promise<void> {
    await client.query('SELECT 1 FROM identity.groups WHERE id = $1 FOR UPDATE', [id]);
  }

  async members(client: PoolClient, groupId: string): Promise<string[]> {
    return (await client.query<{ id: string }>('SELECT user_id AS id FROM identity.group_members WHERE group_id = $1', [groupId])).rows.map(({ id }) => id);
  }
}
