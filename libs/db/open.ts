import { PrismaPg } from '@prisma/adapter-pg';
import { Pool, type PoolClient, type PoolConfig } from 'pg';
import { unavailable } from '#libs/errors';
import { PrismaClient } from './generated/client.js';
import { HOT, type Database } from './database.js';
import { HotStatements } from './hot-statements.js';
import { LIMITS } from './limits.js';

export interface ConnectOptions {
  /** postgresql:// URL; a unix socket as `postgresql://user:password@/database?host=/run/…`. */
  url: string;
  /** Shown in pg_stat_activity. */
  name: string;
  poolSize: number;
  /** Milliseconds after which a server that says nothing counts as gone. Default: LIMITS.queryMs. */
  queryMs?: number;
  /** Told when a connection breaks; never throws. */
  onProblem?: (text: string) => void;
}

/** Opens one app's database. Fails with `unavailable` when it does not answer in time or is not migrated. */
export async function openDatabase(options: ConnectOptions): Promise<Database> {
  const config: PoolConfig = {
    connectionString: options.url, max: options.poolSize, application_name: `skylite ${options.name}`,
    connectionTimeoutMillis: LIMITS.connectMs, idleTimeoutMillis: LIMITS.idleMs,
    statement_timeout: LIMITS.statementMs, query_timeout: options.queryMs ?? LIMITS.queryMs, idle_in_transaction_session_timeout: LIMITS.idleInTransactionMs,
    keepAlive: true,
  };
  const pool = new Pool(config);
  let reachable = true;
  const onLost = (error: Error): void => { reachable = false; options.onProblem?.(`database connection lost: ${error.message}`); };
  pool.on('error', onLost);
  // The pool hears idle connections only: one that breaks between two statements of a transaction would end the process.
  pool.on('connect', (client) => { client.on('error', onLost); });
  // Half as many: they are short, and each keeps its plans.
  const hot = new HotStatements({ ...config, max: Math.ceil(options.poolSize / 2) }, onLost);
  const query = pool.query.bind(pool) as (...words: unknown[]) => unknown;
  pool.query = ((...words: [unknown, ...unknown[]]) => (typeof words[0] === 'string' && words[0].startsWith(HOT) ? hot.query(words[0], words[1] as unknown[]) : query(...words))) as Pool['query'];
  const cell = await firstAnswer(pool);
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: false }) });
  let { incarnation } = cell;
  // Whoever restores this database raises its incarnation, also under a running service.
  const watch = setInterval(() => {
    pool.query<{ incarnation: number }>('SELECT incarnation FROM control.cell LIMIT 1').then(({ rows }) => {
      reachable = true;
      incarnation = rows[0]?.incarnation ?? incarnation;
    }, () => { reachable = false; });
  }, LIMITS.watchMs);
  watch.unref();
  return {
    prisma, pool, cellId: cell.cell_id, cloudId: cell.cloud_id,
    get incarnation() { return incarnation; },
    get reachable() { return reachable; },
    transaction: (work) => transaction(pool, work),
    close: async () => {
      clearInterval(watch);
      await prisma.$disconnect();
      await Promise.all([pool.end(), hot.end()]);
    },
  };
}

async function firstAnswer(pool: Pool): Promise<{ cell_id: string; cloud_id: string; incarnation: number }> {
  const end = Date.now() + LIMITS.firstAnswerMs;
  for (;;) {
    try {
      const { rows } = await pool.query<{ cell_id: string; cloud_id: string; incarnation: number }>('SELECT cell_id, cloud_id, incarnation FROM control.cell LIMIT 1');
      if (rows[0]) return rows[0];
      throw new Error('no cell is registered');
    } catch (error) {
      if (Date.now() > end) {
        await pool.end();
        throw unavailable('The database does not answer.', { internal: error instanceof Error ? error.message : String(error), cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const isSilent = (error: unknown): boolean => error instanceof Error && error.message === 'Query read timeout';

/** Serialization failure, deadlock. */
const RETRYABLE = new Set(['40001', '40P01']);

async function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await pool.connect();
    let broken = false;
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      // A connection on which a statement may still run is not asked again: the server ends it with its transaction.
      if (isSilent(error)) broken = true;
      else await client.query('ROLLBACK').catch(() => { broken = true; });
      const code = (error as { code?: string }).code;
      if (code === undefined || !RETRYABLE.has(code) || attempt >= LIMITS.transactionAttempts) throw error;
    } finally {
      client.release(broken);
    }
  }
}
