import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { forbidden } from '#libs/errors';
import { deleteApplicationCredentials, goneCredentials } from '../application-credentials/dead-credentials.repository.js';
import { GroupsRepository } from '../groups/groups.repository.js';
import { found } from '../http/found.js';
import { refuseImmutableDelete } from '../http/immutable.js';
import { LIMITS } from '../limits.js';
import { revoke, revokeUsers } from '../revocations/revocations.repository.js';
import { everybodyOn } from '../role-assignments/lost-tokens.js';
import { keepingAnAdmin } from '../users/admins.repository.js';
import { DomainsRepository } from './domains.repository.js';

/**
 * Deletes a domain that was disabled before, with its users, groups, projects and roles: a small one in one transaction, a large
 * one in several. When it ends in between, the domain is there still, disabled, and deleting it again goes on.
 */
@Injectable()
export class DeleteDomain {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly domains: DomainsRepository, private readonly groups: GroupsRepository) {}

  async run(caller: Caller, id: string): Promise<void> {
    while (await this.some(caller, id)) { /* each a transaction that asks everything anew */ }
  }

  /** @returns whether there is more. */
  private some(caller: Caller, id: string): Promise<boolean> {
    return this.db.transaction((client) => keepingAnAdmin(client, true, `deleting domain ${id}`, async () => {
      const old = found('domain', id, await this.domains.lock(client, id));
      refuseImmutableDelete('domain', id, old.options);
      if ((await this.domains.ofUser(client, caller.userId)) === id) throw forbidden(`Cannot delete domain ${id}: it is the one that you belong to.`);
      if (old.enabled) throw forbidden('Cannot delete a domain that is enabled, please disable it first.');
      await revoke(client, { domainId: id, reason: 'the domain was deleted' });
      const lent = await this.endLentRoles(client, id);
      const { rest, credentials, ...gone } = await this.domains.removeSome(client, id, LIMITS.removedAtOnce);
      await audit(client, caller, { service: 'identity', action: 'domains:delete', target: { kind: 'domain', id }, detail: { name: old.name, ...gone, ...goneCredentials([...lent, ...credentials]), ...(rest && { rest }) } });
      return rest;
    }));
  }

  /** Its groups may have members from elsewhere, who have roles by them anywhere: those end with the groups. @returns application credentials that went. */
  private async endLentRoles(client: PoolClient, id: string): Promise<string[]> {
    const gone: string[] = [];
    for (const { groupId, userIds } of await this.domains.lendingGroups(client, id)) {
      const places = await this.groups.places(client, groupId);
      await revokeUsers(client, userIds, { reason: 'a group of the user was deleted with its domain' }, everybodyOn(places));
      gone.push(...await deleteApplicationCredentials(client, { userIds, places }));
    }
    return gone;
  }
}
