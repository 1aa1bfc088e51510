import type { PoolClient } from '#libs/db';
import { revoke, revokeUsers } from '../revocations/revocations.repository.js';
import type { RolesRepository, RoleRow } from './roles.repository.js';

/**
 * Ends the tokens that a role is in, and all of everybody who holds it: a domain's own role stands in no token, and one of an
 * application credential may name only what followed from it. Called before anything of the role is gone.
 */
export async function revokeRole(client: PoolClient, roles: RolesRepository, role: Pick<RoleRow, 'id' | 'domainId'>, reason: string): Promise<void> {
  const [holders, leadsTo] = [await roles.holders(client, role.id), await roles.leadsTo(client, role.id)];
  if (role.domainId === null) await revoke(client, { roleId: role.id, reason });
  await revokeUsers(client, holders, { reason }, leadsTo.map((roleId) => ({ roleId })));
}
