// The scheduler alone: decisions per second in memory, and claims per second through its service into PostgreSQL, with
// the bare statement beside it as the bound.
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../deploy/one-machine/machine.mjs';

const built = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const MIB_OF_HOST = 1_048_576;

/** @returns figures: `place` by number of hosts, `claims` by number of schedulers, `statement` alone, `cold_start_ms`. */
export async function scheduler() {
  const place = {};
  for (const hosts of [100, 1_000, 10_000]) place[hosts] = await placing(hosts);
  return { place, ...(await claiming()) };
}

async function placing(hosts) {
  const { Fleet } = await built('apps/scheduler/src/decide/fleet.js');
  const { place } = await built('apps/scheduler/src/decide/place.js');
  const make = () => {
    const fleet = new Fleet();
    for (let at = 0; at < hosts; at += 1) {
      fleet.put({
        id: `h${at}`, name: `h${at}`, zone: `az${at % 4}`, onlyWhenAsked: false, enabled: true, disabledReason: null, bootId: 'b', generation: 1,
        capacity: { limit: { vcpus: 256, memoryMib: MIB_OF_HOST, diskGib: 10_000 }, used: { vcpus: at % 200, memoryMib: (at * 37) % 900_000, diskGib: at % 9_000 }, largest: { vcpus: 64, memoryMib: MIB_OF_HOST }, version: 1 },
      });
      fleet.setHeard(`h${at}`, 0, true);
    }
    return fleet;
  };
  const measure = (change) => {
    const fleet = make();
    const request = { vcpus: 4, memoryMib: 8192, diskGib: 40, availabilityZone: null, requestedHost: null, now: 1, aliveTimeoutMs: 10_000, seed: 0, ...change };
    const times = [];
    const end = performance.now() + 2_000;
    for (let seed = 0; performance.now() < end; seed += 1) {
      const began = performance.now();
      const placement = place(fleet, { ...request, seed });
      times.push(performance.now() - began);
      if (placement.candidates && seed % 1_000 === 0) fleet.assume(placement.candidates[0], request);
    }
    const steady = times.slice(times.length >> 2).sort((a, b) => a - b);
    const at = (share) => Math.round(steady[Math.floor(steady.length * share)] * 1e6) / 1e3;
    return { per_s: Math.round(1000 * steady.length / steady.reduce((sum, time) => sum + time, 0)), p50_us: at(0.5), p99_us: at(0.99) };
  };
  return { yes: measure({}), in_one_zone: measure({ availabilityZone: 'az1' }), no_explained: measure({ memoryMib: 2_000_000 }) };
}

