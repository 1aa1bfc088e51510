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
      // The account as it was read first: what was taken away since counts against the token.
      const credential = next.credential ?? proven?.credential;
      proven = { account: proven?.account ?? next.account, parent: next.parent ?? proven?.parent ?? null, ...(credential !== undefined && { credential }) };
    }
    if (proven === undefined) throw unauthorized(REAUTHENTICATE);
    this.assertFactors(proven, names);
    return { ...proven, methods: names };
  }

  /** Users for whom several methods are prescribed must have used all of one list. Lists with methods that are not offered do not count. */
  private assertFactors({ account, parent }: Proven, names: readonly string[]): void {
    const rules = account.options.factorRules.filter((rule) => rule.length > 0 && rule.every((name) => this.methods.some(({ method }) => method === name)));
    const used = new Set([...names, ...(parent?.methods ?? [])]);
    if (rules.length > 0 && !rules.some((rule) => rule.every((name) => used.has(name)))) throw unauthorized(REAUTHENTICATE, { internal: 'the user must prove themselves by more methods' });
  }

  private methodFor(name: string): AuthMethod {
    const method = this.methods.find((offered) => offered.method === name);
    if (method === undefined) {
      throw unauthorized(`Attempted to authenticate with an unsupported method: ${name}. Offered: ${this.methods.map((offered) => offered.method).join(', ')}.`, { internal: 'a method that is not offered' });
    }
    return method;
  }
}
