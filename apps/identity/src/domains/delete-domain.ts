import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { forbidden } from '#libs/errors';
import { deleteApplicationCredentials } from '../application-credentials/dead-credentials.repository.js';
import { found } from '../http/found.js';
import { refuseImmutableDelete } from '../http/immutable.js';
import { revoke, revokeUsers } from '../revocations/revocations.repository.js';
import { keepingAnAdmin } from '../users/admins.repository.js';
import { DomainsRepository } from './domains.repository.js';

/** Deletes a domain that was disabled before, with its users, groups, projects and roles, in one transaction. */
@Injectable()
export class DeleteDomain {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly domains: DomainsRepository) {}

  run(caller: Caller, id: string): Promise<void> {
    return this.db.transaction((client) => keepingAnAdmin(client, true, `deleting domain ${id}`, async () => {
      const old = found('domain', id, await this.domains.lock(client, id));
      refuseImmutableDelete('domain', id, old.options);
      if ((await this.domains.ofUser(client, caller.userId)) === id) throw forbidden(`Cannot delete domain ${id}: it is the one that you belong to.`);
      if (old.enabled) throw forbidden('Cannot delete a domain that is enabled, please disable it first.');
      await revoke(client, { domainId: id, reason: 'the domain was deleted' });
      await this.endLentRoles(client, id);
      const gone = await this.domains.remove(client, id);
      await audit(client, caller, { service: 'identity', action: 'domains:delete', target: { kind: 'domain', id }, detail: { name: old.name, ...gone } });
    }));
  }

  /** Its groups may have members from elsewhere, who have roles by them anywhere: those end with the groups. */
  private async endLentRoles(client: PoolClient, id: string): Promise<void> {
    const lent = await this.domains.lentRoles(client, id);
    await revokeUsers(client, lent.map(({ userId }) => userId), { reason: 'a group of the user was deleted with its domain' });
    for (const { userId, projectId } of lent) {
      if (projectId !== null) await deleteApplicationCredentials(client, { userIds: [userId], projectId });
    }
  }
}
