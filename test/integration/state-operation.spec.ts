/**
 * Every operation on a server in every state it can be seen in: through the real door, the real compute service and
 * PostgreSQL. What is expected is the table of docs/states-and-operations.md, read from there: a state that the rules of
 * the status words have and the table does not, or the other way round, fails.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { makeSigningKey, signToken } from '#libs/auth';
import { listTokenKeys, LIVE_DEVICES } from '#libs/contracts';
import { createDoor } from '#libs/http';
import { createLogger } from '#libs/observability';
import { STATES } from '#libs/openstack';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ApiHttpModule, onApiRequest } from '../../apps/api/src/api.module.js';
import { OPERATIONS, type Operation } from '../../apps/compute/src/instances/decide/allowed.js';
import { ComputeUnderTest } from '../support/compute-service.js';
import { ComputeWorld, IMAGE_ID } from '../support/compute-world.js';

const PROJECT = '922cbb55734145b2ab92afd4e96da009';
const USER = '338ba9fec0d74756957698489876c4ab';
const FENCED = '00000000-0000-4000-8000-00000000dead';

/** A row of compute.instances in that state: what differs from one that runs and is settled. */
const ROWS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'active/-': {},
  'active/powering-off': { intent: 'stopped', step: 'wait-host' },
  'active/rebooting': { step: 'wait-host', reboot_count: 1, reboot_type: 'soft' },
  'active/rebooting_hard': { step: 'wait-host', reboot_count: 1, reboot_type: 'hard' },
  'active/pausing': { intent: 'paused', step: 'wait-host' },
  'active/suspending': { intent: 'suspended', step: 'wait-host' },
  'active/rebuilding': { step: 'wait-host', rebuilding: true, observed_state: 'stopped' },
  'active/resize_prep': { step: 'claim-host', move_kind: 'resize', move_phase: 'claim' },
  'active/resize_migrating': { step: 'wait-host', move_kind: 'resize', move_phase: 'stop' },
  'active/resize_finish': { step: 'wait-host', move_kind: 'resize', move_phase: 'arrive', observed_state: 'building' },
  'active/deleting': { intent: 'deleted', step: 'wait-host' },
  'stopped/-': { intent: 'stopped', observed_state: 'stopped' },
  'stopped/powering-on': { step: 'wait-host', observed_state: 'stopped' },
  'stopped/rebooting_hard': { step: 'wait-host', reboot_count: 1, reboot_type: 'hard', observed_state: 'stopped' },
  'stopped/suspending': { intent: 'suspended', step: 'wait-host', observed_state: 'stopped' },
  'stopped/rebuilding': { intent: 'stopped', step: 'wait-host', rebuilding: true, observed_state: 'stopped' },
  'stopped/resize_prep': { intent: 'stopped', observed_state: 'stopped', step: 'claim-host', move_kind: 'resize', move_phase: 'claim' },
  'stopped/resize_migrating': { intent: 'stopped', observed_state: 'stopped', step: 'wait-host', move_kind: 'resize', move_phase: 'stop' },
  'stopped/resize_finish': { intent: 'stopped', observed_state: 'stopped', step: 'wait-host', move_kind: 'resize', move_phase: 'arrive' },
  'stopped/deleting': { intent: 'deleted', step: 'wait-host', observed_state: 'stopped' },
  'paused/-': { intent: 'paused', observed_state: 'paused' },
  'paused/unpausing': { step: 'wait-host', observed_state: 'paused' },
  'paused/powering-on': { intent: 'paused', step: 'wait-host', observed_state: 'stopped' },
  'suspended/-': { intent: 'suspended', observed_state: 'suspended' },
  'suspended/resuming': { step: 'wait-host', observed_state: 'suspended' },
  'resized/-': { move_kind: 'resize', move_phase: 'verify' },
  'resized/resize_reverting': { step: 'wait-host', move_kind: 'resize', move_phase: 'revert' },
  'error/-': { step: 'failed', fault: '{"code":500,"message":"No valid host was found.","details":null,"createdAt":"2026-01-01T00:00:00.000Z"}' },
  'building/scheduling': { step: 'claim-host', launched_at: null, observed_state: null, host_id: null, host_name: null, host_sequence: null, claim_generation: null },
  'building/spawning': { step: 'wait-host', launched_at: null, observed_state: 'building' },
  'building/deleting': { intent: 'deleted', step: 'wait-host', launched_at: null, observed_state: 'building' },
  'deleted/-': { intent: 'deleted', step: 'finished', observed_state: 'absent', terminated_at: '2026-01-02T00:00:00Z', deleted_at: '2026-01-02T00:00:00Z' },
};

