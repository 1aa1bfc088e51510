import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { TOKEN_LIMITS, TokenVerifier } from '#libs/auth';
import { forbidden } from '#libs/errors';
import { parseInput } from '#libs/http';
import { AccountsRepository } from '../accounts.repository.js';
import { notProven, strategyOf, type Attempt, type AuthMethod, type Proven } from './auth-method.js';

const Body = z.object({ auth: z.object({ identity: z.object({ token: z.strictObject({ id: z.string().min(1).max(TOKEN_LIMITS.maxTokenChars) }) }) }) });

/** A token for another scope. The user is looked up again: they may have been disabled since. */
@Injectable()
export class TokenMethod implements AuthMethod {
  readonly method = 'token';
  readonly strategy = strategyOf((attempt) => this.prove(attempt));

  constructor(private readonly accounts: AccountsRepository, private readonly verifier: TokenVerifier) {}

  private async prove({ body, claimed }: Attempt): Promise<Proven> {
    const { id } = parseInput(Body, body).auth.identity.token;
    const { claims } = await this.verifier.verify(id);
    Object.assign(claimed, { userId: claims.user.id, userName: claims.user.name });
    // Its scope, roles and rules are the credential's: any other token would be more than its owner gave away.
    if (claims.applicationCredential !== undefined) throw forbidden('A token of an application credential cannot be used to get another token.', { internal: 'a token of an application credential' });
    const account = await this.accounts.findUser({ id: claims.user.id });
    if (account === null || !account.enabled) throw notProven('the user of the token is gone or disabled');
    // What was revoked before the user was read must not live on in the new token; what is revoked from now on ends that too.
    await this.verifier.verifyNow(id);
    const { auditId, parentAuditId, expiresAt, methods } = claims;
    return { account, parent: { auditId, parentAuditId, expiresAt, methods } };
  }
}
