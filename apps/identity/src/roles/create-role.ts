import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { notFound } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { extraOf, mergedExtra, mergedOptions } from '../http/body.js';
import { enforceOn } from '../http/enforce-on.js';
import { newId } from '../http/new-id.js';
import { duplicateName, unlessAbsent, unlessTaken } from '../http/unless-taken.js';
import { RolesRepository, type RoleRow } from './roles.repository.js';
import { ROLE_KEYS, type CreateRoleBody } from './roles.schema.js';

@Injectable()
export class CreateRole {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly roles: RolesRepository) {}

  run(caller: Caller, { role }: CreateRoleBody, ids: Ids): Promise<RoleRow> {
    const domainId = role.domain_id ?? null;
    if (domainId !== null) enforceOn('identity:domain-roles:create', caller, { domainId });
    const row: RoleRow = {
      id: newId(ids, 'role'), name: role.name, domainId, description: role.description ?? null,
      options: mergedOptions({}, role.options), extra: mergedExtra({}, extraOf(role, ROLE_KEYS)),
    };
    const made = this.db.transaction(async (client) => {
      await unlessAbsent(unlessTaken(this.roles.insert(client, row), () => duplicateName('role', row.name, domainId ?? undefined)), () => notFound(`Could not find domain: ${String(domainId)}.`));
      await audit(client, caller, { service: 'identity', action: 'roles:create', target: { kind: 'role', id: row.id }, detail: { name: row.name, domainId } });
      return row;
    });
    return unlessRepeated(ids, made, async () => (await this.roles.get(row.id)) ?? undefined, (known) => known.name === row.name);
  }
}
