import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce, type PolicyRule } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { forbidden, notFound } from '#libs/errors';
import { deleteApplicationCredentials, goneCredentials } from '../application-credentials/dead-credentials.repository.js';
import { found } from '../http/found.js';
import { revoke } from '../revocations/revocations.repository.js';
import { groupOutranksManagers, keepingAnAdmin } from '../users/admins.repository.js';
import { UsersRepository } from '../users/users.repository.js';
import { GroupsRepository } from './groups.repository.js';

/** Who is in a group. Leaving one ends the user's tokens: the roles in them may have come from it. */
@Injectable()
export class GroupMembers {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly groups: GroupsRepository, private readonly users: UsersRepository) {}

  async check(caller: Caller, id: string, userId: string): Promise<void> {
    await this.allowed('identity:group-members:check', caller, id, userId);
    if (!(await this.groups.hasMember(id, userId))) throw noMember(id, userId);
  }

  /** Adding a member again changes nothing. */
  async add(caller: Caller, id: string, userId: string): Promise<void> {
    await this.allowed('identity:group-members:add', caller, id, userId);
    await this.db.transaction(async (client) => {
      await this.change(client, caller, id);
      found('user', userId, await this.users.lock(client, userId));
      if (!(await this.groups.addMember(client, id, userId))) return;
      await audit(client, caller, { service: 'identity', action: 'group-members:add', target: { kind: 'group', id }, detail: { userId } });
    });
  }

  async remove(caller: Caller, id: string, userId: string): Promise<void> {
    await this.allowed('identity:group-members:remove', caller, id, userId);
    await this.db.transaction((client) => keepingAnAdmin(client, true, `taking user ${userId} out of group ${id}`, async () => {
      await this.change(client, caller, id);
      if (!(await this.groups.removeMember(client, id, userId))) throw noMember(id, userId);
      await revoke(client, { userId, reason: 'the user left a group' });
      const gone = await deleteApplicationCredentials(client, { userIds: [userId], places: await this.groups.places(client, id) });
      await audit(client, caller, { service: 'identity', action: 'group-members:remove', target: { kind: 'group', id }, detail: { userId, ...goneCredentials(gone) } });
    }));
  }

  /** Both the group and the user must be the caller's to change. */
  private async allowed(rule: PolicyRule, caller: Caller, id: string, userId: string): Promise<void> {
    const [group, user] = await Promise.all([this.groups.get(id), this.users.get(userId)]);
    enforce(rule, caller, { domainId: [group?.domainId, user?.domainId] });
    found('group', id, group);
    found('user', userId, user);
  }

  private async change(client: PoolClient, caller: Caller, id: string): Promise<void> {
    found('group', id, await this.groups.lock(client, id));
    if (!caller.isAdmin && (await groupOutranksManagers(client, id))) throw forbidden('Only an admin may change who is in a group that holds the admin or service role, or any role on the system.');
  }
}

const noMember = (id: string, userId: string): Error => notFound(`User '${userId}' not found in group '${id}'`);
