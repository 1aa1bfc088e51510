import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { notFound } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { extraOf, mergedExtra } from '../http/body.js';
import { homeDomain } from '../http/home-domain.js';
import { newId } from '../http/new-id.js';
import { duplicateName, unlessAbsent, unlessTaken } from '../http/unless-taken.js';
import { GroupsRepository, type GroupRow } from './groups.repository.js';
import { GROUP_KEYS, type CreateGroupBody } from './groups.schema.js';

@Injectable()
export class CreateGroup {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly groups: GroupsRepository) {}

  async run(caller: Caller, { group: body }: CreateGroupBody, ids: Ids): Promise<GroupRow> {
    const domainId = body.domain_id ?? homeDomain(caller);
    enforce('identity:groups:create', caller, { domainId });
    const row: GroupRow = { id: newId(ids, 'group'), name: body.name, domainId, description: body.description ?? '', extra: mergedExtra({}, extraOf(body, GROUP_KEYS)) };
    const made = this.db.transaction(async (client) => {
      await unlessAbsent(unlessTaken(this.groups.insert(client, row), () => duplicateName('group', row.name, domainId)), () => notFound(`Could not find domain: ${domainId}.`));
      await audit(client, caller, { service: 'identity', action: 'groups:create', target: { kind: 'group', id: row.id }, detail: { name: row.name, domainId } });
      return row;
    });
    return unlessRepeated(ids, made, async () => (await this.groups.get(row.id)) ?? undefined, (found) => found.name === row.name);
  }
}
