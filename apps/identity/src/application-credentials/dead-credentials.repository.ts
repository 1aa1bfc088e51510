import type { PoolClient } from '#libs/db';
import { revoke } from '../revocations/revocations.repository.js';

/**
 * Removes the application credentials of these users (for this project), and ends their tokens, in the transaction that takes
 * away what they rest on: a user, a project, a role. They do not come back with it.
 * @returns how many there were.
 */
export async function deleteApplicationCredentials(client: PoolClient, { userIds, projectId }: { userIds: readonly string[]; projectId?: string | undefined }): Promise<number> {
  return remove(client, 'DELETE FROM identity.application_credentials WHERE user_id = ANY($1::text[]) AND ($2::text IS NULL OR project_id = $2) RETURNING id', [userIds, projectId ?? null]);
}

/** The same for everybody's credentials for these projects. */
export async function deleteApplicationCredentialsOfProjects(client: PoolClient, projectIds: readonly string[]): Promise<number> {
  return remove(client, 'DELETE FROM identity.application_credentials WHERE project_id = ANY($1::text[]) RETURNING id', [projectIds]);
}

async function remove(client: PoolClient, statement: string, values: unknown[]): Promise<number> {
  const { rows } = await client.query<{ id: string }>(statement, values);
  for (const { id } of rows) await revoke(client, { applicationCredentialId: id, reason: 'its application credential went' });
  return rows.length;
}
