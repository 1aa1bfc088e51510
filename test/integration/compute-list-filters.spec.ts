/** Every filter and sort key of the servers list against PostgreSQL, held against the same question asked of what the whole list shows; and the plans behind them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listServers, type InputOf, type InstanceView } from '#libs/contracts';
import { InMemoryBus } from '#libs/messaging';
import { deriveStatus } from '#libs/openstack';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { viewOf, type InstanceRow } from '../../apps/compute/src/instances/instance-row.js';
import { ServersListRepository } from '../../apps/compute/src/instances/reads/servers-list.repository.js';
import { ServersReader } from '../../apps/compute/src/instances/reads/servers-reader.js';
import { callerOf } from '../support/compute-world.js';
import { insertServers } from '../support/server-rows.js';

let t: TestDatabase;
let all: InstanceView[];
const bus = new InMemoryBus();
const ROWS = 600;
type Asked = InputOf<typeof listServers>;
const admin = callerOf('p1', { isAdmin: true });
const ask = (change: Partial<Asked> = {}) => bus.ask(listServers, { caller: admin, projectId: 'p1', filters: {}, sort: [], limit: 1000, ...change });

beforeAll(async () => {
  t = await startTestDatabase('compute');
  const reader = new ServersReader(undefined as never, new ServersListRepository(t.db), bus);
  bus.handle(listServers, (input) => reader.list(input), { group: 'test' });
  await insertServers(t.admin, 'p1', 'web', ROWS);
  await insertServers(t.admin, 'p2', 'other', 50);
  await t.admin.query("UPDATE compute.instances SET locked_by = CASE WHEN name LIKE '%1' THEN 'admin' ELSE 'owner' END WHERE locked");
  await t.admin.query("UPDATE compute.instances SET key_name = 'k' || right(name, 1), description = 'about ' || name WHERE name LIKE 'web-%3'");
  all = await whole({ filters: { changesSince: '2000-01-01T00:00:00.000Z' } });
});
afterAll(async () => { await bus.close(); await t.stop(); });

/** Answer by answer to the end. */
async function whole(change: Partial<Asked>): Promise<InstanceView[]> {
  const found: InstanceView[] = [];
  for (let more = true; more;) {
    const page = await ask({ ...change, ...(found.length > 0 && { marker: found.at(-1)?.id as string }) });
    found.push(...page.instances);
    more = page.more;
  }
  return found;
}

const there = (view: InstanceView): boolean => view.intent !== 'deleted';
const second = (iso: string | null): string => (iso ?? '').slice(0, 19).replace('T', ' ');
type Filters = Asked['filters'];

