/** Lists of servers against PostgreSQL: the words' SQL equals their TypeScript, filters come before pages, pages miss and repeat nothing. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { listServers, type InputOf, type InstanceView } from '#libs/contracts';
import { deriveStatus, powerStateSql, statusSql, taskStateSql, vmStateSql } from '#libs/openstack';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ServersListRepository } from '../../apps/compute/src/instances/reads/servers-list.repository.js';
import { viewOf, type InstanceRow } from '../../apps/compute/src/instances/instance-row.js';
import { ComputeUnderTest } from '../support/compute-service.js';
import { callerOf, ComputeWorld, IMAGE_ID } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
const ROWS = 800;

/** Every combination of facts that the table allows may come up. */
const anyRow = fc.record({
  intent: fc.constantFrom('running', 'running', 'stopped', 'paused', 'suspended', 'deleted'), step: fc.constantFrom('claim-host', 'wait-host', 'release-claim', 'settled', 'failed', 'finished'),
  reboots: fc.integer({ min: 0, max: 2 }), rebootType: fc.constantFrom('soft', 'hard'), placed: fc.boolean(), observedReboots: fc.integer({ min: 0, max: 2 }),
  state: fc.constantFrom(null, 'absent', 'building', 'running', 'stopped', 'paused', 'suspended', 'crashed', 'failed'), rebuilding: fc.boolean(), launched: fc.boolean(), terminated: fc.boolean(),
  move: fc.option(fc.record({ kind: fc.constantFrom('resize', 'migration', 'evacuation'), phase: fc.constantFrom('claim', 'stop', 'arrive', 'verify', 'confirm', 'revert', 'return') }), { nil: null, freq: 2 }),
  project: fc.constantFrom('p1', 'p2'), name: fc.constantFrom('web-1', 'web-2', 'db', 'a.b', 'Web'), index: fc.integer({ min: 0, max: 3 }), minute: fc.integer({ min: 0, max: 5 }),
});

beforeAll(async () => {
  t = await startTestDatabase('compute');
  world = new ComputeWorld(1, 60_000);
  compute = await new ComputeUnderTest(world, t.db).start();
  const spec = JSON.stringify({
    flavor: { id: '42', name: 'm1.nano', vcpus: 1, ramMib: 128, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: {} },
    image: { id: IMAGE_ID, sha512: 'a', sizeBytes: 1, virtualSizeBytes: 1, format: 'raw' }, diskGib: 1, claimDiskGib: 1, publicKey: null, randomSeed: '',
  });
  for (const row of fc.sample(anyRow, { numRuns: ROWS, seed: 7 })) {
    await t.admin.query(`
      INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, intent, flavor_id, image_id, spec, vcpus, ram_mib, reservation_id, step, reconcile_at,
        reboot_count, reboot_type, host_id, host_sequence, claim_generation, observed_state, observed_reboot_count, launched_at, terminated_at, deleted_at, launch_index, created_at, key_name, rebuilding, move_id, move_kind, move_phase)
      VALUES ($1, 'cell1', $2, 'u1', $3, 'h', $4, '42', $5, $6, 1, 128, 'r', $7, NULL, $8, $9, $10, $11::int, $11::int, $12, $13, $14, $15::timestamptz, $15::timestamptz, $16,
        '2026-01-01T00:00:00.123456Z'::timestamptz + $17 * interval '1 microsecond', $18, $19, $20, $21, $22)`, [
      randomUUID(), row.project, row.name, row.intent, IMAGE_ID, spec, row.step, row.reboots, row.rebootType, row.placed ? randomUUID() : null, row.placed ? 1 : null,
      row.state, row.observedReboots, row.launched ? new Date() : null, row.terminated && row.intent === 'deleted' ? new Date() : null, row.index, row.minute, row.index === 0 ? null : 'k',
      row.rebuilding, row.move === null ? null : randomUUID(), row.move?.kind ?? null, row.move?.phase ?? null,
    ]);
  }
});
afterAll(async () => {
  await compute.stop();
  await world.close();
  await t.stop();
});

type Asked = InputOf<typeof listServers>;
const list = (change: Partial<Asked>): Promise<{ instances: InstanceView[]; more: boolean }> =>
  world.bus.ask(listServers, { caller: callerOf('p1'), projectId: 'p1', filters: {}, sort: [], limit: 1000, ...change });
