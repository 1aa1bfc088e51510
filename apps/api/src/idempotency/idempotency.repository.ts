import { randomUUID } from 'node:crypto';
import type { Database } from '#libs/db';
import { HTTP_LIMITS as LIMITS, type Begun, type IdempotencyStore, type KeyedRequest } from '#libs/http';

interface Counted { n: number; atMs: number }

/**
 * api.idempotency: what the door remembers of keyed requests. Each call is one statement; times are the database's.
 * A row without an answer whose lock has ended belongs to whoever comes next: its process is gone.
 */
export class IdempotencyRepository implements IdempotencyStore {
  /** This process in lock columns. */
  readonly #owner = randomUUID();
  /** Rows of scopes, as of a short while ago, so that a bound of many costs no count each time. */
  readonly #counts = new Map<string, Counted>();

  constructor(private readonly db: Database, private readonly nowMs: () => number = () => performance.now()) {}

  async begin({ id, scope, fingerprint, requestId }: KeyedRequest): Promise<Begun> {
    const full = await this.#isFull(scope);
    // Past its day a record counts as none: it is begun anew, with a request id (and so ids) of its own.
    const { rows: [mine] } = await this.db.pool.query<{ request_id: string; fresh: boolean }>(`
      INSERT INTO api.idempotency AS i (id, scope, fingerprint, request_id, owner, locked_until, expires_at)
      SELECT $1::bytea, $2::text, $3::bytea, $4::text, $5::uuid, now() + $6 * interval '1 millisecond', now() + $7 * interval '1 millisecond' WHERE NOT $8::boolean OR EXISTS (SELECT 1 FROM api.idempotency WHERE id = $1)
      ON CONFLICT (id) DO UPDATE SET
        fingerprint = excluded.fingerprint, owner = excluded.owner, locked_until = excluded.locked_until, status = NULL, answer = NULL, answered_at = NULL,
        request_id = CASE WHEN i.expires_at < now() THEN excluded.request_id ELSE i.request_id END,
        created_at = CASE WHEN i.expires_at < now() THEN now() ELSE i.created_at END,
        expires_at = CASE WHEN i.expires_at < now() THEN excluded.expires_at ELSE i.expires_at END
      WHERE i.expires_at < now() OR (i.answer IS NULL AND i.fingerprint = excluded.fingerprint AND (i.locked_until IS NULL OR i.locked_until < now()))
      RETURNING i.request_id, i.created_at = now() AS fresh`, [id, scope, fingerprint, requestId, this.#owner, LIMITS.idempotencyLockMs, LIMITS.idempotencyKeepMs, full]);
    if (mine !== undefined) {
      if (mine.fresh) this.#counted(scope);
      return { state: 'mine', requestId: mine.request_id, repeat: !mine.fresh };
    }
    const { rows: [there] } = await this.db.pool.query<{ same: boolean; answer: Buffer | null; wait_s: number }>(`
      SELECT fingerprint = $2 AS same, answer, greatest(1, ceil(extract(epoch FROM coalesce(locked_until, now()) - now())))::int AS wait_s FROM api.idempotency WHERE id = $1`, [id, fingerprint]);
    if (there === undefined) return { state: 'full' };
    if (!there.same) return { state: 'other' };
    // Soon: requests are short; the whole lock is waited for only after a crash.
    return there.answer === null ? { state: 'running', retryAfterS: Math.min(there.wait_s, 2) } : { state: 'answered', answer: there.answer };
  }

  async finish(id: Buffer, status: number, answer: Buffer): Promise<void> {
    await this.db.pool.query(`
      UPDATE api.idempotency SET status = $3, answer = $4, answered_at = now(), owner = NULL, locked_until = NULL WHERE id = $1 AND owner = $2`, [id, this.#owner, status, answer]);
  }

  async release(id: Buffer): Promise<void> {
    await this.db.pool.query('UPDATE api.idempotency SET owner = NULL, locked_until = NULL WHERE id = $1 AND owner = $2 AND answer IS NULL', [id, this.#owner]);
  }

  /** Records past their day, a batch; gives how many. */
  async sweep(batch: number): Promise<number> {
    const { rowCount } = await this.db.pool.query(
      'DELETE FROM api.idempotency WHERE id IN (SELECT id FROM api.idempotency WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)', [batch]);
    return rowCount ?? 0;
  }

  async #isFull(scope: string): Promise<boolean> {
    const known = this.#counts.get(scope);
    if (known !== undefined && this.nowMs() - known.atMs < COUNT_FRESH_MS) return known.n >= LIMITS.idempotencyKeysPerProject;
    const { rows } = await this.db.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM (SELECT 1 FROM api.idempotency WHERE scope = $1 LIMIT $2) kept', [scope, LIMITS.idempotencyKeysPerProject]);
    const n = rows[0]?.n ?? 0;
    this.#counts.delete(scope);
    this.#counts.set(scope, { n, atMs: this.nowMs() });
    const oldest = this.#counts.keys().next();
    if (this.#counts.size > COUNTS_KEPT && oldest.done !== true) this.#counts.delete(oldest.value);
    return n >= LIMITS.idempotencyKeysPerProject;
  }

  #counted(scope: string): void {
    const known = this.#counts.get(scope);
    if (known !== undefined) known.n += 1;
  }
}

/** Several processes count each for itself: a scope may exceed its bound by what all of them take in this time. */
const COUNT_FRESH_MS = 30_000;
const COUNTS_KEPT = 10_000;
