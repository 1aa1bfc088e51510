// Storms of creates and deletes against a fleet, and what a piece of work costs: wall time, commits, CPU.
import { createRequire } from 'node:module';
import { cpuSeconds, now, pause, pssMib, round, summary } from './cloud.mjs';

const DEADLINE_MS = 300_000;

/** Runs `work` for every item, `parallel` at a time. */
export async function inParallel(items, parallel, work) {
  const left = [...items];
  await Promise.all(Array.from({ length: parallel }, async () => { for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item); }));
}

/** One question to the cloud's own database: the bench looks there so that looking costs the API nothing. */
export async function query(cloud, text, values = []) {
  const { Client } = createRequire(import.meta.url)('pg');
  const client = new Client({ connectionString: cloud.secrets().databaseUrl });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Creates `servers` servers, waits until all are ACTIVE; times to ACTIVE are the database's own (created_at to launched_at). */
export async function createStorm(cloud, { servers, parallel, prefix = 'storm' }) {
  const imageRef = (await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).images[0].id;
  const api = [];
  let active = 0;
  const spent = await cost(cloud, async () => {
    await inParallel(Array.from({ length: servers }, (_, n) => `${prefix}-${n}`), parallel, async (name) => {
      const started = now();
      await cloud.call('POST', '/compute/v2.1/servers', { server: { name, imageRef, flavorRef: '42', networks: 'none' } });
      api.push(now() - started);
    });
    const end = now() + DEADLINE_MS;
    while (active < servers && now() < end) {
      [{ active }] = await query(cloud, "SELECT count(*)::int AS active FROM compute.instances WHERE name LIKE $1 AND launched_at IS NOT NULL AND intent = 'running'", [`${prefix}-%`]);
      if (active < servers) await pause(100);
    }
  });
  const times = await query(cloud, "SELECT extract(epoch FROM launched_at - created_at)::float8 * 1000 AS ms FROM compute.instances WHERE name LIKE $1 AND launched_at IS NOT NULL AND intent = 'running'", [`${prefix}-%`]);
  return {
    servers, parallel, active, seconds: round(spent.seconds), per_s: round(active / spent.seconds), create_api_ms: summary(api), to_active_ms: summary(times.map(({ ms }) => ms)),
    write_commits_per_server: round(spent.writes / servers, 2), transactions_per_server: round(spent.commits / servers, 2), cpu_ms_per_server: perItem(spent.cpu, servers),
  };
}

/** Deletes every server, waits until no host holds a claim. */
export async function deleteStorm(cloud, parallel) {
  const ids = (await query(cloud, "SELECT id FROM compute.instances WHERE intent <> 'deleted'")).map(({ id }) => id);
  const spent = await cost(cloud, async () => {
    await inParallel(ids, parallel, (id) => cloud.call('DELETE', `/compute/v2.1/servers/${id}`));
    const end = now() + DEADLINE_MS;
    while (now() < end) {
      const [{ held }] = await query(cloud, 'SELECT count(*)::int AS held FROM scheduler.claims WHERE host_id IS NOT NULL');
      if (held === 0) break;
      await pause(100);
    }
  });
  return { servers: ids.length, parallel, seconds: round(spent.seconds), per_s: round(ids.length / spent.seconds), write_commits_per_server: round(spent.writes / ids.length, 2), cpu_ms_per_server: perItem(spent.cpu, ids.length) };
}

/** What the cloud costs while nobody asks anything of it. */
export async function idleCost(cloud, ms) {
  const idle = await cost(cloud, () => pause(ms));
  const percent = Object.fromEntries(Object.entries(idle.cpu).map(([name, s]) => [name, round((s * 100) / idle.seconds)]));
  return {
    transactions_per_s: round(idle.commits / idle.seconds), write_commits_per_s: round(idle.writes / idle.seconds), cpu_percent_of_a_core: percent,
    control_plane_percent_of_a_core: round(['supervisor', 'launcher', 'postgres', 'nats-server'].reduce((sum, name) => sum + (percent[name] ?? 0), 0)),
  };
}

/** Proportional memory of every process, MiB. */
export const memory = (cloud) => Object.fromEntries(Object.entries(cloud.processes()).map(([name, pids]) => [name, round(pids.reduce((sum, pid) => sum + pssMib(pid), 0))]));

const perItem = (cpuOf, count) => Object.fromEntries(Object.entries(cpuOf).map(([name, s]) => [name, round((s * 1000) / count, 2)]));

/** Wall time, transactions (reads too), those that wrote, and CPU seconds per process of a piece of work. */
export async function cost(cloud, work) {
  const before = { ...(await transactions(cloud)), cpu: cpu(cloud), at: now() };
  await work();
  const seconds = (now() - before.at) / 1000;
  const after = cpu(cloud);
  const later = await transactions(cloud);
  return { seconds, commits: later.commits - before.commits, writes: later.writes - before.writes, cpu: Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before.cpu[name] ?? 0)])) };
}

const cpu = (cloud) => Object.fromEntries(Object.entries(cloud.processes()).map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)]));

async function transactions(cloud) {
  await query(cloud, 'SELECT pg_stat_force_next_flush()');
  await pause(1_100);
  // Only transactions that write take an id.
  const [row] = await query(cloud, 'SELECT xact_commit, pg_snapshot_xmax(pg_current_snapshot()) AS xid FROM pg_stat_database WHERE datname = current_database()');
  return { commits: Number(row.xact_commit), writes: Number(row.xid) };
}