const ATTACHED = '00000000-0000-4000-8000-0000000000a7';
/** `path` begins with /v1: Skylite's own. */
interface Request { method: string; path: string; body?: unknown; as?: 'admin'; version?: string }
const action = (body: object, more: Partial<Request> = {}): Request => ({ method: 'POST', path: '/action', body, ...more });
const REQUESTS: Readonly<Record<Operation, Request>> = {
  start: action({ 'os-start': null }), stop: action({ 'os-stop': null }), 'reboot-soft': action({ reboot: { type: 'SOFT' } }), 'reboot-hard': action({ reboot: { type: 'HARD' } }),
  pause: action({ pause: null }), unpause: action({ unpause: null }), suspend: action({ suspend: null }), resume: action({ resume: null }),
  rebuild: action({ rebuild: { imageRef: IMAGE_ID } }), resize: action({ resize: { flavorRef: '1' } }), migrate: action({ migrate: null }, { as: 'admin' }),
  'confirm-resize': action({ confirmResize: null }), 'revert-resize': action({ revertResize: null }), evacuate: action({ evacuate: {} }, { as: 'admin', version: '2.68' }),
  update: { method: 'PUT', path: '', body: { server: { name: 'other' } } },
  'update-metadata': { method: 'POST', path: '/metadata', body: { metadata: { a: 'b' } } }, 'delete-metadata': { method: 'DELETE', path: '/metadata/k' },
  'update-tags': { method: 'PUT', path: '/tags', body: { tags: ['a'] }, version: '2.26' }, 'delete-tags': { method: 'DELETE', path: '/tags/t', version: '2.26' },
  'attach-device': { method: 'POST', path: '/v1/devices', body: { class: 'net' } }, 'detach-device': { method: 'DELETE', path: `/v1/devices/${ATTACHED}` },
  lock: action({ lock: null }), unlock: action({ unlock: null }), 'reset-state': action({ 'os-resetState': { state: 'active' } }, { as: 'admin' }),
  delete: { method: 'DELETE', path: '' }, 'force-delete': action({ forceDelete: null }),
};

