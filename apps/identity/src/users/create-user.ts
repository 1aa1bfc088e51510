import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, notFound } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { extraOf, mergedExtra, mergedOptions } from '../http/body.js';
import { homeDomain } from '../http/home-domain.js';
import { newId } from '../http/new-id.js';
import { duplicateName, unlessAbsent, unlessTaken } from '../http/unless-taken.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { UsersRepository, type NewSecret, type UserRow } from './users.repository.js';
import { USER_KEYS, type CreateUserBody } from './users.schema.js';

@Injectable()
export class CreateUser {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly users: UsersRepository, private readonly passwords: NewPasswords) {}

  async run(caller: Caller, { user: body }: CreateUserBody, ids: Ids): Promise<UserRow> {
    const domainId = body.domain_id ?? homeDomain(caller);
    enforce('identity:users:create', caller, { domainId });
    const options = mergedOptions({}, body.options);
    // Hashing takes its time: no transaction waits for it.
    const secret = await this.secretFor(body.name, body.password ?? null, options);
    const user: UserRow = {
      id: newId(ids, 'user'), name: body.name, domainId, enabled: body.enabled ?? true, email: body.email ?? null, description: body.description ?? null,
      defaultProjectId: body.default_project_id ?? null, passwordExpiresAt: secret.expiresAt, options, extra: mergedExtra({}, extraOf(body, USER_KEYS)),
    };
    const made = this.db.transaction(async (client) => {
      if (user.defaultProjectId !== null && (await this.users.isDomain(client, user.defaultProjectId))) throw badRequest(defaultIsDomain(user.defaultProjectId));
      await unlessAbsent(unlessTaken(this.users.insert(client, user, secret), () => duplicateName('user', user.name, domainId)), () => notFound(`Could not find domain: ${domainId}.`));
      await audit(client, caller, { service: 'identity', action: 'users:create', target: { kind: 'user', id: user.id }, detail: { name: user.name, domainId, enabled: user.enabled } });
      return user;
    });
    return unlessRepeated(ids, made, async () => (await this.users.get(user.id)) ?? undefined, (found) => found.name === user.name);
  }

  private async secretFor(userName: string, password: string | null, options: Record<string, unknown>): Promise<NewSecret> {
    if (password === null) return { hash: null, expiresAt: null, mustChange: false, history: [] };
    const { hash, expiresAt, mustChange } = await this.passwords.prepare(password, { userName, history: [], byOwner: false, options });
    return { hash, expiresAt, mustChange, history: [] };
  }
}

export const defaultIsDomain = (id: string): string => `User's default project ID cannot be a domain ID: ${id}`;
