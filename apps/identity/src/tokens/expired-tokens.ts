import { Inject, Injectable } from '@nestjs/common';
import { importPublicKey, verifyToken, type VerifiedToken } from '#libs/auth';
import { DATABASE, type Database } from '#libs/db';
import { ALLOW_EXPIRED_S, IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { SigningKeysRepository } from '../keys/signing-keys.repository.js';
import { wasRevoked } from '../revocations/revoked-tokens.repository.js';

/**
 * Tokens that ended a while ago, for services that finish what their user began while they were good (Keystone's allow_expired).
 * Nobody keeps these in memory: every question asks the database.
 */
@Injectable()
export class ExpiredTokens {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly keys: SigningKeysRepository, @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig) {}

  /** undefined: it was never good, was revoked, or ended too long ago. */
  async read(text: string): Promise<VerifiedToken | undefined> {
    const windowS = this.config.allowExpiredS ?? ALLOW_EXPIRED_S;
    if (windowS === 0) return undefined;
    const keys = new Map((await this.keys.listUndropped(windowS)).map((key) => [key.kid, importPublicKey(key)]));
    const verdict = verifyToken(text, (kid) => keys.get(kid), Date.now(), windowS * 1_000);
    if (!verdict.ok || await wasRevoked(this.db.pool, verdict.claims)) return undefined;
    return { claims: verdict.claims, kid: verdict.kid };
  }
}
