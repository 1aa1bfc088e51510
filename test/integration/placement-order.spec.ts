/** In which order rows are locked, and what a claim is told: contention apart from faults. Against real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { AggregatesRepository } from '../../apps/scheduler/src/aggregates/aggregates.repository.js';
import { AdoptClaims } from '../../apps/scheduler/src/claims/adopt-claims.js';
import { ClaimsRepository } from '../../apps/scheduler/src/claims/claims.repository.js';
import type { Wanted } from '../../apps/scheduler/src/claims/wanted.js';
import type { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { EVERYTHING, SnapshotRepository } from '../../apps/scheduler/src/snapshot/snapshot.repository.js';
import { hostRow, layout, unsound } from '../support/fleet-rows.js';

let test: TestDatabase;
let claims: ClaimsRepository;
beforeAll(async () => {
  test = await startTestDatabase('scheduler');
  claims = new ClaimsRepository(test.db);
});
afterAll(() => test.stop());

const want = (hostId: string, cpu: number, more: Partial<Wanted> = {}): Wanted => ({
  instanceId: randomUUID(), purpose: 'run', generation: 1, projectId: 'p', hostId, vcpus: 0, memoryMib: 64, diskGib: 1,
  exact: { layout: layout([{ hostCell: 0, memoryMib: 64, pins: [cpu] }]), resources: {}, group: null }, ...more,
});
const pinned = (count: number): Promise<string> => hostRow(test, { dedicated: Array.from({ length: count }, (_, at) => at), cells: [{ memoryMib: 10_000 }] });
const by = { requestId: 'r', userId: 'u' };

describe('a claim that is refused', () => {
  it('for a fault of who asks is an error, and nothing of the call is done; what lost to others is lost', async () => {
    const host = await pinned(4);
    const [good, taken] = [want(host, 0), want(host, 0)];
    // It says less than its layout takes.
    const faulty = want(host, 1, { memoryMib: 1 });
    await expect(claims.claim([faulty])).rejects.toMatchObject({ constraint: 'claims_live' });
    await expect(claims.claim([good, taken, faulty])).rejects.toMatchObject({ code: '23514', constraint: 'claims_live' });
    expect((await test.admin.query('SELECT FROM scheduler.claims WHERE host_id = $1', [host])).rowCount).toBe(0);
    expect((await claims.claim([good, taken])).taken.map(({ is }) => is).sort()).toEqual(['claimed', 'lost']);
    expect(await unsound(test)).toEqual([]);
  });

  it('one by one in the order of ids: two batches of the same servers never wait for each other', async () => {
    const [here, there, full] = [await pinned(2), await pinned(2), await pinned(1)];
    await claims.claim([want(full, 0)]);
    for (let turn = 0; turn < 8; turn += 1) {
      const ids = [randomUUID(), randomUUID()];
      // The third of each finds its CPU taken: both batches go one by one, the one from the front, the other from the back.
      const batch = (host: string, order: string[]): Wanted[] => [...order.map((instanceId, cpu) => want(host, cpu, { instanceId })), want(full, 0)];
      const answers = await Promise.all([claims.claim(batch(here, ids)), claims.claim(batch(there, [...ids].reverse()))]);
      const all = answers.map(({ taken }) => taken.slice(0, 2));
      expect(all.flat().every((one) => one.is === 'claimed')).toBe(true);
      await claims.release(ids.map((instanceId) => ({ instanceId, purpose: 'run', generation: 1 })));
    }
    expect(await unsound(test)).toEqual([]);
  });
});

describe('a host’s row comes before its capacity', () => {
  /** As a report does: the host's row is held, then its capacity is wanted, while `other` is under way. */
  async function whileReported(hostId: string, other: () => Promise<unknown>): Promise<void> {
    const report = await test.db.pool.connect();
    try {
      await report.query('BEGIN');
      await report.query('SELECT FROM scheduler.hosts WHERE id = $1 FOR NO KEY UPDATE', [hostId]);
      const { rows: [{ pid }] } = await report.query('SELECT pg_backend_pid() AS pid');
      const done = other();
      done.catch(() => undefined);
      for (;;) {
        const { rows } = await test.admin.query('SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))', [pid]);
        if (rows.length > 0) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await report.query('SELECT FROM scheduler.host_capacity WHERE host_id = $1 FOR NO KEY UPDATE NOWAIT', [hostId]);
      await report.query('COMMIT');
      await done;
    } finally {
      report.release();
    }
  }

  it('when aggregates change', async () => {
    const host = await pinned(1);
    const aggregates = new AggregatesRepository(test.db);
    const made = await aggregates.create(randomUUID(), 'a', {}, by);
    if (typeof made === 'string' || !('id' in made)) throw new Error('not made');
    const { rows: [{ name }] } = await test.admin.query('SELECT name FROM scheduler.hosts WHERE id = $1', [host]);
    await whileReported(host, () => aggregates.change(made.id, { do: 'add-host', host: name }, by));
    await whileReported(host, () => aggregates.change(made.id, { do: 'update', availabilityZone: 'east' }, by));
    expect((await test.admin.query('SELECT availability_zone FROM scheduler.hosts WHERE id = $1', [host])).rows).toEqual([{ availability_zone: 'east' }]);
  });

  it('when claims are adopted', async () => {
    const host = await pinned(1);
    await test.admin.query('UPDATE scheduler.hosts SET adopted_incarnation = $2 WHERE id = $1', [host, test.db.incarnation - 1]);
    const adopt = new AdoptClaims(test.db, { distrust: () => undefined } as Snapshot);
    await whileReported(host, () => adopt.execute({ hostId: host as never, incarnation: test.db.incarnation, epoch: 1, claims: [], last: true, statement: 's', ...by }));
    expect((await test.admin.query('SELECT adopted_incarnation FROM scheduler.hosts WHERE id = $1', [host])).rows).toEqual([{ adopted_incarnation: test.db.incarnation }]);
  });
});

