import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { unavailable } from '#libs/errors';
import type { SchemaOwner } from './database.js';
import { LIMITS } from './limits.js';
import { migrate } from './migrate.js';
import { ensureRoles } from './roles.js';

export interface BootstrapOptions {
  /** Superuser or owner. */
  url: string;
  cellId: string;
  passwords: Record<SchemaOwner, string>;
  migrationsDir: string;
  ownershipFile: string;
}

/** Waits for Postgres, migrates under the lock, makes roles and the cell's row. Safe to run by many at once, and again. */
export async function bootstrapDatabase(options: BootstrapOptions): Promise<{ applied: string[] }> {
  const client = await connectWhenUp(options.url);
  try {
    const applied = await migrate(client, options.migrationsDir);
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock(72707370)');
    await ensureRoles(client, options.passwords, options.ownershipFile);
    await client.query('INSERT INTO control.cell (cell_id, cloud_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [options.cellId, randomUUID()]);
    await client.query('COMMIT');
    return { applied };
  } finally {
    await client.end();
  }
}

async function connectWhenUp(url: string): Promise<Client> {
  const end = Date.now() + LIMITS.firstAnswerMs;
  for (;;) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: LIMITS.connectMs, application_name: 'skylite bootstrap' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (Date.now() > end) throw unavailable('The database does not answer.', { internal: error instanceof Error ? error.message : String(error), cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