describe('filters', () => {
  it.each<[string, Filters, (view: InstanceView) => boolean]>([
    ['nothing', {}, there],
    ['names', { name: '^web-1.$' }, (view) => there(view) && /^web-1.$/.test(view.name)],
    ['a status', { status: ['error'] }, (view) => there(view) && deriveStatus(view).status === 'ERROR'],
    ['statuses', { status: ['SHUTOFF', 'ERROR'] }, (view) => there(view) && ['SHUTOFF', 'ERROR'].includes(deriveStatus(view).status)],
    ['a status that none has', { status: ['PAUSED', 'odd'] }, () => false],
    ['vm states', { vmState: ['error', 'stopped'] }, (view) => there(view) && ['error', 'stopped'].includes(deriveStatus(view).vmState)],
    ['a task', { taskState: ['spawning', 'powering-on'] }, (view) => there(view) && ['spawning', 'powering-on'].includes(deriveStatus(view).taskState ?? '')],
    ['locked', { locked: true }, (view) => there(view) && view.locked],
    ['not locked', { locked: false }, (view) => there(view) && !view.locked],
    ['all tags', { tags: ['t1', 'u1'] }, (view) => there(view) && view.tags.includes('t1') && view.tags.includes('u1')],
    ['one of the tags', { tagsAny: ['t1', 't2'] }, (view) => there(view) && (view.tags.includes('t1') || view.tags.includes('t2'))],
    ['not all tags', { notTags: ['t1', 'u1'] }, (view) => there(view) && !(view.tags.includes('t1') && view.tags.includes('u1'))],
    ['none of the tags', { notTagsAny: ['t1', 't2'] }, (view) => there(view) && !view.tags.includes('t1') && !view.tags.includes('t2')],
    ['changes since', { changesSince: '2026-01-01T23:55:00.000Z' }, (view) => view.updatedAt >= '2026-01-01T23:55:00.000Z'],
    ['changes before', { changesBefore: '2026-01-01T23:55:00.000Z' }, (view) => view.updatedAt <= '2026-01-01T23:55:00.000Z'],
    ['changes within', { changesSince: '2026-01-01T23:55:00.000Z', changesBefore: '2026-01-01T23:56:00.000Z' }, (view) => view.updatedAt >= '2026-01-01T23:55:00.000Z' && view.updatedAt <= '2026-01-01T23:56:00.000Z'],
    ['changes of what is there', { changesSince: '2000-01-01T00:00:00.000Z', deleted: false }, there],
    ['what is gone', { deleted: true }, (view) => !there(view)],
    ['a host', { hostName: 'host-7' }, (view) => there(view) && view.hostName === 'host-7'],
    ['a user', { userId: 'u2' }, (view) => there(view) && view.userId === 'u2'],
    ['no such image', { imageId: 'x' }, () => false],
    ['a flavor', { flavorId: '42' }, there],
    ['keys', { matching: { key_name: '^k3$' } }, (view) => there(view) && view.keyName === 'k3'],
    ['power', { matching: { power_state: '4' } }, (view) => there(view) && deriveStatus(view).powerState === 4],
    ['creation', { matching: { created_at: '^2026-01-01 23:5[0-4]' } }, (view) => there(view) && /^2026-01-01 23:5[0-4]/.test(second(view.createdAt))],
    ['launch', { matching: { launched_at: ':30$' } }, (view) => there(view) && second(view.launchedAt).endsWith(':30')],
    ['descriptions', { matching: { description: 'web-1' } }, (view) => there(view) && (view.description ?? '').includes('web-1')],
    ['who locked', { matching: { locked_by: '^admin$' } }, (view) => there(view) && view.locked && view.name.endsWith('1')],
    ['zones, hostnames and nodes', { matching: { availability_zone: 'nov', hostname: '7$', node: '^host-' } }, (view) => there(view) && view.hostname.endsWith('7')],
    ['reservations', { matching: { reservation_id: '^r-0000000[12]' } }, (view) => there(view) && /^r-0000000[12]/.test(view.reservationId)],
    ['what all have', { matching: { config_drive: 'True', progress: '0', auto_disk_config: '0', launch_index: '^0$', kernel_id: '^$', ramdisk_id: '^$', root_device_name: 'vda' } }, there],
    ['what none has', { matching: { access_ip_v4: '.*' } }, () => false],
    ['when they ended', { matching: { terminated_at: '.' } }, () => false],
  ])('%s', async (_name, filters, holds) => {
    const found = await whole({ filters });
    expect(found.map(({ name }) => name)).toEqual(all.filter(holds).map(({ name }) => name));
  });

  it('all tenants', async () => {
    expect(new Set((await whole({ projectId: null })).map(({ projectId }) => projectId))).toEqual(new Set(['p1', 'p2']));
  });

  it('says what is wrong with a pattern', async () => {
    await expect(ask({ filters: { matching: { hostname: '(' } } })).rejects.toMatchObject({ kind: 'bad-request', message: "Invalid filter hostname: '(' is not a valid regular expression." });
  });
});

describe('pages', () => {
  const KEYS = [
    'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at', 'display_description', 'display_name', 'host', 'hostname', 'image_ref', 'instance_type_id',
    'kernel_id', 'key_name', 'launch_index', 'launched_at', 'locked', 'locked_by', 'node', 'power_state', 'progress', 'project_id', 'ramdisk_id', 'root_device_name', 'task_state', 'terminated_at',
    'updated_at', 'user_id', 'uuid', 'vm_state',
  ];
  it.each(KEYS)('by %s: nothing twice, nothing missed, in both directions', async (key) => {
    for (const direction of ['asc', 'desc'] as const) {
      const sort = [{ key, direction }];
      const expected = (await ask({ sort, filters: { name: '^web-.?.$' } })).instances.map(({ id }) => id);
      const paged: string[] = [];
      for (let more = true; more;) {
        const page = await ask({ sort, filters: { name: '^web-.?.$' }, limit: 13, ...(paged.length > 0 && { marker: paged.at(-1) as string }) });
        paged.push(...page.instances.map(({ id }) => id));
        more = page.more;
      }
      expect([key, paged.length, paged]).toEqual([key, 90, expected]);
    }
  });

  it('an answer fits a message, whatever servers carry', async () => {
    await t.admin.query("UPDATE compute.instances SET user_data = repeat('A', 65000) WHERE project_id = 'p2'");
    const first = await ask({ projectId: 'p2' });
    expect(first.more).toBe(true);
    expect(first.instances.length).toBeGreaterThan(5);
    expect(Buffer.byteLength(JSON.stringify(first))).toBeLessThan(1_000_000);
    expect((await whole({ projectId: 'p2' })).length).toBe(45);
    // The newest is bare, all others are full of what must be escaped.
    await t.admin.query(`UPDATE compute.instances SET description = repeat('"é\u0001', 80), metadata = jsonb_build_object('k', repeat('\\', 200)), tags = ARRAY[repeat('ü', 60)],
      host_name = repeat('h', 200), generation = 9999999999, fault = '{"code":500,"message":"m","details":null,"createdAt":"2026-01-01T00:00:00.000Z"}', user_data = NULL
      WHERE project_id = 'p1' AND name <> 'web-1'`);
    await t.admin.query("UPDATE compute.instances SET host_id = NULL, host_name = NULL, host_sequence = NULL, claim_generation = NULL, launched_at = NULL, metadata = '{}', tags = '{}', description = NULL WHERE project_id = 'p1' AND name = 'web-1'");
    const heavy = await ask();
    expect(heavy.more).toBe(true);
    expect(Buffer.byteLength(JSON.stringify(heavy))).toBeLessThan(1_000_000);
    expect((await whole({})).length).toBe(540);
    const without = await ask({ projectId: 'p2', withUserData: false });
    expect([without.instances.length, without.more, without.instances[0]?.userData]).toEqual([45, false, null]);
  });
});

