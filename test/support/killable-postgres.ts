import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { bootstrapDatabase, roleOf } from '#libs/db';
import { prepareEmbeddedPostgres, type EmbeddedPostgres } from '#libs/embedded-postgres';

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** A PostgreSQL of the caller's own, migrated, that may die at any moment and comes back with what it had committed. */
export class KillablePostgres {
  #child: ChildProcess | undefined;
  readonly #end = (): void => { this.#child?.kill('SIGKILL'); };

  private constructor(private readonly server: EmbeddedPostgres, private readonly dirs: string[]) {
    process.once('exit', this.#end);
  }

  static async start(): Promise<KillablePostgres> {
    const dir = await mkdtemp(join(tmpdir(), 'skylite-pg-'));
    const runDir = join(process.getuid?.() === 0 ? '/run' : tmpdir(), `skylite-test-${randomBytes(4).toString('hex')}`);
    const one = new KillablePostgres(await prepareEmbeddedPostgres({ dataDir: join(dir, 'data'), runDir, password: 'test' }), [dir, runDir]);
    await one.start();
    const base = resolve('prisma');
    await bootstrapDatabase({
      url: one.server.url('postgres'), cellId: 'cell1', passwords: { identity: 'p', image: 'p', scheduler: 'p', compute: 'p', api: 'p' }, migrationsDir: join(base, 'migrations'), ownershipFile: join(base, 'ownership.json'),
    });
    return one;
  }

  get schedulerUrl(): string { return this.server.url('postgres', roleOf('scheduler'), 'p'); }

  /** Over a connection of its own, as superuser. */
  async ask<T>(work: (admin: Client) => Promise<T>): Promise<T> {
    const admin = new Client({ connectionString: this.server.url('postgres') });
    admin.on('error', () => undefined);
    await admin.connect();
    try { return await work(admin); } finally { await admin.end().catch(() => undefined); }
  }

  /** SIGKILL of the postmaster; what its backends are at ends as they notice. */
  async kill(): Promise<void> {
    const child = this.#child!;
    const exited = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await exited;
  }

  /** Resolves when it answers. A server that still meets backends of the last one goes away again, and is started again. */
  async start(): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt += 1) {
      if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) this.#child = spawn(this.server.command, this.server.args, { stdio: 'ignore' });
      if (await this.ask((admin) => admin.query('SELECT 1')).then(() => true, () => false)) return;
      await pause(50);
    }
    throw new Error('PostgreSQL did not start');
  }

  async stop(): Promise<void> {
    process.off('exit', this.#end);
    await this.kill();
    // Its backends go on until they notice; a folder that is in use is not empty for long.
    for (const dir of this.dirs) await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
