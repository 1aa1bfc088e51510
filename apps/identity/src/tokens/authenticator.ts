import { Inject, Injectable } from '@nestjs/common';
import { badRequest, unauthorized } from '#libs/errors';
import { REAUTHENTICATE } from '#libs/auth';
import { AUTH_METHODS, runStrategy, type Attempt, type AuthMethod, type Proven } from './methods/auth-method.js';
import type { AuthRequest } from './tokens.schema.js';

/** Runs every method that the request names: all must succeed, for one and the same user. */
@Injectable()
export class Authenticator {
  constructor(@Inject(AUTH_METHODS) private readonly methods: readonly AuthMethod[]) {}

  /** @returns who it is, and the methods by which they proved it. */
  async authenticate({ auth: { identity } }: AuthRequest, attempt: Attempt): Promise<Proven & { methods: string[] }> {
    const names = [...new Set(identity.methods)];
    const chosen = names.map((name) => this.methodFor(name));
    for (const key of Object.keys(identity)) {
      if (key !== 'methods' && !names.includes(key)) {
        throw badRequest(`Invalid input for field 'auth/identity': Additional properties are not allowed ('${key.slice(0, 64)}' was unexpected)`);
      }
    }
    let proven: Proven | undefined;
    for (const { strategy } of chosen) {
      const next = await runStrategy(strategy, attempt);
      if (proven !== undefined && proven.account.id !== next.account.id) throw unauthorized(REAUTHENTICATE, { internal: 'two methods proved two users' });
      proven = { account: next.account, parent: next.parent ?? proven?.parent ?? null };
    }
    if (proven === undefined) throw unauthorized(REAUTHENTICATE);
    return { ...proven, methods: names };
  }

  private methodFor(name: string): AuthMethod {
    const method = this.methods.find((offered) => offered.method === name);
    if (method === undefined) {
      throw unauthorized(`Attempted to authenticate with an unsupported method: ${name}. Offered: ${this.methods.map((offered) => offered.method).join(', ')}.`);
    }
    return method;
  }
}
