import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { deleteApplicationCredentialsOf, goneCredentials } from '../application-credentials/dead-credentials.repository.js';
import { enforceOn } from '../http/enforce-on.js';
import { found } from '../http/found.js';
import { refuseImmutableDelete } from '../http/immutable.js';
import { keepingAnAdmin } from '../users/admins.repository.js';
import { revokeRole } from './revoke-role.js';
import { RolesRepository } from './roles.repository.js';

/** Deletes a role with everything that was given of it. */
@Injectable()
export class DeleteRole {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly roles: RolesRepository) {}

  run(caller: Caller, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const role = found('role', id, await this.roles.lock(client, id));
      if (role.domainId !== null) enforceOn('identity:domain-roles:delete', caller, { domainId: role.domainId });
      refuseImmutableDelete('role', id, role.options);
      await keepingAnAdmin(client, await this.roles.leadsToAdmin(client, id), `deleting role ${id}`, async () => {
        await revokeRole(client, this.roles, role, 'the role was deleted');
        const gone = await deleteApplicationCredentialsOf(client, 'role', id);
        await this.roles.remove(client, id);
        await audit(client, caller, { service: 'identity', action: 'roles:delete', target: { kind: 'role', id }, detail: { name: role.name, domainId: role.domainId, ...goneCredentials(gone) } });
      });
    });
  }
}
