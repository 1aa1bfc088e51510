import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { migrate } from '../../libs/db/migrate.js';

const MIGRATIONS = resolve(import.meta.dirname, '../../prisma/migrations');
let test: TestDatabase;
let before: string;
beforeAll(async () => {
  test = await startTestDatabase('scheduler');
  before = await mkdtemp(join(tmpdir(), 'skylite-migrations-'));
  for (const name of await readdir(MIGRATIONS)) if (name < '0011') await cp(join(MIGRATIONS, name), join(before, name), { recursive: true });
});
afterAll(async () => {
  await test.stop();
  await rm(before, { recursive: true, force: true });
});

it('0011 keeps the hosts and claims that are there, and members of groups count from then on', async () => {
  const name = `m_${randomUUID().replaceAll('-', '')}`;
  await test.admin.query(`CREATE DATABASE ${name}`);
  const { host, port, user, password } = test.admin as unknown as { host: string; port: number; user: string; password: string };
  const client = new Client({ host, port, user, password, database: name });
  await client.connect();
  try {
    await migrate(client, before);
    const [hostId, group, one, two, alone, gone] = Array.from({ length: 6 }, () => randomUUID());
    await client.query("INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, only_when_asked, public_nkey, simulated, cpu_ratio, ram_ratio, disk_ratio) VALUES ($1, 'cell1', 'a', 'nova', true, 'k', true, 4, 1, 1)", [hostId]);
    await client.query('INSERT INTO scheduler.host_capacity (host_id, limit_vcpus, limit_memory_mib, limit_disk_gib) VALUES ($1, 8, 4096, 100)', [hostId]);
    await client.query("INSERT INTO compute.server_groups (id, cell_id, project_id, user_id, name, policy) VALUES ($1, 'cell1', 'p', 'u', 'g', 'anti-affinity')", [group]);
    for (const id of [one, two, alone]) {
      await client.query("INSERT INTO scheduler.claims (instance_id, generation, host_id, project_id, vcpus, memory_mib, disk_gib) VALUES ($1, 1, $2, 'p', 1, 512, 1)", [id, hostId]);
      await client.query(`INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, flavor_id, image_id, spec, vcpus, ram_mib, reservation_id, intent, group_id)
        VALUES ($1, 'cell1', 'p', 'u', 's', 's', 'f', $2, '{}', 1, 512, 'r', 'running', $3)`, [id, randomUUID(), id === alone ? null : group]);
    }
    await client.query('INSERT INTO scheduler.claims (instance_id, generation, released_at, released_from) VALUES ($1, 3, now(), $2)', [gone, hostId]);
    await migrate(client, MIGRATIONS);
    // Both are on one host already: that stays, and is what placement goes by.
    const { rows } = await client.query('SELECT instance_id, host_id, vcpus, pcpus, layout, group_id, group_policy, group_max FROM scheduler.claims');
    expect(new Map(rows.map(({ instance_id: id, ...row }: { instance_id: string }) => [id, row]))).toEqual(new Map<string | undefined, unknown>([
      ...[one, two].map((id): [string | undefined, unknown] => [id, { host_id: hostId, vcpus: 1, pcpus: 0, layout: null, group_id: group, group_policy: 'anti-affinity', group_max: 1 }]),
      [alone, { host_id: hostId, vcpus: 1, pcpus: 0, layout: null, group_id: null, group_policy: null, group_max: 1 }],
      [gone, { host_id: null, vcpus: 0, pcpus: 0, layout: null, group_id: null, group_policy: null, group_max: 1 }],
    ]));
    expect((await client.query('SELECT used_vcpus, used_pcpus, used_exact, used_instances FROM scheduler.host_capacity')).rows).toEqual([{ used_vcpus: 3, used_pcpus: 0, used_exact: 0, used_instances: 3 }]);
    expect((await client.query('SELECT home_zone, home_only_when_asked FROM scheduler.hosts')).rows).toEqual([{ home_zone: 'nova', home_only_when_asked: true }]);
    await expect(client.query("INSERT INTO scheduler.claims (instance_id, generation, host_id, project_id, vcpus, memory_mib, group_id, group_policy) VALUES (gen_random_uuid(), 1, $1, 'p', 1, 1, $2, 'anti-affinity')", [hostId, group])).rejects.toMatchObject({ constraint: 'claims_group_rule' });
    await client.query('DELETE FROM scheduler.claims WHERE host_id IS NOT NULL');
    expect((await client.query('SELECT used_vcpus, used_instances FROM scheduler.host_capacity')).rows).toEqual([{ used_vcpus: 0, used_instances: 0 }]);
  } finally {
    await client.end();
  }
});