it('hosts of one make come with it, read once; a full read says of what is claimed the same as one of changes', async () => {
  const cell = (memoryMib: number): object => ({ cpuArch: 'x86_64', cells: [{ id: 0, cpus: [0, 1], memoryMib }], dedicatedCpus: [0, 1], traits: ['CUSTOM_A'] });
  const [one, two, other, bare] = [await pinned(2), await pinned(2), await pinned(2), await pinned(2)];
  for (const [id, memoryMib, hostAddress] of [[one, 64, 'a'], [two, 64, 'b'], [other, 65, 'c']] as const) {
    await test.admin.query('UPDATE scheduler.hosts SET inventory = $2, capabilities = $3 WHERE id = $1', [id, JSON.stringify({ ...cell(memoryMib), hostAddress, generation: 7 }), ['LAYOUT']]);
  }
  await hostRow(test, {});
  await claims.claim([want(one, 1)]);
  const feed = new SnapshotRepository(test.db);
  const all = await feed.read(EVERYTHING, EVERYTHING);
  const row = (id: string, from = all): (typeof all.rows)[number] => from.rows.find((each) => each.id === id)!;
  expect(row(one).make).toMatchObject({ architecture: 'x86_64', version: row(one).generation, dedicatedCpus: [0, 1], traits: ['CUSTOM_A', 'CUSTOM_SKYLITE_LAYOUT'] });
  expect(row(two).make!.cells).toBe(row(one).make!.cells);
  expect(row(other).make!.cells[0]).toMatchObject({ memoryMib: 65 });
  expect(row(bare).make).toBeNull();
  expect(row(one).capacity.claimed).toEqual({ cpus: [1], cells: [{ id: 0, memoryMib: 64, pages: [] }], resources: {} });
  await test.admin.query("UPDATE scheduler.hosts SET inventory = inventory || '{\"resources\": {\"CUSTOM_KEY\": 2}}' WHERE id = $1", [two]);
  await claims.claim([want(one, 0)]);
  const changes = await feed.read(all.next, all.next);
  expect(row(two, changes).make).toMatchObject({ resources: { CUSTOM_KEY: 2 } });
  expect(row(one, changes).capacity.claimed).toEqual({ cpus: [0, 1], cells: [{ id: 0, memoryMib: 128, pages: [] }], resources: {} });
  // More than are taken at a time.
  await test.admin.query(`WITH h AS (INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, public_nkey, simulated, cpu_ratio, ram_ratio, disk_ratio)
    SELECT gen_random_uuid(), 'cell1', 'many' || n, 'nova', 'many' || n, true, 1, 1, 1 FROM generate_series(1, 1200) n RETURNING id) INSERT INTO scheduler.host_capacity (host_id) SELECT id FROM h`);
  const many = await feed.read(EVERYTHING, EVERYTHING);
  expect(many.rows.filter(({ name }) => name.startsWith('many'))).toHaveLength(1_200);
  expect(new Set(many.rows.map(({ id }) => id)).size).toBe(many.rows.length);
  const { cpus, ...claimed } = (await feed.read(EVERYTHING, all.next)).rows.find(({ id }) => id === one)!.capacity.claimed!;
  expect({ cpus: cpus.toSorted((a, b) => a - b), ...claimed }).toEqual(row(one, changes).capacity.claimed);
});
