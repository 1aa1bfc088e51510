import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { unauthorized } from '#libs/errors';
import { parseInput } from '#libs/http';
import { Logins } from '../../logins/logins.js';
import { PasswordHasher } from '../../passwords/password-hasher.js';
import { AccountsRepository, type Account } from '../accounts.repository.js';
import { PasswordUser } from '../tokens.schema.js';
import { notProven, strategyOf, type Attempt, type AuthMethod, type Proven } from './auth-method.js';

const Body = z.object({ auth: z.object({ identity: z.object({ password: z.strictObject({ user: PasswordUser }) }) }) });

/** User and password. An unknown or disabled user costs as much time as a wrong password, and is made to wait as one. */
@Injectable()
export class PasswordMethod implements AuthMethod {
  readonly method = 'password';
  readonly strategy = strategyOf((attempt) => this.prove(attempt));

  constructor(private readonly accounts: AccountsRepository, private readonly hasher: PasswordHasher, private readonly logins: Logins) {}

  private async prove({ body, address, claimed, expect }: Attempt): Promise<Proven> {
    const { user } = parseInput(Body, body).auth.identity.password;
    const { account, domainId } = await this.accounts.lookUp(user);
    Object.assign(claimed, account === null ? { userName: user.name ?? user.id ?? '' } : { userId: account.id, userName: account.name });
    const subject = Logins.subjectOf(account?.id ?? null, user, domainId, account?.options.ignoresLockout);
    await this.logins.admitEarly(subject, address);
    expect?.(account);
    const matches = await this.hasher.matches(account?.passwordHash ?? null, user.password);
    // Many guesses at once have all been admitted: what they have found out, those that were too many do not hear.
    const admission = await this.logins.admit(subject, address);
    if (!matches || account === null || !account.enabled) {
      await this.logins.failed(subject, address, admission);
      throw notProven(account === null ? 'no such user' : matches ? 'the user is disabled' : 'wrong password');
    }
    await this.logins.succeeded(subject, address, admission);
    if (mustChange(account)) {
      // Only who knows the password hears it.
      throw unauthorized(`The password is expired and needs to be changed for user: ${account.id}.`, { internal: 'the password has expired or must be changed' });
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
