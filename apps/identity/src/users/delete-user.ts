import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden } from '#libs/errors';
import { deleteApplicationCredentialsOf, goneCredentials } from '../application-credentials/dead-credentials.repository.js';
import { found } from '../http/found.js';
import { revoke } from '../revocations/revocations.repository.js';
import { keepingAnAdmin, userOutranksManagers } from './admins.repository.js';
import { UsersRepository } from './users.repository.js';

/** Deletes a user with assignments, memberships, credentials and application credentials, and ends every token of theirs. */
@Injectable()
export class DeleteUser {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly users: UsersRepository) {}

  async run(caller: Caller, id: string): Promise<void> {
    const seen = await this.users.get(id);
    enforce('identity:users:delete', caller, { domainId: seen?.domainId });
    found('user', id, seen);
    return this.db.transaction((client) => keepingAnAdmin(client, true, `deleting user ${id}`, async () => {
      const old = found('user', id, await this.users.lock(client, id));
      if (!caller.isAdmin && (await userOutranksManagers(client, id))) throw forbidden('Only an admin may delete a user who holds the admin or service role, or any role on the system.');
      await revoke(client, { userId: id, reason: 'the user was deleted' });
      const gone = await deleteApplicationCredentialsOf(client, 'user', id);
      await this.users.remove(client, id);
      await audit(client, caller, { service: 'identity', action: 'users:delete', target: { kind: 'user', id }, detail: { name: old.name, domainId: old.domainId, ...goneCredentials(gone) } });
    }));
  }
}
