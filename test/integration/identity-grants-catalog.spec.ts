import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN, byName, DEMO, IdentityUnderTest, project, tokenOf, type Answer } from '../support/identity.js';

let identity: IdentityUnderTest;
let admin: string;
let demo: string;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  [admin, demo] = [await identity.adminToken(), await identity.demoToken()];
});
afterAll(async () => { await identity.stop(); });

type Method = Parameters<IdentityUnderTest['call']>[0];
const as = (token: string) => (method: Method, path: string, body?: unknown): Promise<Answer> => identity.call(method, `/v3${path}`, { token, ...(body !== undefined && { body }) });
const call = (method: Method, path: string, body?: unknown): Promise<Answer> => as(admin)(method, path, body);
const status = async (answer: Promise<Answer>): Promise<number> => (await answer).status;
interface Entry { id: string; type: string; endpoints: { url: string }[] }

describe('the catalog', () => {
  it('is made of regions, services and endpoints that an admin edits, and follows within two seconds', async () => {
    expect(await status(call('POST', '/regions', { region: { id: 'north', description: 'cold', parent_region_id: 'RegionOne' } }))).toBe(201);
    const { body: { service } } = await call('POST', '/services', { service: { type: 'object-store', name: 'swift', description: 'objects', owner: 'storage' } });
    expect(service).toEqual({ id: expect.stringMatching(/^[0-9a-f]{32}$/), type: 'object-store', name: 'swift', description: 'objects', enabled: true, owner: 'storage', links: { self: `http://cloud.test:8780/identity/v3/services/${service.id}` } });
    const made = await call('POST', '/endpoints', { endpoint: { service_id: service.id, region_id: 'north', interface: 'public', url: 'http://swift:8080/v1/AUTH_$(project_id)s' } });
    const { endpoint } = made.body;
    expect([made.status, endpoint]).toEqual([201, {
      id: expect.stringMatching(/^[0-9a-f]{32}$/), interface: 'public', region_id: 'north', region: 'north', service_id: service.id, url: 'http://swift:8080/v1/AUTH_$(project_id)s', enabled: true,
      links: { self: `http://cloud.test:8780/identity/v3/endpoints/${endpoint.id}` },
    }]);
    const shown = async (): Promise<Entry | undefined> => (await identity.login(byName('demo', DEMO), project('demo'))).body.token.catalog.find((it: Entry) => it.id === service.id);
    // Whoever has just asked is answered as of then for a moment.
    const until = async (right: (entry: Entry | undefined) => boolean): Promise<Entry | undefined> => {
      const deadline = performance.now() + 30_000;
      for (;;) {
        const entry = await shown();
        if (right(entry) || performance.now() > deadline) return entry;
        await sleep(100);
      }
    };
    const own = (await as(demo)('GET', '/auth/projects')).body.projects[0].id;
    expect((await until((it) => it?.endpoints.length === 1))?.endpoints.map(({ url }) => url)).toEqual([`http://swift:8080/v1/AUTH_${own}`]);
    expect((await as(demo)('GET', '/auth/catalog')).body.catalog.find((it: Entry) => it.id === service.id).endpoints[0].url).toContain(own);

    expect((await call('PATCH', `/endpoints/${endpoint.id}`, { endpoint: { enabled: false } })).body.endpoint.enabled).toBe(false);
    expect((await until((it) => it?.endpoints.length === 0))?.endpoints).toEqual([]);
    expect((await call('PATCH', `/services/${service.id}`, { service: { enabled: false } })).body.service).toEqual({ ...service, enabled: false });
    expect(await until((it) => it === undefined)).toBeUndefined();

    expect(await status(call('DELETE', '/regions/RegionOne'))).toBe(409);
    expect(await status(call('DELETE', `/services/${service.id}`))).toBe(204);
    expect(await status(call('GET', `/endpoints/${endpoint.id}`))).toBe(404);
    expect(await status(call('DELETE', '/regions/north'))).toBe(204);
    const { rows } = await identity.database.admin.query("SELECT action FROM audit.records WHERE action ~ '^(regions|services|endpoints):' ORDER BY id");
    expect(rows.map((row) => row.action)).toEqual(['regions:create', 'services:create', 'endpoints:create', 'endpoints:update', 'services:update', 'services:delete', 'regions:delete']);
  });

  it('has regions below regions, in no circle', async () => {
    for (const [id, parent] of [['a', undefined], ['b', 'a'], ['c', 'b']]) expect(await status(call('PUT', `/regions/${id}`, { region: { ...(parent !== undefined && { parent_region_id: parent }) } }))).toBe(201);
    expect(await status(call('PUT', '/regions/a', { region: {} }))).toBe(409);
    expect(await status(call('PUT', '/regions/d', { region: { id: 'e' } }))).toBe(400);
    expect(await status(call('PATCH', '/regions/a', { region: { parent_region_id: 'c' } }))).toBe(400);
    expect(await status(call('PATCH', '/regions/a', { region: { parent_region_id: 'nowhere' } }))).toBe(404);
    expect((await call('PATCH', '/regions/c', { region: { description: 'far', parent_region_id: 'a' } })).body.region).toMatchObject({ id: 'c', description: 'far', parent_region_id: 'a' });
    expect((await call('GET', '/regions?parent_region_id=a')).body.regions.map((it: { id: string }) => it.id)).toEqual(['b', 'c']);
    expect(await status(call('DELETE', '/regions/a'))).toBe(204);
    expect(await status(call('GET', '/regions/b'))).toBe(404);
    expect((await call('POST', '/regions', { region: {} })).body.region.id).toMatch(/^[0-9a-f]{32}$/);
  });

  it('makes the region that an old client names', async () => {
    const { id } = (await call('GET', '/services?type=image')).body.services[0];
    const { status: made, body } = await call('POST', '/endpoints', { endpoint: { service_id: id, region: 'south', interface: 'internal', url: '$(public_url)s/image' } });
    expect([made, body.endpoint.region_id, body.endpoint.url]).toEqual([201, 'south', 'http://cloud.test:8780/image']);
    expect(await status(as(demo)('GET', '/regions/south'))).toBe(200);
    expect(await status(call('DELETE', '/regions/south'))).toBe(409);
    expect(await status(call('DELETE', `/endpoints/${body.endpoint.id}`))).toBe(204);
  });

  it('refuses what cannot be', async () => {
    const [{ id }] = (await call('GET', '/services?type=image')).body.services;
    const endpoint = { service_id: id, interface: 'public', url: 'http://x' };
    for (const wrong of [{ interface: 'secret' }, { url: 'nonsense' }, { url: 'http://x/$(password)s' }, { url: 'http://x/$(public_url)s' }, { service_id: 'none' }, { region_id: 'none' }, { url: `http://${'x'.repeat(300)}` }, { enabled: 'maybe' }]) {
      expect([wrong, await status(call('POST', '/endpoints', { endpoint: { ...endpoint, ...wrong } }))]).toEqual([wrong, 400]);
    }
    for (const wrong of [{}, { type: '' }, { type: 'x', name: 'x'.repeat(256) }, { type: 'x', enabled: 7 }]) expect([wrong, await status(call('POST', '/services', { service: wrong }))]).toEqual([wrong, 400]);
    expect(await status(call('POST', '/regions', { region: { id: 'a/b' } }))).toBe(400);
    for (const path of ['/services', '/endpoints', '/regions']) expect(await status(as(demo)('POST', path, {}))).toBe(403);
    // Registered limits are of a service: it cannot go from under them.
    const [compute] = (await call('GET', '/services?type=compute')).body.services;
    expect(await status(call('DELETE', `/services/${compute.id}`))).toBe(409);
  });

  it('stays deleted when seeding runs again', async () => {
    const [{ id }] = (await call('GET', '/services?type=placement')).body.services;
    expect(await status(call('DELETE', `/services/${id}`))).toBe(204);
    const { seedIdentity } = await import('../../apps/identity/src/identity.module.js');
    await seedIdentity(identity.database.db, { adminPassword: ADMIN, demoPassword: DEMO });
    expect((await call('GET', '/services?type=placement')).body.services).toEqual([]);
  });
});

