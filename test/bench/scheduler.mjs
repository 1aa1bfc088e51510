// The scheduler alone: decisions per second in memory, and claims per second through its service into PostgreSQL, with
// the bare statement beside it as the bound; plain ones, and such with pinned CPUs, cells and huge pages.
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { root } from '../../deploy/one-machine/machine.mjs';
import { startBuses } from './buses.mjs';
import { packing } from './packing.mjs';

const built = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const MIB_OF_HOST = 1_048_576;

/** @returns figures: `place` by number of hosts, `packing` (shares of capacity), `claims` by number of schedulers, `statement` alone, `cold_start_ms`. */
export async function scheduler() {
  const place = {};
  for (const hosts of [100, 1_000, 10_000]) place[hosts] = await placing(hosts);
  return { place, packing: await packing(), ...(await withDatabase(throughPostgres)) };
}

/** A host of two cells, 16 CPUs in 8 cores each; of each cell 12 are dedicated, 4 GiB are pages of 2 MiB and 4 of 1 GiB. */
const CELLS = [0, 1].map((id) => ({
  id, socket: id, cpus: Array.from({ length: 16 }, (_, at) => id * 16 + at), cores: Array.from({ length: 8 }, (_, at) => [id * 16 + at * 2, id * 16 + at * 2 + 1]), memoryMib: 65_536,
  pages: [{ kib: 2048, total: 2048 }, { kib: 1_048_576, total: 4 }], distances: id === 0 ? [10, 21] : [21, 10],
}));
const DEDICATED = CELLS.flatMap(({ cpus }) => cpus.slice(4));
export const INVENTORY = { cpuArch: 'x86_64', cells: CELLS, sharedCpus: CELLS.flatMap(({ cpus }) => cpus.slice(0, 4)), dedicatedCpus: DEDICATED, cpuFlags: [], traits: ['HW_CPU_X86_AVX2'], resources: {} };

/** What a claim of two pinned CPUs and some huge pages takes. */
const EXACT = {
  resources: {}, group: null,
  layout: { cells: [{ hostCell: 0, memoryMib: 64, pageKib: 2048, pins: [{ guest: 0, host: 4 }, { guest: 1, host: 5 }], floating: [] }], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false },
};

export async function needsOf(change) {
  const { Needs } = await built('libs/contracts/index.js');
  return Needs.parse(change);
}
export const pins = (count) => ({ cpuPolicy: 'dedicated', pinned: Array.from({ length: count }, (_, at) => at) });

