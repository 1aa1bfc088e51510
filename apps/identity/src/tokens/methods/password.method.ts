import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { unauthorized } from '#libs/errors';
import { parseInput } from '#libs/http';
import { Logins } from '../../logins/logins.js';
import { PasswordHasher } from '../../passwords/password-hasher.js';
import { AccountsRepository, type Account } from '../accounts.repository.js';
import { PasswordUser } from '../tokens.schema.js';
import { strategyOf, type Attempt, type AuthMethod, type Proven } from './auth-method.js';

const Body = z.object({ auth: z.object({ identity: z.object({ password: z.strictObject({ user: PasswordUser }) }) }) });

/** User and password. An unknown or disabled user costs as much time as a wrong password, and is made to wait as one. */
@Injectable()
export class PasswordMethod implements AuthMethod {
  readonly method = 'password';
  readonly strategy = strategyOf((attempt) => this.prove(attempt));

  constructor(private readonly accounts: AccountsRepository, private readonly hasher: PasswordHasher, private readonly logins: Logins) {}

  private async prove({ body, address, requestId }: Attempt): Promise<Proven | null> {
    const { user } = parseInput(Body, body).auth.identity.password;
    const account = await this.accounts.findUser(user);
    const subject = Logins.subjectOf(account?.id ?? null, user, account?.options.ignoresLockout);
    await this.logins.admit(subject, address);
    const matches = await this.hasher.matches(account?.passwordHash ?? null, user.password);
    // Many guesses at once have all been admitted: what they have found out, those that were too many do not hear.
    const failures = await this.logins.admit(subject, address);
    if (!matches || account === null || !account.enabled) {
      const actor = { userName: account?.name ?? user.name ?? user.id ?? '', ...(account !== null && { userId: account.id }), address, requestId };
      await this.logins.failed(subject, actor, account === null ? 'no such user' : matches ? 'the user is disabled' : 'wrong password');
      return null;
    }
    if (failures > 0) await this.logins.succeeded(subject);
    if (mustChange(account)) {
      // Only who knows the password hears it.
      throw unauthorized(`The password is expired and needs to be changed for user: ${account.id}.`);
    }
    await this.renewHash(account, user.password);
    return { account, parent: null };
  }

  private async renewHash(account: Account, password: string): Promise<void> {
    if (account.passwordHash === null || !this.hasher.isOutdated(account.passwordHash)) return;
    await this.accounts.rehash(account.id, account.passwordHash, await this.hasher.hash(password));
  }
}

const mustChange = ({ passwordExpiresAt, mustChangePassword, options, readAt }: Account): boolean =>
  (!options.ignoresExpiry && passwordExpiresAt !== null && passwordExpiresAt.getTime() <= readAt * 1_000) || (mustChangePassword && !options.ignoresFirstUse);