/** The table: operation → state → status. */
function readTable(): Map<string, Map<string, number>> {
  const lines = readFileSync('docs/states-and-operations.md', 'utf8').split('\n').filter((line) => line.startsWith('|')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
  const [head = [], , ...rows] = lines;
  const operations = head.slice(1);
  return new Map(operations.map((operation, index) => [operation, new Map(rows.map(([state = '', ...cells]) => [state, Number(cells[index])]))]));
}
const table = readTable();

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
let app: NestFastifyApplication;
const key = makeSigningKey('c0ffee00-0000-4000-8000-000000000000').key;

beforeAll(async () => {
  t = await startTestDatabase('compute');
  world = new ComputeWorld(2, 60_000);
  for (const host of world.hosts) Object.assign(host, { idle: true, capabilities: [...host.capabilities, LIVE_DEVICES] });
  world.deviceClasses = { net: { total: 1, available: 1, mostPerHost: 1, mostAvailablePerHost: 1 } };
  compute = await new ComputeUnderTest(world, t.db).start();
  world.bus.handle(listTokenKeys, async () => ({ keys: [{ kid: key.kid, x: key.x }] }), { group: 'test' });
  await t.admin.query('INSERT INTO compute.host_feeds (host_id, sequence, fenced_at) VALUES ($1, 1, now())', [FENCED]);
  const logger = createLogger('test', 'silent');
  app = await createDoor(ApiHttpModule.register({ bus: world.bus, config: { region: 'RegionOne' }, logger }), { logger, onRequest: onApiRequest });
});
afterAll(async () => {
  await app.close();
  await compute.stop();
  await world.close();
  await t.stop();
});

function token(role: string): string {
  const now = Math.floor(Date.now() / 1000);
  const domain = { id: 'default', name: 'Default' };
  return signToken(key, {
    auditId: 'cdaLhDa_S4mHlwPZTx6DHg', parentAuditId: null, issuedAt: now - 1, expiresAt: now + 3600, methods: ['password'], user: { id: USER, name: role, domain, passwordExpiresAt: null },
    project: { id: PROJECT, name: 'demo', domain }, roles: [{ id: '7338e560eff040279abd5b095b509e90', name: role }],
  });
}

async function insert(change: Readonly<Record<string, unknown>>): Promise<string> {
  const id = randomUUID();
  const host = world.hosts[0] as (typeof world.hosts)[number];
  const spec = JSON.stringify({
    flavor: { id: '42', name: 'm1.nano', vcpus: 1, ramMib: 128, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: {} },
    image: { id: IMAGE_ID, sha512: 'ab', sizeBytes: 1000, virtualSizeBytes: 2000, format: 'qcow2' }, diskGib: 1, claimDiskGib: 1, publicKey: null, randomSeed: '',
  });
  const row: Record<string, unknown> = {
    id, cell_id: 'cell1', project_id: PROJECT, user_id: USER, name: 's', hostname: 's', metadata: '{"k":"v"}', tags: ['t'], intent: 'running', flavor_id: '42', image_id: IMAGE_ID, spec, vcpus: 1, ram_mib: 128,
    reservation_id: 'r', step: 'settled', reconcile_at: null, host_id: host.id, host_name: host.name, host_sequence: 1, claim_generation: 1, observed_state: 'running', observed_generation: 1,
    launched_at: '2026-01-01T00:00:00Z', ...change, ...(change['move_phase'] !== undefined && { move_id: randomUUID() }),
  };
  const names = Object.keys(row);
  await t.admin.query(`INSERT INTO compute.instances (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`, Object.values(row));
  // A move has a row of its own.
  if (row['move_id'] !== undefined) {
    await t.admin.query(`INSERT INTO compute.migrations (uuid, instance_id, project_id, user_id, kind, old_spec, new_spec, old_spec_generation, new_spec_generation, source_host_id, source_host_name, source_zone)
      VALUES ($1, $2, $3, $4, 'resize', $5, $5, 1, 2, $6, $7, 'nova')`, [row['move_id'], id, PROJECT, USER, spec, host.id, host.name]);
  }
  return id;
}

async function send(id: string, { method, path, body, as, version }: Request, asked = as ?? 'member') {
  const response = await app.inject({
    method: method as 'GET', url: path.startsWith('/v1/') ? `/v1/servers/${id}${path.slice(3)}` : `/compute/v2.1/servers/${id}${path}`,
    headers: { 'x-auth-token': token(asked), ...(version !== undefined && { 'openstack-api-version': `compute ${version}` }), ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  });
  const message = response.statusCode < 400 ? '' : (Object.values(JSON.parse(response.body) as Record<string, { message: string }>)[0]?.message ?? '');
  return { status: response.statusCode, message };
}

const ATTACHMENTS = JSON.stringify([{ id: ATTACHED, className: 'net', count: 1, tag: null, vlan: null, numaPolicy: null, wanted: 'attached', attached: false, reason: null, devices: [], createdAt: '2026-01-01T00:00:00.000Z' }]);
/** `evacuate` is asked of servers whose host is fenced, `detach-device` of those that have an attachment. */
const make = (state: string, operation?: Operation, change: object = {}) =>
  insert({ ...ROWS[state], ...(operation === 'evacuate' && ROWS[state]?.['host_id'] !== null && { host_id: FENCED, host_name: 'lost' }), ...(operation === 'detach-device' && { attachments: ATTACHMENTS }), ...change });
const hidden = (state: string): boolean => state.startsWith('deleted/') || state.endsWith('/deleting');

it('the table, the rules of the status words, and the operations name the same', () => {
  const states = [...new Set(STATES.map(({ vmState, taskState }) => `${vmState}/${taskState ?? '-'}`))].sort();
  expect(Object.keys(ROWS).sort()).toEqual(states);
  expect([...table.keys()].sort()).toEqual([...OPERATIONS].sort());
  for (const [operation, row] of table) expect([operation, ...[...row.keys()].sort()]).toEqual([operation, ...states]);
});

it.each(Object.keys(ROWS).filter((state) => !hidden(state)))('a row is shown as %s', async (state) => {
  const response = await app.inject({ method: 'GET', url: `/compute/v2.1/servers/${await make(state)}`, headers: { 'x-auth-token': token('member') } });
  const { server } = response.json<{ server: Record<string, string | null> }>();
  expect(`${server['OS-EXT-STS:vm_state']}/${server['OS-EXT-STS:task_state'] ?? '-'}`).toBe(state);
});

describe.each(OPERATIONS)('%s', (operation) => {
  it.each(Object.keys(ROWS))('in %s', async (state) => {
    const expected = table.get(operation)?.get(state) as number;
    const { status, message } = await send(await make(state, operation), REQUESTS[operation]);
    expect([status, message]).toEqual([expected, expect.anything()]);
    if (status === 409) expect(message).toMatch(/^Cannot '[\w -]+' instance [\w-]+ while it is in (?:vm|task)_state [\w-]+$|is not ready$|is being moved already\.$/);
  });

  it('locked: refused to its owner, in words, unless the lock is no hindrance', async () => {
    const state = [...(table.get(operation) as Map<string, number>)].find(([, status]) => status < 300)?.[0] ?? 'active/-';
    const { status, message } = await send(await make(state, operation, { locked: true, locked_by: 'owner' }), REQUESTS[operation]);
    const regardless = ['update', 'update-tags', 'delete-tags', 'lock', 'unlock', 'reset-state', 'evacuate', 'migrate'].includes(operation);
    if (regardless) expect(status).toBe(table.get(operation)?.get(state));
    else expect([status, message]).toEqual([409, expect.stringMatching(/^Instance [\w-]+ is locked$/)]);
  });
});

it('evacuated servers keep their level until 2.94, and stay off from 2.95 on', async () => {
  const levels: string[] = [];
  for (const version of ['2.94', '2.95']) {
    const id = await make('active/-', 'evacuate');
    expect((await send(id, { ...REQUESTS.evacuate, version })).status).toBe(200);
    levels.push((await t.admin.query<{ intent: string }>('SELECT intent FROM compute.instances WHERE id = $1', [id])).rows[0]?.intent ?? '');
  }
  expect(levels).toEqual(['running', 'stopped']);
});
