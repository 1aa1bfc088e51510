/** Registered limits and limits over HTTP, and what services are told of them over the bus, on a real PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getDefaultLimits, getLimits, getProjectLimits, resetLimits, setDefaultLimits, setLimits, type Caller } from '#libs/contracts';
import { seedIdentity } from '../../apps/identity/src/identity.module.js';
import { ADMIN, BASE, byName, DEMO, IdentityUnderTest, project, tokenOf, type Answer } from '../support/identity.js';

let identity: IdentityUnderTest;
let admin: string;
let demo: string;
let adminProject: string;
let demoProject: string;
let compute: string;
let image: string;

beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  const [asAdmin, asDemo] = [await identity.login(byName('admin', ADMIN), project('admin')), await identity.login(byName('demo', DEMO), project('demo'))];
  [admin, demo] = [tokenOf(asAdmin), tokenOf(asDemo)];
  [adminProject, demoProject] = [asAdmin.body.token.project.id, asDemo.body.token.project.id];
  [compute, image] = await Promise.all(['compute', 'image'].map(async (type) => (await identity.database.admin.query<{ id: string }>('SELECT id FROM identity.services WHERE type = $1', [type])).rows[0]?.id as string)) as [string, string];
});
afterAll(() => identity.stop());

const call = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD', path: string, body?: unknown, token = admin): Promise<Answer> => identity.call(method, `/v3${path}`, { token, ...(body !== undefined && { body }) });
const said = ({ status, body }: Answer): [number, string | undefined] => [status, body?.error?.message];
const register = async (limit: Record<string, unknown>): Promise<string> => (await call('POST', '/registered_limits', { registered_limits: [{ service_id: compute, default_limit: 1, ...limit }] })).body.registered_limits[0].id as string;
const registered = async (name: string, service = compute): Promise<{ id: string; default_limit: number }> => (await call('GET', `/registered_limits?service_id=${service}&resource_name=${encodeURIComponent(name)}`)).body.registered_limits[0];
const limitsOf = (projectId: string, service = 'compute') => identity.bus.ask(getLimits, { projectId, service });
const caller = (): Caller => ({ userId: 'a'.repeat(32), userName: 'admin', projectId: adminProject, projectName: 'admin', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-1' });

describe('a new cloud', () => {
  it('has Nova\'s and Glance\'s limits registered, and none for the operators\' project', async () => {
    const { body } = await call('GET', '/registered_limits', undefined, demo);
    const known = Object.fromEntries(body.registered_limits.map((limit: { resource_name: string; default_limit: number }) => [limit.resource_name, limit.default_limit]));
    expect(known).toEqual({
      'servers': 10, 'class:VCPU': 20, 'class:MEMORY_MB': 51_200, 'server_metadata_items': 128, 'server_key_pairs': 100, 'server_groups': 10, 'server_group_members': 10,
      'image_size_total': -1, 'image_stage_total': -1, 'image_count_total': 10_000, 'image_count_uploading': 8,
    });
    expect(body.links).toEqual({ next: null, self: `${BASE}/identity/v3/registered_limits`, previous: null });
    expect(await identity.bus.ask(getProjectLimits, { projectId: adminProject })).toMatchObject({ limits: { instances: -1, cores: -1, ramMib: -1, keypairs: -1, metadataItems: -1, serverGroups: -1, serverGroupMembers: -1 }, known: true });
    expect(await identity.bus.ask(getProjectLimits, { projectId: demoProject })).toMatchObject({ limits: { instances: 10, cores: 20, ramMib: 51_200, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 }, known: true });
    expect((await limitsOf(adminProject, 'image')).limits).toEqual({ image_size_total: -1, image_stage_total: -1, image_count_total: -1, image_count_uploading: -1 });
    expect(await limitsOf('nobody')).toMatchObject({ known: false, limits: { servers: 10 } });
    expect((await limitsOf(demoProject, 'volume')).limits).toEqual({});
  });

  it('takes over what was the quota store before, once, and what somebody changed since stays', async () => {
    const { admin: db } = identity.database;
    const again = (): Promise<void> => seedIdentity(identity.database.db, { adminPassword: 'x', demoPassword: 'y' });
    await db.query("INSERT INTO identity.project_limits (project_id, limits) VALUES ($1, $2)", [demoProject, { instances: 3, ramMib: -1, odd: 7 }]);
    const { generation } = await limitsOf(demoProject);
    await again();
    const taken = await limitsOf(demoProject);
    expect(taken.limits).toMatchObject({ 'servers': 3, 'class:MEMORY_MB': -1, 'class:VCPU': 20 });
    expect(taken.generation).toBeGreaterThan(generation);
    expect((await db.query('SELECT 1 FROM identity.project_limits')).rowCount).toBe(0);
    await identity.bus.ask(resetLimits, { caller: caller(), projectId: demoProject, service: 'compute' });
    await identity.bus.ask(resetLimits, { caller: caller(), projectId: adminProject, service: 'image' });
    await Promise.all([again(), again()]);
    expect((await limitsOf(demoProject)).limits).toMatchObject({ 'servers': 10, 'class:MEMORY_MB': 51_200 });
    expect((await limitsOf(adminProject, 'image')).limits).toMatchObject({ image_count_total: 10_000 });
  });
});

describe('registered limits', () => {
  it('are made, shown, changed and deleted', async () => {
    const made = await call('POST', '/registered_limits', { registered_limits: [{ service_id: compute, resource_name: 'class:PGPU', default_limit: 2, description: 'cards' }, { service_id: image, region_id: null, resource_name: 'bricks', default_limit: -1 }] });
    const [pgpu, bricks] = made.body.registered_limits;
    expect([made.status, made.body]).toEqual([201, { registered_limits: [
      { id: expect.stringMatching(/^[0-9a-f]{32}$/), service_id: compute, region_id: null, resource_name: 'class:PGPU', default_limit: 2, description: 'cards', links: { self: `${BASE}/identity/v3/registered_limits/${pgpu.id}` } },
      { id: expect.stringMatching(/^[0-9a-f]{32}$/), service_id: image, region_id: null, resource_name: 'bricks', default_limit: -1, description: null, links: { self: `${BASE}/identity/v3/registered_limits/${bricks.id}` } },
    ] }]);
    const path = `/registered_limits/${pgpu.id}`;
    expect((await call('GET', path, undefined, demo)).body).toEqual({ registered_limit: pgpu });
    expect((await call('HEAD', path)).status).toBe(200);
    expect((await limitsOf(demoProject)).limits['class:PGPU']).toBe(2);
    expect((await call('PATCH', path, { registered_limit: { default_limit: 5, description: null } })).body.registered_limit).toEqual({ ...pgpu, default_limit: 5, description: null });
    expect((await limitsOf(demoProject)).limits['class:PGPU']).toBe(5);
    expect((await call('PATCH', path, { registered_limit: { resource_name: 'class:FPGA', region_id: 'RegionOne' } })).body.registered_limit).toMatchObject({ resource_name: 'class:FPGA', region_id: 'RegionOne' });
    expect((await call('GET', '/registered_limits?region_id=RegionOne')).body.registered_limits.map(({ id }: { id: string }) => id)).toEqual([pgpu.id]);
    for (const id of [pgpu.id, bricks.id]) expect((await call('DELETE', `/registered_limits/${id}`)).status).toBe(204);
    expect(said(await call('DELETE', path))).toEqual([404, `Could not find registered limit: ${pgpu.id}.`]);
    expect((await limitsOf(demoProject)).limits).not.toHaveProperty('class:FPGA');
  });

  it.each<[string, number, unknown, string]>([
    ['no list', 400, {}, 'registered_limits'], ['an empty list', 400, { registered_limits: [] }, 'too short'], ['no default', 400, { registered_limits: [{ service_id: 's', resource_name: 'x' }] }, 'default_limit'],
    ['an unknown attribute', 400, { registered_limits: [{ service_id: 's', resource_name: 'x', default_limit: 1, colour: 'red' }] }, 'colour'],
    ['no number', 400, { registered_limits: [{ service_id: 's', resource_name: 'x', default_limit: '1' }] }, 'is not of type'],
    ['below -1', 400, { registered_limits: [{ service_id: 's', resource_name: 'x', default_limit: -2 }] }, '-1'],
    ['too many', 400, { registered_limits: [{ service_id: 's', resource_name: 'x', default_limit: 2 ** 31 }] }, '2147483647'],
    ['no name', 400, { registered_limits: [{ service_id: 's', resource_name: '  ', default_limit: 1 }] }, 'resource_name'],
    ['a service that is not there', 400, { registered_limits: [{ service_id: 's', resource_name: 'x', default_limit: 1 }] }, 'service_id'],
  ])('refuse %s', async (_, status, body, words) => expect(said(await call('POST', '/registered_limits', body))).toEqual([status, expect.stringContaining(words)]));

  it('refuse a region that is not there, a second one of a name, and all that came with it', async () => {
    const one = { service_id: compute, resource_name: 'once', default_limit: 1 };
    expect(said(await call('POST', '/registered_limits', { registered_limits: [{ ...one, region_id: 'mars' }] }))).toEqual([400, expect.stringContaining('region_id')]);
    expect(said(await call('POST', '/registered_limits', { registered_limits: [one, one] }))).toEqual([409, 'Conflict occurred attempting to store registered_limit - Duplicate entry.']);
    expect(await registered('once')).toBeUndefined();
    const id = await register({ resource_name: 'twice' });
    expect((await call('PATCH', `/registered_limits/${id}`, { registered_limit: { resource_name: 'servers' } })).status).toBe(409);
    await call('DELETE', `/registered_limits/${id}`);
  });

  it('stay what they are while limits refer to them; their default may change', async () => {
    const id = await register({ resource_name: 'held' });
    const { body } = await call('POST', '/limits', { limits: [{ service_id: compute, resource_name: 'held', resource_limit: 7, project_id: demoProject }] });
    const refusal = `Unable to update or delete registered limit ${id} because there are project limits associated with it.`;
    expect(said(await call('DELETE', `/registered_limits/${id}`))).toEqual([403, refusal]);
    expect(said(await call('PATCH', `/registered_limits/${id}`, { registered_limit: { resource_name: 'other' } }))).toEqual([403, refusal]);
    expect((await call('PATCH', `/registered_limits/${id}`, { registered_limit: { default_limit: 3 } })).status).toBe(200);
    expect([(await limitsOf(demoProject)).limits['held'], (await limitsOf(adminProject)).limits['held']]).toEqual([7, 3]);
    await call('DELETE', `/limits/${body.limits[0].id}`);
    expect((await call('DELETE', `/registered_limits/${id}`)).status).toBe(204);
  });

  it('are everybody\'s to read, and an admin\'s to change', async () => {
    const { id } = await registered('servers');
    expect((await call('POST', '/registered_limits', { registered_limits: [{ service_id: compute, resource_name: 'x', default_limit: 1 }] }, demo)).status).toBe(403);
    expect((await call('PATCH', `/registered_limits/${id}`, { registered_limit: { default_limit: 1000 } }, demo)).status).toBe(403);
    expect((await call('DELETE', `/registered_limits/${id}`, undefined, demo)).status).toBe(403);
    expect((await call('GET', `/registered_limits/${id}`, undefined, demo)).status).toBe(200);
  });
});

describe('limits', () => {
  const one = (change: Record<string, unknown> = {}): unknown => ({ limits: [{ service_id: compute, resource_name: 'servers', resource_limit: 4, project_id: demoProject, ...change }] });

  it('are made, shown, changed and deleted, and count at once', async () => {
    const made = await call('POST', '/limits', one());
    const [limit] = made.body.limits;
    expect([made.status, limit]).toEqual([201, {
      id: expect.stringMatching(/^[0-9a-f]{32}$/), project_id: demoProject, domain_id: null, service_id: compute, region_id: null, resource_name: 'servers', resource_limit: 4, description: null,
      links: { self: `${BASE}/identity/v3/limits/${limit.id}` },
    }]);
    const before = await limitsOf(demoProject);
    expect(before.limits['servers']).toBe(4);
    expect(said(await call('POST', '/limits', one()))).toEqual([409, 'Conflict occurred attempting to store limit - Duplicate entry.']);
    expect((await call('PATCH', `/limits/${limit.id}`, { limit: { resource_limit: 0, description: 'none' } })).body.limit).toEqual({ ...limit, resource_limit: 0, description: 'none' });
    const after = await limitsOf(demoProject);
    expect([after.limits['servers'], after.generation > before.generation]).toEqual([0, true]);
    expect((await call('PATCH', `/limits/${limit.id}`, { limit: { resource_name: 'x' } })).status).toBe(400);
    expect((await call('GET', `/limits?resource_name=servers&project_id=${demoProject}`)).body.limits.map(({ id }: { id: string }) => id)).toEqual([limit.id]);
    expect((await call('DELETE', `/limits/${limit.id}`)).status).toBe(204);
    expect(said(await call('GET', `/limits/${limit.id}`))).toEqual([404, `Could not find limit: ${limit.id}.`]);
    expect((await limitsOf(demoProject)).limits['servers']).toBe(10);
  });

  it('are of a project or of a domain', async () => {
    expect((await call('POST', '/limits', one({ project_id: null, domain_id: 'default' }))).body.limits[0]).toMatchObject({ project_id: null, domain_id: 'default' });
    // A domain's own limit is no limit of its projects: the model is flat.
    expect((await limitsOf(demoProject)).limits['servers']).toBe(10);
    expect((await call('POST', '/limits', one({ project_id: 'default', resource_name: 'class:VCPU' }))).body.limits[0]).toMatchObject({ project_id: null, domain_id: 'default' });
    expect(said(await call('POST', '/limits', one({ domain_id: 'default' })))).toEqual([400, expect.stringContaining('of one only')]);
    expect((await call('POST', '/limits', one({ project_id: null }))).status).toBe(400);
    expect(said(await call('POST', '/limits', one({ project_id: 'nobody' })))).toEqual([400, expect.stringContaining('project_id')]);
    expect(said(await call('POST', '/limits', one({ project_id: null, domain_id: 'nobody' })))).toEqual([400, expect.stringContaining('domain_id')]);
    expect(said(await call('POST', '/limits', one({ resource_name: 'unheard-of' })))).toEqual([403, 'Unable to create a limit that has no corresponding registered limit.']);
    const { body: { limits } } = await call('GET', '/limits?domain_id=default');
    expect(limits).toHaveLength(2);
    for (const { id } of limits) await call('DELETE', `/limits/${id}`);
  });

  it('are shown to those whose they are', async () => {
    const [own] = (await call('POST', '/limits', one())).body.limits;
    const others = (await call('GET', `/limits?project_id=${adminProject}`)).body.limits;
    expect(others.length).toBeGreaterThan(0);
    expect((await call('GET', '/limits', undefined, demo)).body.limits).toEqual([own]);
    expect((await call('GET', `/limits?project_id=${adminProject}`, undefined, demo)).body.limits).toEqual([]);
    expect((await call('GET', `/limits/${own.id}`, undefined, demo)).body).toEqual({ limit: own });
    expect((await call('GET', `/limits/${others[0].id}`, undefined, demo)).status).toBe(403);
    // What is not there is told from what is another's by an admin alone.
    expect((await call('GET', '/limits/nothing', undefined, demo)).status).toBe(403);
    for (const [method, path, body] of [['POST', '/limits', one()], ['PATCH', `/limits/${own.id}`, { limit: { resource_limit: 99 } }], ['DELETE', `/limits/${own.id}`, undefined]] as const) expect((await call(method, path, body, demo)).status).toBe(403);
    const unscoped = tokenOf(await identity.login(byName('demo', DEMO), 'unscoped'));
    expect((await call('GET', '/limits', undefined, unscoped)).body.limits).toEqual([]);
    expect((await call('GET', '/limits/model', undefined, unscoped)).body.model.name).toBe('flat');
    await call('DELETE', `/limits/${own.id}`);
  });

  it('are listed page by page', async () => {
    const all = (await call('GET', '/limits')).body.limits.map(({ id }: { id: string }) => id);
    const seen: string[] = [];
    for (let path: string | null = '/limits?limit=3'; path !== null;) {
      const { body } = await call('GET', path);
      seen.push(...body.limits.map(({ id }: { id: string }) => id));
      path = body.links.next === null ? null : String(body.links.next).slice(`${BASE}/identity/v3`.length);
    }
    expect(seen).toEqual(all);
  });

  it('never get lost when many are changed at once, and each change is a generation', async () => {
    const { generation } = await limitsOf(demoProject);
    const outcomes = await Promise.all(Array.from({ length: 32 }, (_, index) => (index % 2 === 0 ? call('POST', '/limits', one({ resource_limit: index }))
      : identity.bus.ask(setLimits, { caller: caller(), projectId: demoProject, service: 'compute', limits: { servers: index } }))));
    const statuses = outcomes.flatMap((outcome) => ('status' in outcome ? [outcome.status] : []));
    expect(statuses.filter((status) => status === 201).length + statuses.filter((status) => status === 409).length).toBe(16);
    const { body: { limits } } = await call('GET', `/limits?project_id=${demoProject}`);
    const now = await limitsOf(demoProject);
    expect(limits.map((limit: { resource_limit: number }) => limit.resource_limit)).toEqual([now.limits['servers']]);
    expect(now.generation - generation).toBe(16 + statuses.filter((status) => status === 201).length);
    await call('DELETE', `/limits/${limits[0].id}`);
  });
});

describe('for services', () => {
  it('set, reset and the defaults are views of the same store', async () => {
    expect((await identity.bus.ask(setLimits, { caller: caller(), projectId: demoProject, service: 'compute', limits: { 'servers': 3, 'class:VCPU': -1 } })).limits).toMatchObject({ 'servers': 3, 'class:VCPU': -1, 'server_groups': 10 });
    expect((await call('GET', '/limits', undefined, demo)).body.limits.map(({ resource_name: name, resource_limit: value }: { resource_name: string; resource_limit: number }) => `${name}=${value}`).sort()).toEqual(['class:VCPU=-1', 'servers=3']);
    expect((await identity.bus.ask(getProjectLimits, { projectId: demoProject })).limits).toMatchObject({ instances: 3, cores: -1 });
    await identity.bus.ask(resetLimits, { caller: caller(), projectId: demoProject, service: 'image' });
    expect((await limitsOf(demoProject)).limits['servers']).toBe(3);
    await identity.bus.ask(resetLimits, { caller: caller(), projectId: demoProject, service: 'compute' });
    expect((await call('GET', '/limits', undefined, demo)).body.limits).toEqual([]);
    await identity.bus.ask(setDefaultLimits, { caller: caller(), service: 'compute', limits: { server_groups: 4 } });
    expect((await identity.bus.ask(getDefaultLimits, {})).limits.serverGroups).toBe(4);
    expect((await registered('server_groups')).default_limit).toBe(4);
    await identity.bus.ask(setDefaultLimits, { caller: caller(), service: 'compute', limits: { server_groups: 10 } });
  });

  it('only an admin changes them, of projects and resources that there are', async () => {
    const nobody = { ...caller(), roles: ['member'], isAdmin: false };
    await expect(identity.bus.ask(setLimits, { caller: nobody, projectId: demoProject, service: 'compute', limits: { servers: 1 } })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(identity.bus.ask(resetLimits, { caller: nobody, projectId: demoProject, service: 'compute' })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(identity.bus.ask(setDefaultLimits, { caller: nobody, service: 'compute', limits: { servers: 1 } })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(identity.bus.ask(setLimits, { caller: caller(), projectId: 'nobody', service: 'compute', limits: { servers: 1 } })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(identity.bus.ask(setLimits, { caller: caller(), projectId: demoProject, service: 'compute', limits: { bricks: 1 } })).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(identity.bus.ask(setLimits, { caller: caller(), projectId: demoProject, service: 'volume', limits: { volumes: 1 } })).rejects.toMatchObject({ kind: 'bad-request' });
  });

  it('a region\'s own limit comes before the one of all regions, and what nobody registers any more is as it was built', async () => {
    const id = await register({ resource_name: 'servers', region_id: 'RegionOne', default_limit: 2 });
    expect((await limitsOf(demoProject)).limits['servers']).toBe(2);
    await call('DELETE', `/registered_limits/${id}`);
    const { id: held } = await registered('image_count_uploading', image);
    await identity.database.admin.query('DELETE FROM identity.limits WHERE registered_limit_id = $1', [held]);
    await call('PATCH', `/registered_limits/${held}`, { registered_limit: { default_limit: 99 } });
    expect((await limitsOf(demoProject, 'image')).limits['image_count_uploading']).toBe(99);
    expect((await call('DELETE', `/registered_limits/${held}`)).status).toBe(204);
    expect((await limitsOf(demoProject, 'image')).limits['image_count_uploading']).toBe(8);
    await identity.bus.ask(setLimits, { caller: caller(), projectId: demoProject, service: 'image', limits: { image_count_uploading: 2 } });
    expect([(await registered('image_count_uploading', image)).default_limit, (await limitsOf(demoProject, 'image')).limits['image_count_uploading']]).toEqual([8, 2]);
  });

  it('every change is in the audit trail, with what it was before', async () => {
    const { rows } = await identity.database.admin.query<{ action: string; n: number }>(
      "SELECT action, count(*)::int AS n FROM audit.records WHERE action ~ 'limits:' AND outcome = 'success' GROUP BY action ORDER BY action");
    expect(rows.map(({ action }) => action)).toEqual(['limits:create', 'limits:delete', 'limits:update', 'registered-limits:create', 'registered-limits:delete', 'registered-limits:update']);
    const { rows: [change] } = await identity.database.admin.query("SELECT detail, user_name FROM audit.records WHERE action = 'limits:update' AND target_kind = 'limit' LIMIT 1");
    expect(change).toMatchObject({ user_name: 'admin', detail: { projectId: demoProject, resource: 'servers', before: 4, after: 0 } });
  });
});

it('limits of services that count nothing yet are kept, shown and told as they were set, and nobody invents what is used', async () => {
  const make = async (type: string): Promise<string> => (await call('POST', '/services', { service: { type, name: `${type}-test` } })).body.service.id as string;
  const wanted = { network: ['network', 'port', 'floatingip', 'security_group'], 'block-storage': ['volumes', 'gigabytes', 'snapshots'] };
  for (const [type, names] of Object.entries(wanted)) {
    const service = await make(type);
    const registeredNow = await call('POST', '/registered_limits', { registered_limits: names.map((resource_name) => ({ service_id: service, resource_name, default_limit: 7 })) });
    expect(registeredNow.status).toBe(201);
    const first = names[0] as string;
    expect((await call('POST', '/limits', { limits: [{ project_id: demoProject, service_id: service, resource_name: first, resource_limit: 3 }] })).status).toBe(201);
    expect((await limitsOf(demoProject, type)).limits).toEqual({ ...Object.fromEntries(names.map((name) => [name, 7])), [first]: 3 });
    const shown = (await call('GET', `/limits?service_id=${service}`, undefined, demo)).body.limits;
    expect(shown).toMatchObject([{ resource_name: first, resource_limit: 3 }]);
    expect(JSON.stringify(shown)).not.toMatch(/usage|in_use/);
  }
  await register({ resource_name: 'class:CUSTOM_GPU', default_limit: 2 });
  expect((await limitsOf(demoProject)).limits['class:CUSTOM_GPU']).toBe(2);
});
