import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { conflict } from '#libs/errors';

/** The lock Prisma's own CLI takes, so that both can never migrate at once. */
const PRISMA_LOCK = 72707369;

/**
 * Applies prisma/migrations/<name>/migration.sql in name order, each in one transaction, and books them in Prisma's own table.
 * Forward only. A migration whose text changed after it was applied is refused: nothing is applied then.
 * @returns names of the migrations that were applied now.
 */
export async function migrate(client: Client, dir: string): Promise<string[]> {
  await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK]);
  try {
    await client.query(`CREATE TABLE IF NOT EXISTS public._prisma_migrations (
      id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
      logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`);
    const applied = new Map<string, string>();
    const rows = await client.query<{ migration_name: string; checksum: string }>('SELECT migration_name, checksum FROM public._prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL');
    for (const row of rows.rows) applied.set(row.migration_name, row.checksum);
    const names = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
    const pending: { name: string; sql: string; checksum: string }[] = [];
    for (const name of names) {
      const sql = await readFile(join(dir, name, 'migration.sql'), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('hex');
      const before = applied.get(name);
      if (before === undefined) pending.push({ name, sql, checksum });
      else if (before !== checksum) throw conflict(`Migration ${name} was changed after it was applied to this database; migrations are forward only: restore its text and add a new one.`);
    }
    for (const { name, sql, checksum } of pending) {
      await client.query('BEGIN');
      try {
        await client.query(sql);
        await client.query('INSERT INTO public._prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, now(), 1)', [randomUUID(), checksum, name]);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw new Error(`migration ${name} failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    return pending.map((migration) => migration.name);
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [PRISMA_LOCK]);
  }
}
