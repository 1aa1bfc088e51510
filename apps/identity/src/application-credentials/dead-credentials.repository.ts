import type { PoolClient } from '#libs/db';

/** Where a role was given: on a project or a domain, itself or (inherited) for the projects below; neither: on the system. */
export interface LostPlace { roleId: string; projectId: string | null; domainId: string | null; inherited: boolean; /** Of the project. */ projectDomainId: string | null }

/** What the trail names of them. */
const NAMED = 20;

/** $2: places, in JSON. */
const REACHED = `
  places AS (SELECT * FROM jsonb_to_recordset($2::jsonb) AS p("projectId" text, "domainId" text, inherited boolean)),
  below(id) AS (SELECT p.id FROM places l JOIN identity.projects p ON p.parent_id = l."projectId" WHERE l.inherited
          UNION SELECT p.id FROM below b JOIN identity.projects p ON p.parent_id = b.id),
  reached(id) AS (SELECT "projectId" FROM places WHERE "projectId" IS NOT NULL AND NOT inherited
            UNION SELECT id FROM below
            UNION SELECT p.id FROM places l JOIN identity.projects p ON p.domain_id = l."domainId" WHERE l.inherited)`;

/**
 * Removes the application credentials of these users for the projects that a role reached, in the transaction that takes it
 * away: they do not come back with it. Their tokens end with the users' for those projects, which the caller revokes before.
 * Holds the users: who makes a credential meanwhile has made it before, or finds the revocation.
 * @returns the ids.
 */
export async function deleteApplicationCredentials(client: PoolClient, { userIds, places }: { userIds: readonly string[]; places: readonly LostPlace[] }): Promise<string[]> {
  if (userIds.length === 0 || places.length === 0) return [];
  await client.query('SELECT 1 FROM identity.users WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE', [userIds]);
  return idsOf(client, `WITH RECURSIVE ${REACHED} DELETE FROM identity.application_credentials WHERE user_id = ANY($1::text[]) AND project_id IN (SELECT id FROM reached) RETURNING id`, [userIds, JSON.stringify(places)]);
}

const OF = {
  user: 'user_id = $1',
  project: 'project_id = $1',
  role: 'id IN (SELECT application_credential_id FROM identity.application_credential_roles WHERE role_id = $1)',
} as const;

/** The same for all that rest on one thing that goes. */
export function deleteApplicationCredentialsOf(client: PoolClient, kind: keyof typeof OF, id: string): Promise<string[]> {
  return idsOf(client, `DELETE FROM identity.application_credentials WHERE ${OF[kind]} RETURNING id`, [id]);
}

/** For the detail of the change's record: how many went, and which, as far as there is room. */
export const goneCredentials = (ids: readonly string[]): { applicationCredentials?: { count: number; ids: string[] } } =>
  (ids.length === 0 ? {} : { applicationCredentials: { count: ids.length, ids: ids.slice(0, NAMED) } });

async function idsOf(client: PoolClient, statement: string, values: unknown[]): Promise<string[]> {
  return (await client.query<{ id: string }>(statement, values)).rows.map(({ id }) => id);
}
