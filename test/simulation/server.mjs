// A PostgreSQL of the simulation's own: one database per worker, migrated under the simulated clock, with twenty hosts.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { root, useProduct } from './loader/register.mjs';
import { stockDatabase } from './world/device-stock.mjs';
import { SIM_COPIES, SIM_SCHEMA } from './world/database.mjs';

const HOSTS = 20;
const RUN = process.getuid?.() === 0 ? '/run' : tmpdir();

/** What a run that was killed has left: its name says whose it was. */
async function sweep() {
  for (const folder of new Set([tmpdir(), RUN])) {
    for (const name of await readdir(folder)) {
      const pid = Number(/^skylite-sim-(?:run-)?([0-9]+)(?:-|$)/.exec(name)?.[1]);
      if (!pid || await isAlive(pid, 'run.mjs')) continue;
      const path = join(folder, name);
      const postgres = Number((await readFile(join(path, 'data/postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0]);
      if (postgres && await isAlive(postgres, path)) process.kill(postgres, 'SIGQUIT');
      await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
    }
  }
}
const isAlive = async (pid, word) => (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(word);

export async function startServer(workers) {
  useProduct();
  const { prepareEmbeddedPostgres } = await import('#libs/embedded-postgres');
  const { bootstrapDatabase } = await import('#libs/db');
  await sweep();
  const dir = await mkdtemp(join(tmpdir(), `skylite-sim-${process.pid}-`));
  const runDir = join(RUN, `skylite-sim-run-${process.pid}`);
  const postgres = await prepareEmbeddedPostgres({ dataDir: join(dir, 'data'), runDir, password: 'test' });
  const quick = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'autovacuum=off', 'plan_cache_mode=force_generic_plan', 'wal_level=minimal', 'track_activities=off', 'track_counts=off', 'update_process_title=off'].flatMap((one) => ['-c', one]);
  const child = spawn(postgres.command, [...postgres.args, ...quick], { stdio: 'ignore', env: { ...process.env, MALLOC_TOP_PAD_: '8388608', MALLOC_TRIM_THRESHOLD_: '67108864', MALLOC_MMAP_THRESHOLD_: '33554432' } });
  const exited = new Promise((done) => { child.once('exit', done); });
  const stop = async () => { child.kill('SIGINT'); await exited; await rm(dir, { recursive: true, force: true }); await rm(runDir, { recursive: true, force: true }); };
  try {
    const urls = [];
    for (let n = 0; n < workers; n += 1) urls.push(await makeDatabase(postgres, `sim${n}`, bootstrapDatabase));
    return { urls, stop };
  } catch (error) { await stop(); throw error; }
}

/** A connection of which nothing is read here any more: its socket, to be handed to another process. */
export async function connectFor(url) {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const { stream } = client.connection;
  stream.pause();
  return stream;
}

async function makeDatabase(postgres, name, bootstrapDatabase) {
  const connect = async (database) => {
    for (let tries = 0; ; tries += 1) {
      const client = new pg.Client({ connectionString: postgres.url(database) });
      try { await client.connect(); return client; } catch (error) { await client.end().catch(() => undefined); if (tries > 100) throw error; await new Promise((done) => { setTimeout(done, 50); }); }
    }
  };
  const top = await connect('postgres');
  await top.query(`CREATE DATABASE ${name}`);
  await top.query(`ALTER DATABASE ${name} SET search_path = sim, pg_catalog, public`);
  await top.end();
  const client = await connect(name);
  await client.query(SIM_SCHEMA);
  await bootstrapDatabase({ url: postgres.url(name), cellId: 'cell1', passwords: { identity: 'p', image: 'p', scheduler: 'p', compute: 'p' }, migrationsDir: join(root, 'prisma/migrations'), ownershipFile: join(root, 'prisma/ownership.json') });
  await client.query("UPDATE control.cell SET cloud_id = '00000000-0000-4000-8000-00000000c10d'");
  await client.query("INSERT INTO compute.flavors (id, name, vcpus, ram_mib, disk_gib, extra_specs) VALUES ('42', 'm1.nano', 1, 128, 1, '{}'), ('1', 'm1.tiny', 1, 512, 1, '{\"hw:cpu_policy\": \"dedicated\"}'), ('2', 'm1.small', 1, 2048, 20, '{}')");
  await stockDatabase(client);
  for (let n = 0; n < HOSTS; n += 1) {
    const id = `00000000-0000-4000-8000-0000000000${String(n + 10)}`;
    await client.query("INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, public_nkey, simulated, cpu_ratio, ram_ratio, disk_ratio) VALUES ($1, 'cell1', $2, 'nova', $3, true, 4, 1, 1)", [id, `host-${n + 1}`, `U${n}`]);
    await client.query('INSERT INTO scheduler.host_capacity (host_id) VALUES ($1)', [id]);
    await client.query('INSERT INTO scheduler.host_beats (host_id) VALUES ($1)', [id]);
  }
  await client.query("CREATE TABLE sim.originals AS SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p WHERE p.pronamespace = 'scheduler'::regnamespace AND p.proname IN ('count_devices', 'demand_device', 'device_standing')");
  await client.query(SIM_COPIES);
  await client.query('SELECT sim.keep_start()');
  await client.query('VACUUM ANALYZE');
  await client.end();
  return postgres.url(name);
}