const admin = callerOf('p1', { isAdmin: true });

describe('derived words', () => {
  it('are the same in SQL and in TypeScript, for any row', async () => {
    const { rows } = await t.admin.query<InstanceRow & Record<'sql_status' | 'sql_vm' | 'sql_task', string | null> & { sql_power: number }>(`
      SELECT i.*, ${statusSql('i')} AS sql_status, ${vmStateSql('i')} AS sql_vm, ${taskStateSql('i')} AS sql_task, ${powerStateSql('i')} AS sql_power FROM compute.instances i`);
    expect(rows).toHaveLength(ROWS);
    for (const row of rows) {
      const { status, vmState, taskState, powerState } = deriveStatus(viewOf(row));
      expect([row.sql_status, row.sql_vm, row.sql_task, row.sql_power]).toEqual([status, vmState, taskState, powerState]);
    }
    expect(new Set(rows.map((row) => row.sql_status)).size).toBe(13);
  });

  it('filter lists as they are shown', async () => {
    const { instances: all } = await list({});
    for (const status of ['BUILD', 'ACTIVE', 'SHUTOFF', 'PAUSED', 'SUSPENDED', 'REBOOT', 'HARD_REBOOT', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'REVERT_RESIZE', 'ERROR']) {
      const { instances } = await list({ filters: { status: [status.toLowerCase()] } });
      expect(instances.map(({ id }) => id)).toEqual(all.filter((view) => deriveStatus(view).status === status).map(({ id }) => id));
    }
  });
});