describe('credentials', () => {
  const userIdOf = async (token: string): Promise<string> => (await identity.call('GET', '/v3/auth/tokens', { token, subject: token })).body.token.user.id;

  it('are kept for their user, sealed, and shown to them and to admins alone', async () => {
    const [me, them] = [await userIdOf(demo), await userIdOf(admin)];
    const made = await as(demo)('POST', '/credentials', { credential: { type: 'totp', blob: 'JBSWY3DPEHPK3PXP', user_id: me } });
    const { credential } = made.body;
    expect([made.status, credential]).toEqual([201, {
      id: expect.stringMatching(/^[0-9a-f]{32}$/), user_id: me, project_id: null, type: 'totp', blob: 'JBSWY3DPEHPK3PXP', links: { self: `http://cloud.test:8780/identity/v3/credentials/${credential.id}` },
    }]);
    const { rows: [row] } = await identity.database.admin.query('SELECT sealed_blob, key_hash FROM identity.credentials WHERE id = $1', [credential.id]);
    expect(row.sealed_blob.includes('JBSWY3')).toBe(false);
    expect((await as(demo)('GET', '/credentials')).body.credentials).toEqual([credential]);
    expect((await call('GET', `/credentials?user_id=${me}&type=totp`)).body.credentials).toEqual([credential]);
    expect((await call('GET', '/credentials?type=cert')).body.credentials).toEqual([]);

    expect(await status(as(demo)('POST', '/credentials', { credential: { type: 'cert', blob: 'x', user_id: them } }))).toBe(403);
    const other = (await call('POST', '/credentials', { credential: { type: 'cert', blob: '-----BEGIN', user_id: them } })).body.credential;
    for (const method of ['GET', 'DELETE'] as const) expect(await status(as(demo)(method, `/credentials/${other.id}`))).toBe(403);
    expect(await status(as(demo)('GET', '/credentials/none'))).toBe(403);
    expect(await status(call('GET', '/credentials/none'))).toBe(404);
    expect((await as(demo)('GET', '/credentials')).body.credentials).toHaveLength(1);
    expect(await status(as(demo)('PATCH', `/credentials/${credential.id}`, { credential: { user_id: them } }))).toBe(403);

    const changed = await as(demo)('PATCH', `/credentials/${credential.id}`, { credential: { blob: 'NEWSEED', note: 'phone' } });
    expect([changed.status, changed.body.credential.blob, changed.body.credential.note]).toEqual([200, 'NEWSEED', 'phone']);
    expect(await status(as(demo)('DELETE', `/credentials/${credential.id}`))).toBe(204);
    expect(await status(call('GET', `/credentials/${credential.id}`))).toBe(404);
    const { rows: trail } = await identity.database.admin.query("SELECT action, detail::text FROM audit.records WHERE action LIKE 'credentials:%' AND target_id = $1 ORDER BY id", [credential.id]);
    expect(trail.map(({ action }) => action)).toEqual(['credentials:create', 'credentials:update', 'credentials:delete']);
    expect(JSON.stringify(trail) + identity.log.join('')).not.toMatch(/JBSWY3|NEWSEED/);
  });

  it('of ec2 are known by their access key', async () => {
    const me = await userIdOf(demo);
    const ec2 = (more: object, access = 'key1') => ({ credential: { type: 'ec2', user_id: me, project_id: 'p', blob: JSON.stringify({ access, secret: 's' }), ...more } });
    const { status: made, body } = await as(demo)('POST', '/credentials', ec2({}));
    expect([made, body.credential.id]).toEqual([201, createHash('sha256').update('key1').digest('hex')]);
    expect(await status(as(demo)('POST', '/credentials', ec2({})))).toBe(409);
    for (const wrong of [{ project_id: undefined }, { blob: 'no json' }, { blob: '{}' }, { blob: '[1]' }, { blob: 'x'.repeat(40_000) }, { type: undefined }, { user_id: 7 }]) {
      expect([wrong, await status(as(demo)('POST', '/credentials', ec2(wrong, 'key2')))]).toEqual([wrong, 400]);
    }
    expect(await status(as(demo)('PATCH', `/credentials/${body.credential.id}`, { credential: { blob: JSON.stringify({ access: 'other', secret: 's' }) } }))).toBe(400);
    expect(await status(as(demo)('PATCH', `/credentials/${body.credential.id}`, { credential: { blob: JSON.stringify({ access: 'key1', secret: 'new' }) } }))).toBe(200);
    expect(await status(as(tokenOf(await identity.login(byName('demo', DEMO), 'unscoped')))('DELETE', `/credentials/${body.credential.id}`))).toBe(204);
  });

  it('of ec2 are made under the user as well', async () => {
    const me = await userIdOf(demo);
    const { body: { projects: [own] } } = await as(demo)('GET', '/auth/projects');
    const path = `/users/${me}/credentials/OS-EC2`;
    const { status: made, body: { credential } } = await as(demo)('POST', path, { tenant_id: own.id });
    expect([made, credential]).toEqual([201, {
      user_id: me, tenant_id: own.id, access: expect.stringMatching(/^[0-9a-f]{32}$/), secret: expect.stringMatching(/^[0-9a-f]{32}$/), trust_id: null,
      links: { self: `http://cloud.test:8780/identity/v3${path}/${credential.access}` },
    }]);
    expect((await as(demo)('GET', path)).body.credentials).toEqual([credential]);
    expect((await call('GET', `${path}/${credential.access}`)).body.credential).toEqual(credential);
    expect((await as(demo)('GET', `/credentials?type=ec2`)).body.credentials[0].id).toBe(createHash('sha256').update(credential.access).digest('hex'));
    const them = await userIdOf(admin);
    expect(await status(as(demo)('POST', `/users/${them}/credentials/OS-EC2`, { tenant_id: own.id }))).toBe(403);
    expect(await status(as(demo)('GET', `/users/${them}/credentials/OS-EC2`))).toBe(403);
    expect(await status(call('GET', `/users/${them}/credentials/OS-EC2/${credential.access}`))).toBe(404);
    expect(await status(as(demo)('POST', path, { tenant_id: 'none' }))).toBe(404);
    expect(await status(as(demo)('DELETE', `${path}/${credential.access}`))).toBe(204);
    expect(await status(call('DELETE', `${path}/${credential.access}`))).toBe(404);
  });

  it('say so when their key is gone, and show nothing', async () => {
    const me = await userIdOf(demo);
    const { credential } = (await as(demo)('POST', '/credentials', { credential: { type: 'cert', blob: 'x', user_id: me } })).body;
    await identity.database.admin.query("UPDATE identity.credentials SET key_hash = 'another' WHERE id = $1", [credential.id]);
    const answer = await as(demo)('GET', `/credentials/${credential.id}`);
    expect([answer.status, answer.body.error.message]).toEqual([503, expect.stringContaining('does not have the key')]);
    expect(await status(as(demo)('DELETE', `/credentials/${credential.id}`))).toBe(204);
  });
});
