/**
 * Who may do everything, and that somebody always can. Owns the rule that no change takes the last enabled user away who
 * holds the admin role, and says of whom managers of a domain keep their hands. Keeps nothing in memory; a crash loses nothing.
 */
import type { Database, PoolClient } from '#libs/db';
import { forbidden } from '#libs/errors';

/** Changes that may take an admin away wait for each other: two admins who delete each other leave one. */
const ADMINS_LOCK = 72_707_376;

/** The admin role and every role from which it follows. */
const ADMIN_ROLES = `admin_roles(id) AS (
  SELECT id FROM identity.roles WHERE name = 'admin' AND domain_id IS NULL
  UNION SELECT i.prior_role_id FROM admin_roles r JOIN identity.implied_roles i ON i.implied_role_id = r.id)`;

/** Enabled people who can log in by a password and are admin somewhere that is enabled. */
const SOMEBODY = `WITH RECURSIVE ${ADMIN_ROLES}
  SELECT 1
    FROM identity.role_assignments a
    LEFT JOIN identity.group_members m ON m.group_id = a.group_id
    JOIN identity.users u ON u.id = coalesce(a.user_id, m.user_id) AND u.enabled AND u.password_hash IS NOT NULL
    JOIN identity.domains ud ON ud.id = u.domain_id AND ud.enabled
    LEFT JOIN identity.projects p ON p.id = a.project_id
    LEFT JOIN identity.domains d ON d.id = coalesce(a.domain_id, p.domain_id)
   WHERE a.role_id IN (SELECT id FROM admin_roles) AND (a.system OR d.enabled) AND (p.id IS NULL OR p.enabled)
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

/** What no manager of a domain has a hold on: the admin and the service role anywhere, and any role on the system. */
const ABOVE_MANAGERS = "(a.system OR a.role_id IN (SELECT id FROM admin_roles) OR a.role_id = (SELECT id FROM identity.roles WHERE name = 'service' AND domain_id IS NULL))";

/** Does the user hold such, by themselves or through a group, enabled or not? */
export async function userOutranksManagers(by: PoolClient | Database['pool'], userId: string): Promise<boolean> {
  const { rows } = await by.query(
    `WITH RECURSIVE ${ADMIN_ROLES}
     SELECT 1 FROM identity.role_assignments a
      WHERE (a.user_id = $1 OR a.group_id IN (SELECT group_id FROM identity.group_members WHERE user_id = $1)) AND ${ABOVE_MANAGERS} LIMIT 1`, [userId]);
  return rows.length > 0;
}

/** Does whoever is in the group? */
export async function groupOutranksManagers(by: PoolClient | Database['pool'], groupId: string): Promise<boolean> {
  const { rows } = await by.query(`WITH RECURSIVE ${ADMIN_ROLES} SELECT 1 FROM identity.role_assignments a WHERE a.group_id = $1 AND ${ABOVE_MANAGERS} LIMIT 1`, [groupId]);
  return rows.length > 0;
}