describe('listServers', () => {
  it('shows a project its own servers, and none that are deleted', async () => {
    const { instances } = await list({});
    expect(instances.every(({ projectId, intent }) => projectId === 'p1' && intent !== 'deleted')).toBe(true);
    await expect(list({ projectId: 'p2' })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(list({ projectId: null })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(list({ filters: { deleted: true } })).rejects.toMatchObject({ kind: 'forbidden' });
    const gone = await list({ caller: admin, projectId: null, filters: { deleted: true } });
    expect(gone.instances.length).toBeGreaterThan(0);
    expect(gone.instances.every(({ intent }) => intent === 'deleted')).toBe(true);
    expect((await list({ filters: { changesSince: '2020-01-01T00:00:00.000Z' } })).instances.some(({ intent }) => intent === 'deleted')).toBe(true);
  });

  it.each<[string, Partial<Asked>]>([
    ['newest first', {}], ['by name', { sort: [{ key: 'display_name', direction: 'asc' }] }],
    ['by task, then name downwards', { sort: [{ key: 'task_state', direction: 'asc' }, { key: 'display_name', direction: 'desc' }] }],
    ['by key, launch and power', { sort: [{ key: 'key_name', direction: 'desc' }, { key: 'launched_at', direction: 'asc' }, { key: 'power_state', direction: 'desc' }] }],
    ['by id', { sort: [{ key: 'uuid', direction: 'asc' }] }],
    ['filtered', { filters: { status: ['ACTIVE', 'BUILD'], name: '^web' }, sort: [{ key: 'vm_state', direction: 'desc' }] }],
  ])('pages %s: nothing twice, nothing missed', async (_name, change) => {
    const { instances: whole, more } = await list(change);
    expect({ more, some: whole.length > 10 }).toEqual({ more: false, some: true });
    const paged: string[] = [];
    for (let marker: string | undefined; ;) {
      const page = await list({ ...change, limit: 7, ...(marker !== undefined && { marker }) });
      paged.push(...page.instances.map(({ id }) => id));
      expect(page.instances.length === 7 || !page.more).toBe(true);
      if (!page.more) break;
      marker = page.instances.at(-1)?.id as string;
    }
    expect(paged).toEqual(whole.map(({ id }) => id));
  });

  it('matches names by regular expression, and says what is wrong with one', async () => {
    const names = async (name: string): Promise<string[]> => [...new Set((await list({ filters: { name } })).instances.map((view) => view.name))].sort();
    expect(await names('^web-1$')).toEqual(['web-1']);
    expect(await names('web')).toEqual(['web-1', 'web-2']);
    expect(await names('a\\.b')).toEqual(['a.b']);
    await expect(list({ filters: { name: '(' } })).rejects.toMatchObject({ kind: 'bad-request', message: "Invalid filter name: '(' is not a valid regular expression." });
  });

  it('refuses markers and sort keys that do not exist', async () => {
    await expect(list({ marker: randomUUID() })).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(list({ marker: 'x' })).rejects.toMatchObject({ kind: 'bad-request', message: 'marker [x] not found' });
    await expect(list({ sort: [{ key: 'constructor', direction: 'asc' }] })).rejects.toMatchObject({ kind: 'bad-request' });
  });

  it('uses an index for the first, a middle and the last page', async () => {
    await t.admin.query('ANALYZE compute.instances');
    const { rows } = await t.admin.query<Record<'QUERY PLAN', string>>(`
      SET enable_seqscan = off; EXPLAIN SELECT * FROM compute.instances i WHERE i.project_id = 'p1' AND i.intent <> 'deleted'
      AND (i.created_at, i.id) < ('2026-01-01T00:00:00.1234Z'::timestamptz, '${randomUUID()}'::uuid) ORDER BY i.created_at DESC, i.id DESC LIMIT 8`).then((results) => (results as unknown as { rows: Record<'QUERY PLAN', string>[] }[])[1] as { rows: Record<'QUERY PLAN', string>[] });
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(/Index Scan using instances_(?:project|all)/);
    expect(plan).toMatch(/Index Cond:.*ROW\(created_at, id\)/);
    expect(plan).not.toMatch(/Sort/);
  });
});

describe('servers that are long', () => {
  it('are read a few at a time, and are all of them in the end', async () => {
    await t.admin.query(`
      INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, intent, flavor_id, image_id, spec, vcpus, ram_mib, reservation_id, step, user_data, metadata)
      SELECT gen_random_uuid(), 'cell1', 'long', 'u', 'n' || n, 'h', 'running', '42', image_id, spec, 1, 128, 'r', 'settled', CASE WHEN n % 3 < 2 THEN repeat('QUJD', 16000) END, CASE WHEN n % 3 = 2 THEN jsonb_build_object('k', repeat('m', 64000)) ELSE '{}' END
      FROM generate_series(1, 300) n, (SELECT image_id, spec FROM compute.instances LIMIT 1) one`);
    const lists = new ServersListRepository(t.db);
    for (const sort of [[], [{ key: 'display_name', direction: 'asc' as const }]]) {
      const asked = { caller: admin, projectId: 'long', filters: {}, sort, limit: 290, withUserData: true, namesOnly: false };
      const ids = (await t.admin.query(`SELECT id FROM compute.instances WHERE project_id = 'long' ORDER BY ${sort.length === 0 ? 'created_at DESC, id DESC' : 'name COLLATE "C", id'}`)).rows.map(({ id }) => id as string);
      const seen: string[] = [];
      for (let more = true; more;) {
        const page = await lists.list({ ...asked, limit: 290 - seen.length, ...(seen.length > 0 && { marker: seen.at(-1) }) } as never, 4_000_000);
        const bytes = page.rows.reduce((sum, row) => sum + row.reduce((of, text) => of + (text?.length ?? 0), 0), 0);
        expect(bytes).toBeLessThan(4_500_000);
        expect(page.rows.length).toBeGreaterThan(Math.min(50, 289 - seen.length));
        seen.push(...page.rows.map(([id]) => id as string));
        more = page.more && seen.length < 290;
      }
      expect(seen).toEqual(ids.slice(0, 290));
      // A single one is always given, and names are as short as any.
      expect(await lists.list(asked as never, 10)).toMatchObject({ rows: { length: 1 }, more: true });
      expect(await lists.list({ ...asked, namesOnly: true } as never, 10)).toMatchObject({ rows: { length: 290 }, more: true });
    }
    // Over the bus as well, in as many messages as it takes.
    const whole: InstanceView[] = [];
    for (let more = true; more;) {
      const page = await list({ caller: admin, projectId: 'long', ...(whole.length > 0 && { marker: whole.at(-1)?.id }) });
      whole.push(...page.instances);
      more = page.more;
    }
    expect(whole.map(({ userData, metadata }) => (userData?.length ?? 0) + (metadata['k']?.length ?? 0))).toEqual(Array.from({ length: 300 }, () => 64_000));
  });
});
