import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { bootstrapDatabase, openDatabase, roleOf, type Database, type SchemaOwner } from '#libs/db';
import { postgresUrl, prepareEmbeddedPostgres, type EmbeddedPostgres } from '#libs/embedded-postgres';

interface Server { postgres: Pick<EmbeddedPostgres, 'url'>; stop(): Promise<void> }
let shared: Promise<Server> | undefined;
let users = 0;

interface SharedPostgres { socketDir: string; password: string; template: string }
/** A server with a migrated database to copy from, which a whole run of tests shares; undefined: none. Set by test/support/integration-postgres.mjs. */
const sharedPostgres = (): SharedPostgres | undefined => (globalThis as { skyliteTestPostgres?: SharedPostgres }).skyliteTestPostgres;

/** A real PostgreSQL, private to this test process, started once and reused by its test files' databases. */
async function server(): Promise<Server> {
  const given = sharedPostgres();
  if (given) return { postgres: { url: (database, user = 'skylite', password = given.password) => postgresUrl(given.socketDir, database, user, password) }, stop: async () => undefined };
  const dir = await mkdtemp(join(tmpdir(), 'skylite-pg-'));
  const runDir = join(process.getuid?.() === 0 ? '/run' : tmpdir(), `skylite-test-${randomBytes(4).toString('hex')}`);
  const postgres = await prepareEmbeddedPostgres({ dataDir: join(dir, 'data'), runDir, password: 'test' });
  const child = spawn(postgres.command, postgres.args, { stdio: 'ignore' });
  const killed = (): void => { child.kill('SIGKILL'); };
  process.once('exit', killed);
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  return {
    postgres,
    stop: async () => {
      process.off('exit', killed);
      child.kill('SIGINT');
      await exited;
      await rm(dir, { recursive: true, force: true });
      await rm(runDir, { recursive: true, force: true });
    },
  };
}

export interface TestDatabase {
  /** The app's own database handle, under its own role. */
  db: Database;
  /** Another handle (another replica, another app) on the same data. */
  open(owner: SchemaOwner, poolSize?: number, queryMs?: number): Promise<Database>;
  /** Superuser connection, for checks outside the code. */
  admin: Client;
  stop(): Promise<void>;
}

/** A fresh database with all migrations, private to the caller: `const t = await startTestDatabase('compute')`. */
export async function startTestDatabase(owner: SchemaOwner): Promise<TestDatabase> {
  users += 1;
  shared ??= server();
  try {
    return await makeDatabase((await shared).postgres, owner);
  } catch (error) {
    // A server that nobody uses would keep the test's process alive for ever.
    await leave();
    throw error;
  }
}

async function makeDatabase(postgres: Pick<EmbeddedPostgres, 'url'>, owner: SchemaOwner): Promise<TestDatabase> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  const template = sharedPostgres()?.template;
  const root = new Client({ connectionString: postgres.url('postgres') });
  for (let attempt = 0; ; attempt += 1) {
    const client = attempt === 0 ? root : new Client({ connectionString: postgres.url('postgres') });
    try {
      await client.connect();
      await client.query(`CREATE DATABASE ${name}${template === undefined ? '' : ` TEMPLATE ${template}`}`);
      await client.end();
      break;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (attempt > 2_400) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  const base = resolve(import.meta.dirname, '../../prisma');
  const passwords = { identity: 'p', image: 'p', scheduler: 'p', compute: 'p', api: 'p' };
  await bootstrapDatabase({ url: postgres.url(name), cellId: 'cell1', passwords, migrationsDir: join(base, 'migrations'), ownershipFile: join(base, 'ownership.json') });
  const admin = new Client({ connectionString: postgres.url(name) });
  await admin.connect();
  const opened: Database[] = [];
  const open = async (as: SchemaOwner, poolSize = 8, queryMs?: number): Promise<Database> => {
    const db = await openDatabase({ url: postgres.url(name, roleOf(as), 'p'), name: as, poolSize, ...(queryMs !== undefined && { queryMs }) });
    opened.push(db);
    return db;
  };
  return {
    db: await open(owner), open, admin,
    stop: async () => {
      await Promise.all(opened.map((db) => db.close()));
      await admin.end();
      // A server that others use goes on: its data would add up.
      if (template !== undefined) await ask(postgres.url('postgres'), `DROP DATABASE ${name} WITH (FORCE)`);
      await leave();
    },
  };
}

async function ask(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    await client.query(text);
  } finally {
    await client.end();
  }
}

/** This process' server ends with its last database. */
async function leave(): Promise<void> {
  users -= 1;
  if (users > 0) return;
  const running = await shared;
  shared = undefined;
  await running?.stop();
}
