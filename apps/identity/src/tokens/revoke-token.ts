import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { revokeToken } from '../revocations/revocations.repository.js';
import { ValidateToken } from './validate-token.js';

/** Ends one token. Those that were made from it live on, as Keystone's do. */
@Injectable()
export class RevokeToken {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly validateToken: ValidateToken) {}

  async run(caller: Caller, subject: unknown): Promise<void> {
    const { claims } = await this.validateToken.read(subject);
    if (claims.user.id !== caller.userId) enforce('identity:tokens:revoke-any', caller);
    await this.db.transaction(async (client) => {
      await revokeToken(client, { userId: claims.user.id, auditId: claims.auditId, reason: 'the token was revoked', expiresAt: new Date(claims.expiresAt * 1_000) });
      await audit(client, caller, { service: 'identity', action: 'tokens:revoke', target: { kind: 'user', id: claims.user.id }, detail: { auditId: claims.auditId } });
    });
  }
}
