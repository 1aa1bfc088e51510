import type { Pool, PoolClient } from 'pg';
import type { PrismaClient } from './generated/client.js';

/**
 * Marks a statement that runs all the time and finds its rows by an index: `${HOT} SELECT …`. `pool.query` plans it once per
 * connection. Never for lists, or anything that may have to read a whole table, and not within a transaction.
 */
export const HOT = '/* hot */';

/** The apps that own a Postgres schema; each connects as its own role with rights on its own schema only. */
export const SCHEMA_OWNERS = ['identity', 'image', 'scheduler', 'compute', 'api'] as const;
export type SchemaOwner = (typeof SCHEMA_OWNERS)[number];

/**
 * One app's way to its own schema: Prisma for ordinary work, the pool for claims, queues, lists and bulk.
 * Both use the same role; `transaction` is for plain SQL.
 */
export interface Database {
  readonly prisma: PrismaClient;
  readonly pool: Pool;
  readonly cellId: string;
  readonly cloudId: string;
  /** Raised when a database was restored; every message carries it. */
  readonly incarnation: number;
  /** BEGIN … COMMIT, rolled back when `work` throws; retried on serialization failure and deadlock (at most 3 times). */
  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T>;
  /** Postgres answered lately (health; deadlines count only while it does). */
  readonly reachable: boolean;
  close(): Promise<void>;
}
