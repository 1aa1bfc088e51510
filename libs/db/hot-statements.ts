/**
 * Statements that run hundreds of times a second: planning them costs PostgreSQL more than running them, so each is
 * planned once per connection, by name. Left to itself PostgreSQL would still plan most of them anew each time: it takes a
 * list of one for cheaper than a list of any length. Such a plan is made for any values and for tables as large as they were
 * then; so on these connections a sequential scan is no choice, or a plan made while a table was empty would read all of it
 * long after. Owns a pool of its own for that reason. Keeps nothing but counts; a crash loses plans, which are made again.
 */
import { createHash } from 'node:crypto';
import { Pool, type PoolConfig, type QueryResult, type QueryResultRow } from 'pg';
import { LIMITS } from './limits.js';

/** The plan's result has another shape since a migration; or somebody between us and the server knows no names. Nothing was run. */
const PLAN_IS_OVER = new Set(['0A000', '26000']);

export class HotStatements {
  readonly #pool: Pool;
  readonly #uses = new Map<string, number>();
  readonly #names = new Map<string, string>();
  /** Rises when plans are over: new names, new plans. */
  #round = 0;

  constructor(config: PoolConfig, onError: (error: Error) => void) {
    this.#pool = new Pool({ ...config, options: '-c enable_seqscan=off -c plan_cache_mode=force_generic_plan' });
    this.#pool.on('error', onError);
  }

  async query<T extends QueryResultRow>(text: string, values: unknown[]): Promise<QueryResult<T>> {
    const uses = (this.#uses.get(text) ?? 0) + 1;
    if (uses > 1 || this.#uses.size < LIMITS.hotStatements) this.#uses.set(text, uses);
    // Plans take memory: one that is used now and then is not worth it.
    if (uses < LIMITS.hotFrom) return this.#pool.query<T>(text, values);
    try {
      return await this.#pool.query<T>({ name: this.#nameOf(text), text, values });
    } catch (error) {
      if (!PLAN_IS_OVER.has((error as { code?: string }).code ?? '')) throw error;
      this.#round += 1;
      return this.#pool.query<T>(text, values);
    }
  }

  end(): Promise<void> { return this.#pool.end(); }

  #nameOf(text: string): string {
    const known = this.#names.get(text) ?? createHash('sha256').update(text).digest('hex').slice(0, 24);
    this.#names.set(text, known);
    return `${known}-${this.#round}`;
  }
}