describe('what a list reads of a row', () => {
  it('is what the whole row says, but for what of its host it was given', async () => {
    const { rows } = await t.admin.query<InstanceRow>("SELECT * FROM compute.instances WHERE project_id = 'p1'");
    const views = new Map(rows.map((row) => {
      const { layout: _layout, ...view } = viewOf(row);
      return [row.id, JSON.parse(JSON.stringify(view)) as InstanceView];
    }));
    const listed = await whole({ filters: { changesSince: '2000-01-01T00:00:00.000Z' } });
    expect(listed.length).toBe(rows.length);
    for (const view of listed) expect(view).toEqual(views.get(view.id));
    expect(listed.some(({ tags, metadata, fault }) => tags.length > 0 && Object.keys(metadata).length > 0 && fault !== null)).toBe(true);
  });

  it('is all of them at once where no message limits the answer', async () => {
    const reader = new ServersReader(undefined as never, new ServersListRepository(t.db), bus);
    const asked = { caller: admin, projectId: 'p1', filters: {}, sort: [], limit: 1000, withUserData: true, namesOnly: false };
    expect([(await reader.list(asked)).more, (await reader.list(asked, true)).instances.length, (await reader.list(asked, true)).more]).toEqual([true, 540, false]);
  });

  it('is names alone when nothing else is asked for', async () => {
    const names = await ask({ namesOnly: true });
    expect([names.instances.length, names.more, Object.keys(names.instances[0] as object)]).toEqual([540, false, ['id', 'name']]);
    const sorted = await ask({ namesOnly: true, limit: 20, sort: [{ key: 'display_name', direction: 'asc' }], filters: { name: '^web-' } });
    expect(sorted.instances.map(({ name }) => name)).toEqual(names.instances.map(({ name }) => name).sort().slice(0, 20));
  });
});

describe('plans', () => {
  const planOf = async (change: Partial<Asked>): Promise<string> => {
    const queries: [string, unknown[]][] = [];
    const asked = async (query: string | { text: string; values: unknown[] }) => {
      if (typeof query !== 'string') queries.push([query.text, query.values]);
      return { rows: [['2026-01-01T12:00:00Z', '00000000-0000-4000-8000-000000000000']] };
    };
    const spy = { pool: { query: asked }, transaction: async (work: (client: object) => unknown) => work(spy.pool) };
    await new ServersListRepository(spy as never).list({ caller: admin, projectId: 'p1', filters: {}, sort: [], limit: 10, withUserData: false, ...change } as never, 1_000_000);
    const [text, values] = queries.at(-1) as [string, unknown[]];
    await t.admin.query('SET enable_seqscan = off');
    const { rows } = await t.admin.query<Record<'QUERY PLAN', string>>(`EXPLAIN ${text}`, values);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  const marker = '00000000-0000-4000-8000-000000000000';
  it.each<[string, Partial<Asked>, RegExp]>([
    ['the last page of a project', { marker }, /Index (?:Only )?Scan using instances_(?:project|all)[\s\S]*Index Cond: .*ROW\(created_at, id\) </],
    ['the last page of all', { marker, projectId: null }, /Index (?:Only )?Scan using instances_all[\s\S]*Index Cond: .*ROW\(created_at, id\) </],
    ['an exact name', { filters: { name: '^web-77$' } }, /using instances_name[\s\S]*name\)::text = 'web-77'/],
    ['the beginning of a name', { filters: { name: '^web-7' } }, /using instances_name[\s\S]*>= 'web-7'/],
    ['by name', { sort: [{ key: 'display_name', direction: 'asc' }] }, /Index (?:Only )?Scan using instances_name/],
    ['by change', { sort: [{ key: 'updated_at', direction: 'desc' }] }, /Index (?:Only )?Scan Backward using instances_updated/],
    ['changes of a moment', { filters: { changesSince: '2026-01-02T00:00:30.000Z' } }, /using instances_updated/],
    ['what is gone', { filters: { deleted: true } }, /using instances_deleted/],
  ])('%s', async (_name, change, expected) => expect(await planOf(change)).toMatch(expected));
});
