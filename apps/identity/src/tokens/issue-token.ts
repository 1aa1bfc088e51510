import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { REAUTHENTICATE, type TokenClaims } from '#libs/auth';
import { unauthorized } from '#libs/errors';
import { grantToken, refuseProject, type ProjectStanding } from '../decide/grant-token.js';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { TokenSigner } from '../keys/token-signer.js';
import { AccountsRepository, type Account } from './accounts.repository.js';
import { Authenticator } from './authenticator.js';
import type { Attempt } from './methods/auth-method.js';
import type { AuthRequest, Scope } from './tokens.schema.js';

export interface IssuedToken { token: string; claims: Omit<TokenClaims, 'issuer'> }

/** A new token for whoever proves who they are. Writes nothing: a repeat makes another token. */
@Injectable()
export class IssueToken {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly accounts: AccountsRepository,
    private readonly signer: TokenSigner,
    @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig,
  ) {}

  async run(request: AuthRequest, attempt: Attempt): Promise<IssuedToken> {
    const { account, parent, methods } = await this.authenticator.authenticate(request, attempt);
    const standing = await this.scopeOf(account, request.auth.scope);
    const claims = grantToken({
      user: { id: account.id, name: account.name, domain: account.domain, passwordExpiresAt: account.passwordExpiresAt?.toISOString() ?? null },
      methods, parent, standing,
      now: Math.floor(Date.now() / 1_000), ttlS: this.config.tokenTtlS, auditId: randomBytes(16).toString('base64url'),
    });
    return { token: this.signer.sign(claims), claims };
  }

  /** null: unscoped. Why a scope is refused stays inside: a stranger must not learn which projects there are. */
  private async scopeOf(account: Account, scope: Scope | undefined): Promise<ProjectStanding | null> {
    if (scope === undefined) return this.defaultScope(account);
    if (scope.unscoped !== undefined) return null;
    if (scope.project === undefined) throw refused('no roles can be held on a domain or the system');
    const standing = await this.accounts.standing(account.id, scope.project);
    const refusal = refuseProject(standing);
    if (refusal !== undefined) throw refused(refusal);
    return standing;
  }

  /** The user's default project where they may have it; otherwise the token is unscoped, as Keystone's. */
  private async defaultScope(account: Account): Promise<ProjectStanding | null> {
    if (account.defaultProjectId === null) return null;
    const standing = await this.accounts.standing(account.id, { id: account.defaultProjectId });
    return refuseProject(standing) === undefined ? standing : null;
  }
}

const refused = (internal: string) => unauthorized(REAUTHENTICATE, { internal: `scope refused: ${internal}` });
