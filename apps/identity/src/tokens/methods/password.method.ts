import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { parseInput } from '#libs/http';
import { PasswordHasher } from '../../passwords/password-hasher.js';
import { AccountsRepository } from '../accounts.repository.js';
import { PasswordUser } from '../tokens.schema.js';
import { strategyOf, type Attempt, type AuthMethod, type Proven } from './auth-method.js';

const Body = z.object({ auth: z.object({ identity: z.object({ password: z.strictObject({ user: PasswordUser }) }) }) });

/** User and password. An unknown or disabled user costs as much time as a wrong password. */
@Injectable()
export class PasswordMethod implements AuthMethod {
  readonly method = 'password';
  readonly strategy = strategyOf((attempt) => this.prove(attempt));

  constructor(private readonly accounts: AccountsRepository, private readonly hasher: PasswordHasher) {}

  private async prove({ body }: Attempt): Promise<Proven | null> {
    const { user } = parseInput(Body, body).auth.identity.password;
    const account = await this.accounts.findUser(user);
    const matches = await this.hasher.matches(account?.passwordHash ?? null, user.password);
    if (!matches || account === null || !account.enabled) return null;
    return account.passwordExpiresAt !== null && account.passwordExpiresAt <= new Date() ? null : { account, parent: null };
  }
}
