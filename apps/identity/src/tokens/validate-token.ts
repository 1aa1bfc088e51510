import { Injectable } from '@nestjs/common';
import { enforce, TokenVerifier, type VerifiedToken } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { notFound, SkyError } from '#libs/errors';

/** What a token says, for whoever may know: its own user, admins and services. */
@Injectable()
export class ValidateToken {
  constructor(private readonly verifier: TokenVerifier) {}

  /** @throws SkyError `not-found` for anything that is no good token: the question was about it, not about the caller. */
  async run(caller: Caller, subject: unknown): Promise<VerifiedToken> {
    if (typeof subject !== 'string' || subject === '') throw notFound('No token in the request: send it as X-Subject-Token.');
    const verified = await this.verifier.verify(subject).catch((error: unknown) => {
      if (error instanceof SkyError && error.kind === 'unauthorized') throw notFound('Could not recognize the token.', error.internal === undefined ? {} : { internal: error.internal });
      throw error;
    });
    if (verified.claims.user.id !== caller.userId) enforce('identity:tokens:validate-any', caller);
    return verified;
  }
}
