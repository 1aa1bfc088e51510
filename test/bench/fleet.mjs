// A hundred simulated hosts: what the control plane alone can do. The hosts are simulated; everything else is real.
import { createRequire } from 'node:module';
import { Cloud, cpuSeconds, now, pause, progress, pssMib, round, summary } from './cloud.mjs';

const HOSTS = 100;
const SERVERS = 500;
const PARALLEL = 16;

export async function fleet() {
  const cloud = await Cloud.make();
  try {
    progress(`up with ${HOSTS} simulated hosts`);
    const upMs = cloud.up('--fleet', String(HOSTS), '--no-local-host');
    await cloud.login();
    await pause(5_000);
    const idle = await cost(cloud, async () => { await pause(5_000); });
    const imageRef = (await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).images[0].id;
    progress(`${SERVERS} creates at ${PARALLEL} parallel`);
    const sent = new Map();
    const active = new Map();
    const api = [];
    const boot = await cost(cloud, async () => {
      const names = Array.from({ length: SERVERS }, (_, n) => `b${n}`);
      const posting = Promise.all(Array.from({ length: PARALLEL }, async () => {
        for (let name = names.pop(); name !== undefined; name = names.pop()) {
          const started = now();
          sent.set(name, started);
          await cloud.call('POST', '/compute/v2.1/servers', { server: { name, imageRef, flavorRef: '42', networks: 'none' } });
          api.push(now() - started);
        }
      }));
      const end = now() + 300_000;
      while (active.size < SERVERS && now() < end) {
        const { servers } = await cloud.call('GET', '/compute/v2.1/servers?status=ACTIVE&limit=1000');
        for (const { name } of servers) if (!active.has(name)) active.set(name, now() - sent.get(name));
        await pause(100);
      }
      await posting;
    });
    progress('delete them');
    const remove = await cost(cloud, async () => {
      const ids = (await cloud.call('GET', '/compute/v2.1/servers?limit=1000')).servers.map((server) => server.id);
      await Promise.all(Array.from({ length: PARALLEL }, async () => { for (let id = ids.pop(); id !== undefined; id = ids.pop()) await cloud.call('DELETE', `/compute/v2.1/servers/${id}`); }));
      const end = now() + 300_000;
      while (now() < end) {
        const { hosts } = await cloud.call('GET', '/v1/hosts');
        if (hosts.every((host) => host.used.instances === 0)) break;
        await pause(200);
      }
    });
    const memory = Object.fromEntries(Object.entries(cloud.processes()).map(([name, pids]) => [name, round(pids.reduce((sum, pid) => sum + pssMib(pid), 0))]));
    return {
      simulated_hosts: HOSTS, servers: SERVERS, parallel: PARALLEL, up_ms: round(upMs), active: active.size,
      creates_per_s: round(active.size / boot.seconds), create_api_ms: summary(api), to_active_ms: summary([...active.values()]),
      write_commits_per_create: round(boot.writes / SERVERS, 2), transactions_per_create: round(boot.commits / SERVERS, 2), cpu_ms_per_create: Object.fromEntries(Object.entries(boot.cpu).map(([name, s]) => [name, round((s * 1000) / SERVERS, 2)])),
      deletes_per_s: round(SERVERS / remove.seconds), write_commits_per_delete: round(remove.writes / SERVERS, 2),
      idle: { transactions_per_s: round(idle.commits / idle.seconds), write_commits_per_s: round(idle.writes / idle.seconds), cpu_percent_of_a_core: Object.fromEntries(Object.entries(idle.cpu).map(([name, s]) => [name, round((s * 100) / idle.seconds)])) },
      pss_mib_after: memory,
    };
  } finally {
    cloud.purge();
  }
}

/** Wall time, transactions (reads too), those that wrote, and CPU seconds per process of a piece of work. */
async function cost(cloud, work) {
  const before = { ...(await transactions(cloud)), cpu: cpu(cloud), at: now() };
  await work();
  const seconds = (now() - before.at) / 1000;
  const after = cpu(cloud);
  const later = await transactions(cloud);
  return { seconds, commits: later.commits - before.commits, writes: later.writes - before.writes, cpu: Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before.cpu[name] ?? 0)])) };
}

const cpu = (cloud) => Object.fromEntries(Object.entries(cloud.processes()).map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)]));

async function transactions(cloud) {
  const { Client } = createRequire(import.meta.url)('pg');
  const client = new Client({ connectionString: cloud.secrets().databaseUrl });
  await client.connect();
  try {
    await client.query('SELECT pg_stat_force_next_flush()');
    await pause(1_100);
    // Only transactions that write take an id.
    const { rows } = await client.query('SELECT xact_commit, pg_snapshot_xmax(pg_current_snapshot()) AS xid FROM pg_stat_database WHERE datname = current_database()');
    return { commits: Number(rows[0].xact_commit), writes: Number(rows[0].xid) };
  } finally {
    await client.end();
  }
}
