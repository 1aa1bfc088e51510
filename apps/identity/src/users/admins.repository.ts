/**
 * Who may do everything, and that somebody always can. Owns the rule that no change takes the last enabled user away who
 * holds the admin role, and says of whom managers of a domain keep their hands. Keeps nothing in memory; a crash loses nothing.
 */
import type { Database, PoolClient } from '#libs/db';
import { forbidden } from '#libs/errors';

/** Changes that may take an admin away wait for each other: two admins who delete each other leave one. */
const ADMINS_LOCK = 72_707_376;

/** Roles of these names, and every role from which one of them follows. */
const rolesLeadingTo = (...names: string[]): string => `strong(id) AS (
  SELECT id FROM identity.roles WHERE name IN (${names.map((name) => `'${name}'`).join(', ')}) AND domain_id IS NULL
  UNION SELECT i.prior_role_id FROM strong r JOIN identity.implied_roles i ON i.implied_role_id = r.id)`;

/**
 * Enabled people who can log in by a password and are admin where a token counts as an admin's: on the system or an enabled
 * project, never on a domain. What is inherited counts where there is an enabled project right below (above one none is disabled).
 */
const SOMEBODY = `WITH RECURSIVE ${rolesLeadingTo('admin')}
  SELECT 1
    FROM identity.role_assignments a
    LEFT JOIN identity.group_members m ON m.group_id = a.group_id
    JOIN identity.users u ON u.id = coalesce(a.user_id, m.user_id) AND u.enabled AND u.password_hash IS NOT NULL
    JOIN identity.domains ud ON ud.id = u.domain_id AND ud.enabled
    LEFT JOIN identity.projects p ON p.id = a.project_id
    LEFT JOIN identity.domains d ON d.id = coalesce(a.domain_id, p.domain_id)
   WHERE a.role_id IN (SELECT id FROM strong)
     AND CASE WHEN a.system THEN true
              WHEN NOT d.enabled THEN false
              WHEN NOT a.inherited THEN p.id IS NOT NULL AND p.enabled
              WHEN p.id IS NULL THEN EXISTS (SELECT 1 FROM identity.projects b WHERE b.domain_id = a.domain_id AND b.enabled)
              ELSE EXISTS (SELECT 1 FROM identity.projects b WHERE b.parent_id = p.id AND b.domain_id = p.domain_id AND b.enabled) END
   LIMIT 1`;

const hasAdmin = async (client: PoolClient): Promise<boolean> => (await client.query(SOMEBODY)).rows.length > 0;

/**
 * A change within its transaction, refused when nobody would be left who can undo it.
 * @param concerned whether it can take anybody's power at all. @param what in words that follow "Refused: ".
 */
export async function keepingAnAdmin<T>(client: PoolClient, concerned: boolean, what: string, change: () => Promise<T>): Promise<T> {
  if (!concerned) return change();
  await client.query('SELECT pg_advisory_xact_lock($1)', [ADMINS_LOCK]);
  const before = await hasAdmin(client);
  const result = await change();
  if (before && !(await hasAdmin(client))) throw forbidden(`Refused: ${what} would leave no enabled user with the admin role.`);
  return result;
}

/** What no manager of a domain has a hold on: the admin and the service role anywhere, by whatever name, and any role on the system. */
const ABOVE_MANAGERS = `WITH RECURSIVE ${rolesLeadingTo('admin', 'service')} SELECT 1 FROM identity.role_assignments a WHERE (a.system OR a.role_id IN (SELECT id FROM strong))`;

/** Does the user hold such, by themselves or through a group, enabled or not? */
export async function userOutranksManagers(by: PoolClient | Database['pool'], userId: string): Promise<boolean> {
  const { rows } = await by.query(`${ABOVE_MANAGERS} AND (a.user_id = $1 OR a.group_id IN (SELECT group_id FROM identity.group_members WHERE user_id = $1)) LIMIT 1`, [userId]);
  return rows.length > 0;
}

/** Does whoever is in the group? */
export async function groupOutranksManagers(by: PoolClient | Database['pool'], groupId: string): Promise<boolean> {
  return (await by.query(`${ABOVE_MANAGERS} AND a.group_id = $1 LIMIT 1`, [groupId])).rows.length > 0;
}

/** Does anybody on that project, as it was given there? */
export async function projectIsAboveManagers(by: PoolClient | Database['pool'], projectId: string): Promise<boolean> {
  return (await by.query(`${ABOVE_MANAGERS} AND a.project_id = $1 LIMIT 1`, [projectId])).rows.length > 0;
}
