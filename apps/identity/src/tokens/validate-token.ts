import { Injectable } from '@nestjs/common';
import { AccessRuleBook, allows, enforce, TokenVerifier, type VerifiedToken } from '#libs/auth';
import type { AccessRule, Caller } from '#libs/contracts';
import { notFound, SkyError } from '#libs/errors';
import { ExpiredTokens } from './expired-tokens.js';

/** What a token says, for whoever may know: its own user, admins and services. */
@Injectable()
export class ValidateToken {
  constructor(private readonly verifier: TokenVerifier, private readonly accessRules: AccessRuleBook, private readonly expired: ExpiredTokens) {}

  /**
   * @param how.allowExpired for services and those who may look at all tokens: also one that ended a while ago, by itself. Others are told what they are told without it.
   * @param how.knowsRules the one who asks keeps to access rules (OpenStack-Identity-Access-Rules): others must not take such a token for good.
   * @throws SkyError `not-found` for anything that is no good token: the question was about it, not about the caller.
   */
  async run(caller: Caller, subject: unknown, { knowsRules, allowExpired }: { knowsRules: boolean; allowExpired: boolean }): Promise<{ token: VerifiedToken; rules: readonly AccessRule[] | undefined }> {
    const token = await (allowExpired && allows('identity:tokens:validate-any', caller) ? this.readAlsoExpired(subject) : this.read(subject));
    const { user, applicationCredential } = token.claims;
    if (user.id !== caller.userId) enforce('identity:tokens:validate-any', caller);
    if (applicationCredential?.ruled !== true) return { token, rules: undefined };
    if (!knowsRules && user.id !== caller.userId) throw notFound('Could not recognize the token.', { internal: 'it has access rules and the one who asks does not know of them' });
    return { token, rules: await this.accessRules.rulesOf(applicationCredential.id) };
  }

  private readAlsoExpired(subject: unknown): Promise<VerifiedToken> {
    return this.read(subject).catch(async (error: unknown) => {
      const ended = error instanceof SkyError && error.kind === 'not-found' && typeof subject === 'string' ? await this.expired.read(subject) : undefined;
      if (ended === undefined) throw error;
      return ended;
    });
  }

  async read(subject: unknown): Promise<VerifiedToken> {
    if (typeof subject !== 'string' || subject === '') throw notFound('No token in the request: send it as X-Subject-Token.');
    return this.verifier.verify(subject).catch((error: unknown) => {
      if (error instanceof SkyError && error.kind === 'unauthorized') throw notFound('Could not recognize the token.', error.internal === undefined ? {} : { internal: error.internal });
      throw error;
    });
  }
}
