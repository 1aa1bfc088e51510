import { Inject, Injectable } from '@nestjs/common';
import { audit, type AuditActor } from '#libs/audit';
import { DATABASE, type Database } from '#libs/db';
import { SkyError, type ErrorKind } from '#libs/errors';
import { LIMITS } from '../limits.js';

/** Refusals that say something about who tried; a request that is not understood, or a part that is away, does not. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set(['unauthorized', 'forbidden', 'too-many-requests']);

/**
 * Writes every login that fails into the audit trail, once, whatever it failed for, and outside of any transaction that its
 * failure takes back. Who is told to wait and goes on trying is written every few seconds: a flood must not fill the trail.
 */
@Injectable()
export class FailedLogins {
  /** When somebody who has to wait was written last; the oldest first. */
  private readonly waiting = new Map<string, number>();

  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** @param actor who it seems to be by the time it fails. @param what for operators: which way in. */
  async recorded<T>(actor: AuditActor, what: string, login: () => Promise<T>): Promise<T> {
    try {
      return await login();
    } catch (error) {
      if (error instanceof SkyError && REFUSALS.has(error.kind) && this.isNew(error, actor)) {
        await audit(this.db.pool, actor, { service: 'identity', action: 'auth:login', outcome: 'failure', detail: { why: `${what}: ${error.internal ?? error.message}` } });
      }
      throw error;
    }
  }

  private isNew({ kind }: SkyError, { userId, userName, applicationCredentialId, address }: AuditActor): boolean {
    if (kind !== 'too-many-requests') return true;
    const key = JSON.stringify([address, applicationCredentialId ?? userId ?? userName]);
    const now = Date.now();
    if (now - (this.waiting.get(key) ?? -Infinity) < LIMITS.waitingAuditedMs) return false;
    this.waiting.delete(key);
    this.waiting.set(key, now);
    const oldest = this.waiting.keys().next();
    if (this.waiting.size > LIMITS.waitingRemembered && !oldest.done) this.waiting.delete(oldest.value);
    return true;
  }
}
