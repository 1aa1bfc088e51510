import type { PoolClient } from '#libs/db';
import { revoke, revokeUsers } from '../revocations/revocations.repository.js';
import type { RolesRepository, RoleRow } from './roles.repository.js';

/** Ends the tokens that a role is in. A domain's own role stands in no token: there it ends those of everybody who was given it. */
export async function revokeRole(client: PoolClient, roles: RolesRepository, role: Pick<RoleRow, 'id' | 'domainId'>, reason: string): Promise<void> {
  if (role.domainId === null) await revoke(client, { roleId: role.id, reason });
  else await revokeUsers(client, await roles.holders(client, role.id), { reason });
}