async function claiming() {
  const { bootstrapDatabase, openDatabase, roleOf } = await built('libs/db/index.js');
  const { prepareEmbeddedPostgres } = await built('libs/embedded-postgres/index.js');
  const dir = mkdtempSync(join(tmpdir(), 'skylite-bench-'));
  const runDir = `/run/skylite-bench-${randomBytes(4).toString('hex')}`;
  const postgres = await prepareEmbeddedPostgres({ dataDir: join(dir, 'data'), runDir, password: 'bench' });
  const child = spawn(postgres.command, postgres.args, { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    const url = postgres.url('postgres');
    for (let tries = 0; ; tries += 1) {
      try {
        await bootstrapDatabase({ url, cellId: 'cell1', passwords: { identity: 'p', image: 'p', scheduler: 'p', compute: 'p' }, migrationsDir: join(root, 'prisma/migrations'), ownershipFile: join(root, 'prisma/ownership.json') });
        break;
      } catch (error) {
        if (tries > 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    const open = () => openDatabase({ url: postgres.url('postgres', roleOf('scheduler'), 'p'), name: 'bench', poolSize: 6 });
    return await throughPostgres(open);
  } finally {
    child.kill('SIGINT');
    await exited;
    rmSync(dir, { recursive: true, force: true });
    rmSync(runDir, { recursive: true, force: true });
  }
}

async function throughPostgres(open) {
  const hand = await open();
  await fill(hand, 100);
  const claims = {};
  for (const count of [1, 2, 4]) claims[`${count}_schedulers_64_clients`] = await storm(open, hand, count, 64);
  claims['1_scheduler_1_client'] = await storm(open, hand, 1, 1);
  const statement = await bare(hand);
  const cold_start_ms = await coldStart(open, hand);
  await hand.close();
  return { claims, statement, cold_start_ms };
}

async function fill(db, hosts) {
  await db.pool.query(`INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, public_nkey, simulated, cpu_ratio, ram_ratio, disk_ratio)
    SELECT gen_random_uuid(), 'cell1', 'n' || n, 'nova', 'k' || n, true, 1, 1, 1 FROM generate_series((SELECT count(*) FROM scheduler.hosts) + 1, $1::integer) n`, [hosts]);
  await db.pool.query(`INSERT INTO scheduler.host_capacity (host_id, limit_vcpus, limit_memory_mib, limit_disk_gib, largest_vcpus, largest_memory_mib)
    SELECT id, 1000000, 1000000000, 1000000, 64, ${MIB_OF_HOST} FROM scheduler.hosts ON CONFLICT DO NOTHING`);
  await db.pool.query('INSERT INTO scheduler.host_beats (host_id, hypervisor_up, last_seen_at) SELECT id, true, now() FROM scheduler.hosts ON CONFLICT (host_id) DO UPDATE SET last_seen_at = now()');
}

async function start(open) {
  const { createBusApplication, InMemoryBus } = await built('libs/messaging/index.js');
  const { createLogger } = await built('libs/observability/index.js');
  const { SchedulerModule } = await built('apps/scheduler/src/scheduler.module.js');
  const { Snapshot } = await built('apps/scheduler/src/snapshot/snapshot.js');
  const bus = new InMemoryBus();
  const db = await open();
  const app = await createBusApplication(SchedulerModule.register({
    bus, db, logger: createLogger('bench', 'silent'), signer: { signHostUser: async () => '' }, config: { natsUrls: [], aliveTimeoutMs: 600_000 },
  }), bus, 'scheduler');
  await app.listen();
  await app.get(Snapshot).refresh();
  return { bus, stop: async () => { await app.close(); await bus.close(); await db.close(); } };
}

const request = () => ({ instanceId: randomUUID(), generation: 1, projectId: 'p', vcpus: 1, memoryMib: 64, diskGib: 1, availabilityZone: null, requestedHost: null, requestedAt: new Date().toISOString() });

/** Claims through the service, over the in-memory bus: decision, statement, commit. */
async function storm(open, hand, count, clients) {
  const { claimHost } = await built('libs/contracts/index.js');
  const { metrics } = await built('libs/observability/index.js');
  const conflicts = async () => (await metrics.getSingleMetric('skylite_scheduler_claim_conflicts_total').get()).values[0]?.value ?? 0;
  const schedulers = await Promise.all(Array.from({ length: count }, () => start(open)));
  const before = await conflicts();
  const times = [];
  const began = performance.now();
  const end = began + 5_000;
  await Promise.all(Array.from({ length: clients }, async (_, at) => {
    while (performance.now() < end) {
      const asked = performance.now();
      await schedulers[at % count].bus.ask(claimHost, request());
      times.push(performance.now() - asked);
    }
  }));
  const seconds = (performance.now() - began) / 1000;
  const lost = (await conflicts()) - before;
  await Promise.all(schedulers.map((one) => one.stop()));
  times.sort((a, b) => a - b);
  return { per_s: Math.round(times.length / seconds), p50_ms: round(times[times.length >> 1]), p99_ms: round(times[Math.floor(times.length * 0.99)]), conflict_share: round(lost / times.length) };
}

const round = (value) => Math.round(value * 1000) / 1000;

/** The claim statement alone, one after the other, for batches of 1, 16 and 128. */
async function bare(db) {
  const { ClaimsRepository } = await built('apps/scheduler/src/claims/claims.repository.js');
  const repository = new ClaimsRepository(db);
  const hosts = (await db.pool.query('SELECT id FROM scheduler.hosts ORDER BY random() LIMIT 100')).rows.map((row) => row.id);
  const result = {};
  for (const size of [1, 16, 128]) {
    let claims = 0;
    const began = performance.now();
    while (performance.now() < began + 2_000) {
      await repository.claim(Array.from({ length: size }, () => ({ ...request(), hostId: hosts[(claims += 1) % hosts.length] })));
    }
    result[`batch_${size}_per_s`] = Math.round((1000 * claims) / (performance.now() - began));
  }
  return result;
}

/** From nothing to a loaded snapshot of 10,000 hosts. */
async function coldStart(open, hand) {
  await fill(hand, 10_000);
  const began = performance.now();
  const one = await start(open);
  const took = Math.round(performance.now() - began);
  await one.stop();
  return took;
}
