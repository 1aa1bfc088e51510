import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest } from '#libs/errors';
import { changedFields, extraOf, mergedExtra, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { duplicateName, unlessTaken } from '../http/unless-taken.js';
import { GroupsRepository, type GroupRow } from './groups.repository.js';
import { GROUP_KEYS, type UpdateGroupBody } from './groups.schema.js';

@Injectable()
export class UpdateGroup {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly groups: GroupsRepository) {}

  async run(caller: Caller, id: string, { group: body }: UpdateGroupBody): Promise<GroupRow> {
    const seen = await this.groups.get(id);
    enforce('identity:groups:update', caller, { domainId: seen?.domainId });
    found('group', id, seen);
    requireSameId(id, body);
    return this.db.transaction(async (client) => {
      const old = found('group', id, await this.groups.lock(client, id));
      if (body.domain_id !== undefined && body.domain_id !== old.domainId) throw badRequest('Cannot change Domain ID');
      const row: GroupRow = {
        ...old, name: body.name ?? old.name, description: body.description === undefined ? old.description : (body.description ?? ''), extra: mergedExtra(old.extra, extraOf(body, GROUP_KEYS)),
      };
      await unlessTaken(this.groups.update(client, row), () => duplicateName('group', row.name, row.domainId));
      await audit(client, caller, { service: 'identity', action: 'groups:update', target: { kind: 'group', id }, detail: { name: row.name, domainId: row.domainId, changed: changedFields(body) } });
      return row;
    });
  }
}
