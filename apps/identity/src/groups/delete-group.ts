import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden } from '#libs/errors';
import { deleteApplicationCredentials, goneCredentials } from '../application-credentials/dead-credentials.repository.js';
import { found } from '../http/found.js';
import { revokeUsers } from '../revocations/revocations.repository.js';
import { everybodyOn } from '../role-assignments/lost-tokens.js';
import { groupOutranksManagers, keepingAnAdmin } from '../users/admins.repository.js';
import { GroupsRepository } from './groups.repository.js';

/** Deletes a group with its assignments. Where it had roles, its members' tokens end. */
@Injectable()
export class DeleteGroup {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly groups: GroupsRepository) {}

  async run(caller: Caller, id: string): Promise<void> {
    const seen = await this.groups.get(id);
    enforce('identity:groups:delete', caller, { domainId: seen?.domainId });
    found('group', id, seen);
    return this.db.transaction((client) => keepingAnAdmin(client, true, `deleting group ${id}`, async () => {
      const old = found('group', id, await this.groups.lock(client, id));
      if (!caller.isAdmin && (await groupOutranksManagers(client, id))) throw forbidden('Only an admin may delete a group that holds the admin or service role, or any role on the system.');
      const [members, places] = [await this.groups.memberIds(client, id), await this.groups.places(client, id)];
      if (places.length > 0) await revokeUsers(client, members, { reason: 'a group of the user was deleted' }, everybodyOn(places));
      // As with every role that is taken away: what was made in its name goes too.
      const gone = await deleteApplicationCredentials(client, { userIds: members, places });
      await this.groups.remove(client, id);
      await audit(client, caller, { service: 'identity', action: 'groups:delete', target: { kind: 'group', id }, detail: { name: old.name, domainId: old.domainId, members: members.length, ...goneCredentials(gone) } });
    }));
  }
}
