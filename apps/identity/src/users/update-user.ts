import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, forbidden } from '#libs/errors';
import { changedFields, extraOf, mergedExtra, mergedOptions, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { duplicateName, unlessTaken } from '../http/unless-taken.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { revoke } from '../revocations/revocations.repository.js';
import { keepingAnAdmin, userOutranksManagers } from './admins.repository.js';
import { defaultIsDomain } from './create-user.js';
import { UsersRepository, type LockedUser, type NewSecret, type UserRow } from './users.repository.js';
import { USER_KEYS, type UpdateUserBody } from './users.schema.js';

type Body = UpdateUserBody['user'];

/** Changes a user. Disabling one and setting a password end every token of theirs. */
@Injectable()
export class UpdateUser {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly users: UsersRepository, private readonly passwords: NewPasswords) {}

  async run(caller: Caller, id: string, { user: body }: UpdateUserBody): Promise<UserRow> {
    const seen = await this.users.withSecret(id);
    enforce('identity:users:update', caller, { domainId: seen?.domainId });
    const known = found('user', id, seen);
    requireSameId(id, body);
    if (body.domain_id !== undefined && body.domain_id !== known.domainId) throw badRequest('Cannot change Domain ID');
    const secret = await this.secretFor(known, body);
    const weakens = body.enabled === false || secret?.hash === null;
    return this.db.transaction((client) => keepingAnAdmin(client, weakens, `changing user ${id} so`, async () => {
      const old = found('user', id, await this.users.lock(client, id));
      if (!caller.isAdmin && (await userOutranksManagers(client, id))) throw forbidden('Only an admin may change a user who holds the admin or service role, or any role on the system.');
      const user: UserRow = {
        ...visible(old), name: body.name ?? old.name, enabled: body.enabled ?? old.enabled,
        email: body.email === undefined ? old.email : body.email, description: body.description === undefined ? old.description : body.description,
        defaultProjectId: body.default_project_id === undefined ? old.defaultProjectId : body.default_project_id,
        passwordExpiresAt: secret === undefined ? old.passwordExpiresAt : secret.expiresAt,
        options: mergedOptions(old.options, body.options), extra: mergedExtra(old.extra, extraOf(body, USER_KEYS)),
      };
      if (typeof body.default_project_id === 'string' && (await this.users.isDomain(client, body.default_project_id))) throw badRequest(defaultIsDomain(body.default_project_id));
      await unlessTaken(this.users.update(client, user), () => duplicateName('user', user.name, user.domainId));
      if (secret !== undefined) await this.users.setSecret(client, id, secret);
      const disabled = old.enabled && !user.enabled;
      if (disabled || secret !== undefined) await revoke(client, { userId: id, reason: disabled ? 'the user was disabled' : 'the password was set' });
      await audit(client, caller, {
        service: 'identity', action: 'users:update', target: { kind: 'user', id }, detail: { name: user.name, domainId: user.domainId, changed: changedFields(body), ...(disabled && { disabled }) },
      });
      return user;
    }));
  }

  /** undefined: the password stays. Hashing takes its time: no transaction waits for it. */
  private async secretFor(user: LockedUser, body: Body): Promise<NewSecret | undefined> {
    if (body.password === undefined) return undefined;
    const before = [...(user.passwordHash === null ? [] : [user.passwordHash]), ...user.passwordHistory];
    if (body.password === null) return { hash: null, expiresAt: null, mustChange: false, history: before };
    const { hash, expiresAt, mustChange, historyKept } = await this.passwords.prepare(body.password, {
      userName: body.name ?? user.name, history: before, byOwner: false, options: mergedOptions(user.options, body.options),
    });
    return { hash, expiresAt, mustChange, history: before.slice(0, historyKept) };
  }
}

function visible({ id, name, domainId, enabled, email, description, defaultProjectId, passwordExpiresAt, options, extra }: LockedUser): UserRow {
  return { id, name, domainId, enabled, email, description, defaultProjectId, passwordExpiresAt, options, extra };
}
