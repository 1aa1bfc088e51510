// One PostgreSQL for all integration tests of a run, with a migrated database that each test's own is copied from: a cluster and its
// migrations cost two seconds a file else. Durable it need not be. Without a build (`npm run build`) each file starts its own.
// integration-postgres.mjs tells the files.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const NOT_DURABLE = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'].flatMap((one) => ['-c', one]);
const TEMPLATE = 'skylite_template';

export default async function setup() {
  if (!existsSync(join(root, 'dist/libs/embedded-postgres/index.js'))) return;
  const { prepareEmbeddedPostgres } = await import('#libs/embedded-postgres');
  const { bootstrapDatabase } = await import('#libs/db');
  const { Client } = await import('pg').then((pg) => pg.default);
  const dir = mkdtempSync(join(tmpdir(), 'skylite-pg-'));
  const runDir = join(process.getuid?.() === 0 ? '/run' : tmpdir(), `skylite-test-${randomBytes(4).toString('hex')}`);
  const password = 'test';
  const postgres = await prepareEmbeddedPostgres({ dataDir: join(dir, 'data'), runDir, password });
  const child = spawn(postgres.command, [...postgres.args, ...NOT_DURABLE], { stdio: 'ignore' });
  const killed = () => { child.kill('SIGKILL'); };
  process.once('exit', killed);
  const exited = new Promise((done) => { child.once('exit', done); });
  globalThis.skyliteStopPostgres = async () => {
    process.off('exit', killed);
    child.kill('SIGINT');
    await exited;
    for (const path of [dir, runDir]) rmSync(path, { recursive: true, force: true });
  };
  const query = async (database, text) => {
    for (let tries = 0; ; tries += 1) {
      const client = new Client({ connectionString: postgres.url(database) });
      try {
        await client.connect();
        return await client.query(text);
      } catch (error) {
        if (tries > 1_200) throw error;
        await new Promise((done) => { setTimeout(done, 50); });
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  };
  await query('postgres', `CREATE DATABASE ${TEMPLATE}`);
  await bootstrapDatabase({
    url: postgres.url(TEMPLATE), cellId: 'cell1', passwords: { identity: 'p', image: 'p', scheduler: 'p', compute: 'p', api: 'p' },
    migrationsDir: join(root, 'prisma/migrations'), ownershipFile: join(root, 'prisma/ownership.json'),
  });
  // Each copy is a cloud of its own.
  await query(TEMPLATE, 'DELETE FROM control.cell');
  process.env.SKYLITE_TEST_POSTGRES = JSON.stringify({ socketDir: join(runDir, 's'), password, template: TEMPLATE });
}