async function placing(hosts) {
  const { Fleet } = await built('apps/scheduler/src/decide/fleet.js');
  const { place } = await built('apps/scheduler/src/decide/place.js');
  const { makeOf } = await built('apps/scheduler/src/decide/make.js');
  const make = () => {
    const fleet = new Fleet();
    for (let at = 0; at < hosts; at += 1) {
      fleet.put({
        id: `h${at}`, name: `h${at}`, zone: `az${at % 4}`, onlyWhenAsked: false, enabled: true, disabledReason: null, bootId: 'b', generation: 1, make: makeOf(INVENTORY, ['LAYOUT'], 1),
        capacity: {
          limit: { vcpus: 256, memoryMib: MIB_OF_HOST, diskGib: 10_000 }, used: { vcpus: at % 200, memoryMib: (at * 37) % 900_000, diskGib: at % 9_000 }, largest: { vcpus: 64, memoryMib: MIB_OF_HOST }, version: 1,
          claimed: { cpus: DEDICATED.slice(0, at % 23), cells: CELLS.map(({ id }) => ({ id, memoryMib: at % 30_000, pages: [{ kib: 2048, used: (at * 13) % 2048 }] })), resources: {} },
        },
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
  const numa = await needsOf({ ...pins(8), emulatorThreads: 'isolate', pageSize: 2048, cells: [0, 4].map((from) => ({ cpus: [0, 1, 2, 3].map((at) => from + at), memoryMib: 1024 })) });
  return {
    plain: measure({}), in_one_zone: measure({ availabilityZone: 'az1' }), no_explained: measure({ memoryMib: 2_000_000 }),
    pinned: measure({ needs: await needsOf(pins(4)) }), two_cells_pinned_paged: measure({ vcpus: 8, memoryMib: 2048, needs: numa }), numa_no_explained: measure({ vcpus: 8, memoryMib: 2048, needs: { ...numa, pageSize: 1_048_576, cells: numa.cells.map((cell) => ({ ...cell, memoryMib: 8192 })) } }),
  };
}

/** A PostgreSQL of its own with the cloud's schema. @param work gets what opens the scheduler's pool of it. */
export async function withDatabase(work) {
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
    return await work(open);
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
  for (const count of [1, 2, 4]) claims[`${count}_schedulers_64_clients`] = await storm(open, count, 64, request);
  claims['1_scheduler_1_client'] = await storm(open, 1, 1, request);
  const needs = await needsOf({ ...pins(2), pageSize: 2048 });
  const exact = {};
  for (const count of [1, 2, 4]) exact[`${count}_schedulers_64_clients`] = await storm(open, count, 64, () => ({ ...request(), vcpus: 2, needs }), true);
  await free(hand);
  const statement = { plain: await bare(hand, null), exact: await bare(hand, EXACT) };
  const cold_start_ms = await coldStart(open, hand);
  const others_wait = await whilePlacing(open, hand);
  await hand.close();
  return { claims, exact_claims: exact, statement, cold_start_ms, others_wait };
}

const free = (db) => db.pool.query('DELETE FROM scheduler.claims');

export async function fill(db, hosts) {
  await db.pool.query(`INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, public_nkey, simulated, cpu_ratio, ram_ratio, disk_ratio, inventory, capabilities, dedicated_cpus)
    SELECT gen_random_uuid(), 'cell1', 'n' || n, 'nova', 'k' || n, true, 1, 1, 1, $2, '{LAYOUT}', $3 FROM generate_series((SELECT count(*) FROM scheduler.hosts) + 1, $1::integer) n`, [hosts, JSON.stringify(INVENTORY), DEDICATED]);
  await db.pool.query(`INSERT INTO scheduler.host_capacity (host_id, limit_vcpus, limit_memory_mib, limit_disk_gib, largest_vcpus, largest_memory_mib, limit_pcpus)
    SELECT id, 1000000, 1000000000, 1000000, 64, ${MIB_OF_HOST}, cardinality(dedicated_cpus) FROM scheduler.hosts ON CONFLICT DO NOTHING`);
  await db.pool.query(`INSERT INTO scheduler.cell_memory (host_id, cell, page_kib, amount) SELECT host_id, cell, page.kib, page.kib::bigint * page.total FROM scheduler.host_capacity, generate_series(0, 1) cell, (VALUES (4, 10000000), (2048, 2048), (1048576, 4)) AS page(kib, total) ON CONFLICT DO NOTHING`);
  await db.pool.query('INSERT INTO scheduler.host_beats (host_id, hypervisor_up, last_seen_at) SELECT id, true, now() FROM scheduler.hosts ON CONFLICT (host_id) DO UPDATE SET last_seen_at = now()');
}

/** On a bus of its own, or on the one that several share: who asks is answered by any of them, as on NATS. */
async function start(open, shared = null) {
  const { createBusApplication, InMemoryBus } = await built('libs/messaging/index.js');
  const { createLogger } = await built('libs/observability/index.js');
  const { SchedulerModule } = await built('apps/scheduler/src/scheduler.module.js');
  const { Snapshot } = await built('apps/scheduler/src/snapshot/snapshot.js');
  const bus = shared ?? new InMemoryBus();
  const db = await open();
  const app = await createBusApplication(SchedulerModule.register({
    bus, db, logger: createLogger('bench', 'silent'), signer: { signHostUser: async () => '' }, config: { natsUrls: [], aliveTimeoutMs: 600_000 },
  }), bus, 'scheduler');
  await app.listen();
  await app.get(Snapshot).refresh();
  return { app, bus, stop: async () => { await app.close(); if (shared === null) await bus.close(); await db.close(); } };
}

export const request = () => ({ instanceId: randomUUID(), generation: 1, projectId: 'p', vcpus: 1, memoryMib: 64, diskGib: 1, availabilityZone: null, requestedHost: null, requestedAt: new Date().toISOString() });

/** Claims through the service, over a real nats-server, each scheduler on its own connection: decision, statement, commit. `giveBack`: each is released as soon as it is had, so that there is room all along. */
export async function storm(open, count, clients, make, giveBack = false) {
  const { claimHost, releaseClaim } = await built('libs/contracts/index.js');
  const { metrics } = await built('libs/observability/index.js');
  const conflicts = async () => (await metrics.getSingleMetric('skylite_scheduler_claim_conflicts_total').get()).values[0]?.value ?? 0;
  const buses = await startBuses(await built('libs/messaging/index.js'));
  const bus = await buses.open('client', ['compute']);
  const schedulers = await Promise.all(Array.from({ length: count }, async (_, n) => start(open, await buses.open(`scheduler-${n + 1}`, ['scheduler', 'compute']))));
  const before = await conflicts();
  const times = [];
  let refused = 0;
  const began = performance.now();
  const end = began + 5_000;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (performance.now() < end) {
      const asked = performance.now();
      const one = make();
      const answer = await bus.ask(claimHost, one);
      times.push(performance.now() - asked);
      if (answer.outcome === 'refused') refused += 1;
      else if (giveBack) await bus.ask(releaseClaim, { instanceId: one.instanceId, generation: 1 });
    }
  }));
  const seconds = (performance.now() - began) / 1000;
  const lost = (await conflicts()) - before;
  await Promise.all(schedulers.map((one) => one.stop()));
  await buses.stop();
  times.sort((a, b) => a - b);
  return { per_s: Math.round(times.length / seconds), p50_ms: round(times[times.length >> 1]), p99_ms: round(times[Math.floor(times.length * 0.99)]), conflict_share: round(lost / times.length), refused };
}

const round = (value) => Math.round(value * 1000) / 1000;

/** The claim statement alone, one after the other, for batches of 1, 16 and 100 (each host once). What is taken is released, and that not measured. */
async function bare(db, exact) {
  const { ClaimsRepository } = await built('apps/scheduler/src/claims/claims.repository.js');
  const repository = new ClaimsRepository(db);
  const hosts = (await db.pool.query('SELECT id FROM scheduler.hosts ORDER BY random() LIMIT 100')).rows.map((row) => row.id);
  const result = {};
  for (const size of [1, 16, 100]) {
    let [claims, took] = [0, 0];
    while (took < 2_000) {
      const wanted = Array.from({ length: size }, () => ({ ...request(), purpose: 'run', hostId: hosts[(claims += 1) % hosts.length], ...(exact !== null && { vcpus: 0, memoryMib: 0 }), exact }));
      const began = performance.now();
      await repository.claim(wanted);
      took += performance.now() - began;
      await repository.release(wanted);
    }
    result[`batch_${size}_per_s`] = Math.round((1000 * claims) / took);
  }
  return result;
}

/** What a message waits that comes at any moment, ms: from how late a timer of a millisecond is, again and again. */
function holdUps() {
  const turns = [];
  let before = performance.now();
  const timer = setInterval(() => { const now = performance.now(); turns.push(now - before); before = now; }, 1);
  return () => {
    clearInterval(timer);
    const all = turns.reduce((sum, turn) => sum + turn, 0);
    // The share of moments after which it still waits for more than `ms`.
    const longer = (ms) => turns.reduce((sum, turn) => sum + Math.max(0, turn - 1 - ms), 0) / all;
    const within = (share) => { let ms = 0; while (longer(ms) > 1 - share) ms += 0.1; return round(ms); };
    return { p50_ms: within(0.5), p99_ms: within(0.99), most_ms: round(Math.max(...turns) - 1) };
  };
}

/** How long everything else of the process waits while 10,000 hosts are looked through for 200 servers with two pinned cells of huge pages, for 200 that fit nowhere, and while everything is read anew. */
async function whilePlacing(open, hand) {
  const { claimHost } = await built('libs/contracts/index.js');
  const { Snapshot } = await built('apps/scheduler/src/snapshot/snapshot.js');
  await fill(hand, 10_000);
  const { app, bus, stop } = await start(open);
  const needs = await needsOf({ ...pins(8), emulatorThreads: 'isolate', pageSize: 2048, cells: [0, 4].map((from) => ({ cpus: [0, 1, 2, 3].map((at) => from + at), memoryMib: 1024 })) });
  // As messages come: one after the other, each in a turn of its own.
  const burst = async (change) => {
    const asked = [];
    for (let at = 0; at < 200; at += 1) {
      asked.push(bus.ask(claimHost, { ...request(), vcpus: 8, memoryMib: 2048, ...change }));
      await setImmediate();
    }
    return Promise.all(asked);
  };
  const measure = async (work) => {
    await work();
    const began = performance.now();
    const held = holdUps();
    for (let turn = 0; turn < 3; turn += 1) await work();
    return { took_ms: round((performance.now() - began) / 3), ...held() };
  };
  const result = {
    placing: await measure(() => burst({ needs })), refusing: await measure(() => burst({ needs: { ...needs, cells: needs.cells.map((cell) => ({ ...cell, memoryMib: 200_000 })) } })),
    reading_all: await measure(() => { app.get(Snapshot).distrust(); return app.get(Snapshot).refresh(); }),
  };
  await stop();
  return result;
}

/** From nothing to a loaded snapshot of 10,000 hosts with 100,000 claims, a tenth of them of exact CPUs. */
async function coldStart(open, hand) {
  await fill(hand, 10_000);
  await hand.pool.query("INSERT INTO scheduler.claims (instance_id, generation, host_id, project_id, vcpus, memory_mib, disk_gib) SELECT gen_random_uuid(), 1, id, 'p', 1, 64, 1 FROM scheduler.hosts, generate_series(1, 9)");
  await hand.pool.query("INSERT INTO scheduler.claims (instance_id, generation, host_id, project_id, vcpus, memory_mib, disk_gib, layout) SELECT gen_random_uuid(), 1, id, 'p', 0, 0, 1, $1 FROM scheduler.hosts", [JSON.stringify(EXACT.layout)]);
  const began = performance.now();
  const one = await start(open);
  const took = Math.round(performance.now() - began);
  await one.stop();
  return took;
}
