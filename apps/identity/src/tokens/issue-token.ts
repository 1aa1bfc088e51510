import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { REAUTHENTICATE, TOKEN_LIMITS, type TokenClaims } from '#libs/auth';
import { forbidden, unauthorized } from '#libs/errors';
import { grantToken, refuseCredential, refuseScope, type Standing } from '../decide/grant-token.js';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { TokenSigner } from '../keys/token-signer.js';
import { FailedLogins } from '../logins/failed-logins.js';
import { StandingRepository } from '../role-assignments/standing.repository.js';
import type { Account } from './accounts.repository.js';
import { Authenticator } from './authenticator.js';
import type { Attempt, Proven } from './methods/auth-method.js';
import type { AuthRequest, Scope } from './tokens.schema.js';

export interface IssuedToken { token: string; claims: Omit<TokenClaims, 'issuer'> }

/** A new token for whoever proves who they are. Writes nothing: a repeat makes another token. */
@Injectable()
export class IssueToken {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly standing: StandingRepository,
    private readonly signer: TokenSigner,
    private readonly failures: FailedLogins,
    @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig,
  ) {}

  /** Whatever it fails for stands in the audit trail. @throws SkyError `unauthorized`, `too-many-requests`; `forbidden` for a token that nobody could use. */
  run(request: AuthRequest, from: Omit<Attempt, 'claimed' | 'expect'>): Promise<IssuedToken> {
    const attempt: Attempt = { ...from, claimed: {} };
    const { address, requestId, claimed } = attempt;
    // `claimed` fills while it runs.
    const actor = Object.assign(claimed, { address, requestId });
    return this.failures.recorded(actor, request.auth.identity.methods.join('+').slice(0, 64), () => this.issue(request, attempt));
  }

  private async issue(request: AuthRequest, attempt: Attempt): Promise<IssuedToken> {
    const { scope } = request.auth;
    let early: { userId: string; standing: Promise<Standing | null> } | undefined;
    // The hash takes most of a login's time. Nobody's standing is asked for as well: it must cost what somebody's does.
    const expect = (expected: Account | null): void => {
      early = { userId: expected?.id ?? '', standing: this.foundFor(expected, scope) };
      early.standing.catch(() => undefined);
    };
    const { account, parent, credential, methods } = await this.authenticator.authenticate(request, { ...attempt, expect });
    const found = early?.userId === account.id ? early.standing : undefined;
    const standing = credential === undefined ? await this.scopeOf(account, scope, found) : await this.scopeOfCredential(account, credential, scope);
    const claims = grantToken({
      user: { id: account.id, name: account.name, domain: account.domain, passwordExpiresAt: account.passwordExpiresAt?.toISOString() ?? null },
      methods, parent, standing, credential: credential ?? null,
      now: account.readAt, snapshot: account.snapshot, ttlS: this.config.tokenTtlS, auditId: randomBytes(16).toString('base64url'),
    });
    const token = await this.signer.sign(claims);
    if (token.length > TOKEN_LIMITS.maxTokenChars) {
      throw forbidden(`This token would have ${token.length} characters, and no service takes more than ${TOKEN_LIMITS.maxTokenChars}: it names ${claims.roles.length} roles. Ask for fewer roles in that scope, or for an application credential with some of them.`, { internal: 'the token would be too long' });
    }
    return { token, claims };
  }

  /** null: unscoped. Why a scope is refused stays inside: a stranger must not learn which projects there are. */
  private async scopeOf(account: Account, scope: Scope | undefined, found = this.foundFor(account, scope)): Promise<Standing | null> {
    if (scope?.unscoped !== undefined) return null;
    if (scope !== undefined) return accepted(await found);
    // The user's default project where they may have it; otherwise the token is unscoped, as Keystone's.
    const standing = await found;
    return refuseScope(standing) === undefined ? standing : null;
  }

  /** How they stand to what is asked for, or to their default project. */
  private async foundFor(account: Account | null, scope: Scope | undefined): Promise<Standing | null> {
    if (scope?.unscoped !== undefined) return null;
    if (scope !== undefined) return this.standingOf(account?.id ?? '', scope);
    const projectId = account?.defaultProjectId ?? null;
    return projectId === null ? null : this.standingOf(account?.id ?? '', { project: { id: projectId } });
  }

  private async standingOf(userId: string, { project, domain }: Scope): Promise<Standing | null> {
    if (project !== undefined) return kindOf('project', await this.standing.onProject(userId, project));
    if (domain !== undefined) return kindOf('domain', await this.standing.onDomain(userId, domain));
    return { kind: 'system', roles: await this.standing.onSystem(userId) };
  }

  /** A credential is for its one project, and asking for that or any other is refused, as Keystone does. */
  private async scopeOfCredential(account: Account, credential: NonNullable<Proven['credential']>, scope: Scope | undefined): Promise<Standing> {
    if (scope !== undefined) throw unauthorized('Application credentials cannot request a scope.', { internal: 'an application credential asked for a scope' });
    const standing = accepted(await this.standingOf(account.id, { project: { id: credential.projectId } }));
    const refusal = refuseCredential(credential, standing, account.readAt);
    if (refusal !== undefined) throw refused(refusal);
    return standing;
  }
}

const kindOf = <K extends 'project' | 'domain', T extends object>(kind: K, standing: T | null): (T & { kind: K }) | null => (standing === null ? null : { ...standing, kind });

function accepted(standing: Standing | null): Standing {
  const refusal = refuseScope(standing);
  if (refusal !== undefined || standing === null) throw refused(refusal ?? '');
  return standing;
}

const refused = (internal: string) => unauthorized(REAUTHENTICATE, { internal: `scope refused: ${internal}` });
