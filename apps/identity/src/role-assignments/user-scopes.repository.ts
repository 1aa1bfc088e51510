import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';

/**
 * What of user $1's assignments gives them any role that a token may carry: a domain's own role counts only when a role of
 * the whole cloud follows from it. The same rules as decide/effective-roles, for all scopes at once.
 */
const USABLE = `
  given AS (SELECT a.role_id, a.project_id, a.domain_id, a.inherited FROM identity.role_assignments a
             WHERE a.user_id = $1 OR a.group_id IN (SELECT group_id FROM identity.group_members WHERE user_id = $1)),
  leads(from_id, role_id) AS (SELECT DISTINCT role_id, role_id FROM given
                        UNION SELECT l.from_id, i.implied_role_id FROM leads l JOIN identity.implied_roles i ON i.prior_role_id = l.role_id),
  usable AS (SELECT g.* FROM given g WHERE g.role_id IN (SELECT l.from_id FROM leads l JOIN identity.roles r ON r.id = l.role_id WHERE r.domain_id IS NULL))`;

/** Ids of the projects for which user $1 could have a token, were all of them enabled: to stand in `id IN (…)`. */
export const PROJECT_IDS_OF_USER = `WITH RECURSIVE ${USABLE},
  below(id) AS (SELECT p.id FROM identity.projects p JOIN usable u ON u.project_id = p.parent_id AND u.inherited
          UNION SELECT p.id FROM below b JOIN identity.projects p ON p.parent_id = b.id)
  SELECT project_id FROM usable WHERE project_id IS NOT NULL AND NOT inherited
   UNION SELECT id FROM below
   UNION SELECT p.id FROM identity.projects p JOIN usable u ON u.domain_id = p.domain_id AND u.inherited`;

/** Ids of the domains for which user $1 could have a token, were all of them enabled. */
export const DOMAIN_IDS_OF_USER = `WITH RECURSIVE ${USABLE} SELECT domain_id FROM usable WHERE domain_id IS NOT NULL AND NOT inherited`;

/** For which projects and domains somebody could have a token. Says nothing about whether those are enabled. */
@Injectable()
export class UserScopesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async projectIds(userId: string): Promise<string[]> {
    return (await this.db.pool.query<{ id: string }>(`SELECT project_id AS id FROM (${PROJECT_IDS_OF_USER}) AS of_user ORDER BY 1`, [userId])).rows.map(({ id }) => id);
  }

  async domainIds(userId: string): Promise<string[]> {
    return (await this.db.pool.query<{ id: string }>(`SELECT DISTINCT domain_id AS id FROM (${DOMAIN_IDS_OF_USER}) AS of_user ORDER BY 1`, [userId])).rows.map(({ id }) => id);
  }
}
