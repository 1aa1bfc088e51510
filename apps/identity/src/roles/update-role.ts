import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { ROLES } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, forbidden } from '#libs/errors';
import { changedFields, extraOf, mergedExtra, mergedOptions, requireSameId } from '../http/body.js';
import { enforceOn } from '../http/enforce-on.js';
import { found } from '../http/found.js';
import { refuseImmutableChange } from '../http/immutable.js';
import { duplicateName, unlessTaken } from '../http/unless-taken.js';
import { revokeRole } from './revoke-role.js';
import { RolesRepository, type RoleRow } from './roles.repository.js';
import { ROLE_KEYS, type UpdateRoleBody } from './roles.schema.js';

@Injectable()
export class UpdateRole {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly roles: RolesRepository) {}

  run(caller: Caller, id: string, { role: body }: UpdateRoleBody): Promise<RoleRow> {
    return this.db.transaction(async (client) => {
      const old = found('role', id, await this.roles.lock(client, id));
      if (old.domainId !== null) enforceOn('identity:domain-roles:update', caller, { domainId: old.domainId });
      requireSameId(id, body);
      refuseUnnaming(old, body);
      refuseImmutableChange('role', id, old.options, body);
      if (body.domain_id !== undefined && body.domain_id !== old.domainId) throw badRequest('A role stays in its domain: domain_id cannot be changed.');
      const row: RoleRow = {
        ...old, name: body.name ?? old.name, description: body.description === undefined ? old.description : body.description,
        options: mergedOptions(old.options, body.options), extra: mergedExtra(old.extra, extraOf(body, ROLE_KEYS)),
      };
      await unlessTaken(this.roles.update(client, row), () => duplicateName('role', row.name, row.domainId ?? undefined));
      // Tokens carry names, and policies go by them: what a token says must not go on meaning what the name meant before.
      if (row.name !== old.name) await revokeRole(client, this.roles, old, `the role was renamed`);
      await audit(client, caller, { service: 'identity', action: 'roles:update', target: { kind: 'role', id }, detail: { name: row.name, changed: changedFields(body) } });
      return row;
    });
  }
}

/** The policy knows its roles by their names: without one of them nobody would be what it stands for, admin first of all. */
function refuseUnnaming({ id, name, domainId }: RoleRow, body: UpdateRoleBody['role']): void {
  if (domainId !== null || !(ROLES as readonly string[]).includes(name)) return;
  if (body.name !== undefined && body.name !== name) throw forbidden(`The role ${id} is what policies call ${name}: it keeps that name.`);
  if (body.options?.immutable !== undefined && body.options.immutable !== true) throw forbidden(`The role ${id} is what policies call ${name}: it stays protected.`);
}
