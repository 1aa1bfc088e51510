import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createFlavor, createKeypair, deleteKeypair, getKeypair, getUsage, listFlavors, listHosts, listKeypairs, listServers, updateHost } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { host, HOST_ID, instance, PROJECT, USER } from '../testing/samples.js';
import { ScriptedCloud } from '../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const V = '/compute/v2.1';
const message = (body: object): string | undefined => Object.values<{ message: string }>(body as never)[0]?.message;

describe('flavors', () => {
  const asked = async (query: string, as: 'member' | 'admin') => {
    const { status, body } = await cloud.call('GET', `${V}/flavors/detail?${query}`, { as });
    return [status, status === 200 ? cloud.questions(listFlavors)[0] : message(body)];
  };
  it.each<[string, 'member' | 'admin', object]>([
    ['', 'member', { isPublic: true, limit: 1000 }], ['is_public=None', 'member', { isPublic: true }], ['is_public=None', 'admin', { isPublic: null }], ['is_public=False', 'admin', { isPublic: false }],
    ['', 'admin', { isPublic: true }], ['sort_key=memory_mb&sort_dir=desc', 'member', { sortKey: 'memory_mb', sortDirection: 'desc' }], ['minRam=64&minDisk=2', 'member', { minRamMib: 64, minDiskGib: 2 }], ['limit=1&marker=1&odd=2', 'member', { limit: 1, marker: '1' }], ['sort_key=flavorid&sort_dir=asc', 'member', {}],
  ])('?%s as %s', async (query, as, input) => expect(await asked(query, as)).toEqual([200, expect.objectContaining(input)]));
  it.each([
    ['minRam=x', 'Invalid minRam filter [x]'], ['minDisk=1.5', 'Invalid minDisk filter [1.5]'], ['is_public=perhaps', 'Invalid is_public filter [perhaps]'], ['limit=-1', "'-1' does not match '^[0-9]*$'"],
    ['sort_key=nope', "'nope' is not one of"],
  ])('?%s: 400', async (query, text) => expect(await asked(query, 'admin')).toEqual([400, expect.stringContaining(text)]));

  it('by a name: 404, as clients try it first', async () => {
    expect((await cloud.call('GET', `${V}/flavors/trf`)).body).toEqual({ itemNotFound: { code: 404, message: 'Flavor trf could not be found.' } });
    expect((await cloud.call('GET', `${V}/flavors/${'x'.repeat(300)}`)).status).toBe(404);
  });
  it('extra specs, all and one', async () => {
    expect((await cloud.call('GET', `${V}/flavors/1/os-extra_specs`)).body).toEqual({ extra_specs: { 'hw:cpu_policy': 'dedicated' } });
    expect((await cloud.call('GET', `${V}/flavors/1/os-extra_specs/hw:cpu_policy`)).body).toEqual({ 'hw:cpu_policy': 'dedicated' });
    expect((await cloud.call('GET', `${V}/flavors/1/os-extra_specs/x`)).body.itemNotFound.message).toBe('Flavor 1 has no extra specs with key x.');
  });
  it('are made by admins, with an id of their own or a new one', async () => {
    const flavor = { name: 'f', ram: '64', vcpus: 1, disk: 0, 'OS-FLV-EXT-DATA:ephemeral': 0, swap: 0, rxtx_factor: 1.0, 'os-flavor-access:is_public': true };
    expect((await cloud.call('POST', `${V}/flavors`, { body: { flavor } })).status).toBe(403);
    for (const id of [null, undefined, 'mine', 7]) await cloud.call('POST', `${V}/flavors`, { as: 'admin', version: '2.55', body: { flavor: { ...flavor, id, description: 'd' } } });
    const made = cloud.questions(createFlavor).map((input) => input.flavor);
    expect(made.map(({ id }) => id)).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), expect.stringMatching(/^[0-9a-f-]{36}$/), 'mine', '7']);
    expect(made[0]).toMatchObject({ ramMib: 64, vcpus: 1, diskGib: 0, isPublic: true, description: 'd' });
  });
  it.each<[object, string]>([
    [{ ram: 0 }, '0 is less than the minimum of 1'], [{ ram: 'x' }, "'x' does not match '^[0-9]*$'"], [{ vcpus: -1 }, '-1 is less than the minimum of 1'], [{ disk: 2 ** 40 }, 'is greater than the maximum of 2147483647'],
    [{ id: ' x' }, 'does not match'], [{ description: 'd' }, "('description' was unexpected)"], [{ name: undefined }, "'name' is a required property"], [{ rxtx_factor: 0 }, 'is less than or equal to the minimum of 0'],
    [{ rxtx_factor: 1e308 }, 'is greater than the maximum of 3.4e+38'], [{ rxtx_factor: 1e-50 }, 'is less than the minimum of 1e-37'],
  ])('%j: 400', async (change, text) => {
    const { status, body } = await cloud.call('POST', `${V}/flavors`, { as: 'admin', body: { flavor: { name: 'f', ram: 1, vcpus: 1, disk: 1, ...change } } });
    expect([status, message(body)]).toEqual([400, expect.stringContaining(text)]);
  });
  it('that exist: 409', async () => {
    cloud.answer(createFlavor, () => { throw conflict('Flavor with name f already exists.'); });
    expect(await cloud.call('POST', `${V}/flavors`, { as: 'admin', body: { flavor: { name: 'f', ram: 1, vcpus: 1, disk: 1 } } })).toMatchObject({ status: 409, body: { conflictingRequest: { code: 409 } } });
  });
});

describe('keypairs', () => {
  it('are made or imported', async () => {
    const made = await cloud.call('POST', `${V}/os-keypairs`, { version: '2.10', body: { keypair: { name: 'k', type: 'ssh' } } });
    expect([made.status, made.body.keypair.private_key]).toEqual([201, 'SECRET']);
    const imported = await cloud.call('POST', `${V}/os-keypairs`, { body: { keypair: { name: 'k', public_key: 'ssh-ed25519 AAAA' } } });
    expect([imported.status, imported.body.keypair.private_key]).toEqual([200, undefined]);
    expect(cloud.questions(createKeypair).map(({ publicKey, type }) => [publicKey, type])).toEqual([[null, 'ssh'], ['ssh-ed25519 AAAA', 'ssh']]);
  });
  it.each<[string, object, string]>([
    ['2.1', { name: 'k', type: 'ssh' }, "('type' was unexpected)"], ['2.2', { name: 'k', user_id: 'u' }, "('user_id' was unexpected)"], ['2.2', { name: 'k', type: 'rsa' }, "'rsa' is not one of ['ssh', 'x509']"],
    ['2.1', { name: 'k@h' }, "'k@h' does not match '^[_\\\\- a-zA-Z0-9]+$'"], ['2.1', { name: '' }, 'is too short'], ['2.1', {}, "'name' is a required property"], ['2.1', { name: 'k', public_key: null }, "None is not of type 'string'"],
  ])('at %s %j: 400', async (version, keypair, text) => {
    const { status, body } = await cloud.call('POST', `${V}/os-keypairs`, { version, body: { keypair } });
    expect([status, message(body)]).toEqual([400, expect.stringContaining(text)]);
  });
  it('of another user: admins, from 2.10', async () => {
    expect((await cloud.call('GET', `${V}/os-keypairs/k?user_id=other`, { version: '2.10' })).status).toBe(403);
    for (const version of ['2.9', '2.10']) await cloud.call('GET', `${V}/os-keypairs/k?user_id=other`, { as: 'admin', version });
    expect(cloud.questions(getKeypair).map(({ userId }) => userId)).toEqual([USER, 'other']);
    await cloud.call('DELETE', `${V}/os-keypairs/k?user_id=other`, { as: 'admin', version: '2.10' });
    expect(cloud.questions(deleteKeypair)[0]?.userId).toBe('other');
    expect((await cloud.call('POST', `${V}/os-keypairs`, { as: 'admin', version: '2.10', body: { keypair: { name: 'k', user_id: 'other' } } })).status).toBe(201);
    expect(cloud.questions(createKeypair)[0]?.userId).toBe('other');
    expect((await cloud.call('POST', `${V}/os-keypairs`, { version: '2.10', body: { keypair: { name: 'k', user_id: 'other' } } })).status).toBe(403);
    expect((await cloud.call('POST', `${V}/os-keypairs`, { version: '2.10', body: { keypair: { name: 'k', user_id: USER } } })).status).toBe(201);
  });
  it('are paged from 2.35', async () => {
    for (const version of ['2.34', '2.35']) await cloud.call('GET', `${V}/os-keypairs?limit=1&marker=k`, { version });
    expect(cloud.questions(listKeypairs).map(({ limit, marker }) => [limit, marker])).toEqual([[1000, undefined], [1, 'k']]);
  });
  it('404 with a name in the path that needs quoting', async () => expect((await cloud.call('GET', `${V}/os-keypairs/a%20b`)).body.itemNotFound.message).toContain('Keypair a b not found'));
});

describe('hypervisors', () => {
  const two = [host(), host({ id: '1d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as never, number: 2, name: 'beta' }), host({ id: '2d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as never, number: 3, name: 'new', inventory: null })];
  const get = (path: string, version = '2.1') => cloud.call('GET', `${V}/os-hypervisors${path}`, { as: 'admin', version });
  const names = (body: { hypervisors: { hypervisor_hostname: string }[] }) => body.hypervisors.map((each) => each.hypervisor_hostname);

  it('are hosts that told what they have, paged from 2.33', async () => {
    cloud.answer(listHosts, () => ({ hosts: [...two].reverse() }));
    expect(names((await get('?limit=1')).body)).toEqual(['alpha', 'beta']);
    const first = await get('?limit=1', '2.33');
    expect([names(first.body), first.body.hypervisors_links[0].href]).toEqual([['alpha'], 'http://localhost:80/compute/v2.1/os-hypervisors?limit=1&marker=1']);
    const second = await get(`/detail?limit=1&marker=${HOST_ID}`, '2.53');
    expect([names(second.body), second.body.hypervisors_links[0].href]).toEqual([['beta'], `http://localhost:80/compute/v2.1/os-hypervisors/detail?limit=1&marker=${two[1]?.id}`]);
    expect((await get('?marker=99', '2.33')).body.badRequest.message).toBe('marker [99] not found');
  });
  it('are found by pattern', async () => {
    cloud.answer(listHosts, () => ({ hosts: two }));
    expect(names((await get('?hypervisor_hostname_pattern=et', '2.53')).body)).toEqual(['beta']);
    expect(names((await get('?hypervisor_hostname_pattern=et', '2.52')).body)).toEqual(['alpha', 'beta']);
    expect((await get('?hypervisor_hostname_pattern=zz', '2.53')).body.itemNotFound.message).toBe("No hypervisor matching 'zz' could be found.");
    expect((await get('?hypervisor_hostname_pattern=et&limit=1', '2.53')).status).toBe(400);
    expect(names((await get('/et/search')).body)).toEqual(['beta']);
    expect((await get('/et/search', '2.53')).status).toBe(404);
  });
  it('show their servers, page by page', async () => {
    cloud.answer(listServers, ({ marker }) => (marker === undefined ? { instances: [instance()], more: true } : { instances: [instance({ id: '7a1b5f10-5b1e-4a0e-8f0e-2c7f6a9d1e01' as never, name: 's2' })], more: false }));
    expect((await get(`/${HOST_ID}?with_servers=true`, '2.53')).body.hypervisor.servers.map(({ name }: { name: string }) => name)).toEqual(['s1', 's2']);
    expect(cloud.questions(listServers).map(({ filters, projectId }) => [filters, projectId])).toEqual([[{ hostName: 'alpha' }, null], [{ hostName: 'alpha' }, null]]);
    expect((await get('?with_servers=odd', '2.53')).status).toBe(400);
  });
  it('404 and 400 for ids, 501 for uptime', async () => {
    expect((await get('/99')).body.itemNotFound.message).toBe("Hypervisor with ID '99' could not be found.");
    expect((await get('/alpha')).status).toBe(404);
    expect((await get('/1', '2.53')).body.badRequest.message).toBe('Invalid uuid 1');
    expect((await get(`/${PROJECT}`, '2.53')).status).toBe(400);
    expect(await get('/1/uptime')).toMatchObject({ status: 501, body: { notImplemented: { code: 501, message: 'The requested functionality is not supported.' } } });
  });
});

describe('services', () => {
  const list = async (query: string) => (await cloud.call('GET', `${V}/os-services?${query}`, { as: 'admin' })).body.services.map(({ host: name }: { host: string }) => name);
  const put = (path: string, version: string, body: object) => cloud.call('PUT', `${V}/os-services/${path}`, { as: 'admin', version, body });
  const named = { host: 'alpha', binary: 'nova-compute' };

  it('are filtered; None means no filter', async () => {
    for (const [query, expected] of [['', ['alpha']], ['binary=None&host=None', ['alpha']], ['binary=nova-compute&host=alpha', ['alpha']], ['host=beta', []], ['binary=nova-scheduler', []]] as const) expect([query, await list(query)]).toEqual([query, expected]);
  });
  it('are enabled and disabled, the old way', async () => {
    expect((await put('disable', '2.1', named)).body).toEqual({ service: { ...named, status: 'disabled' } });
    expect((await put('enable', '2.1', named)).body).toEqual({ service: { ...named, status: 'enabled' } });
    expect(cloud.questions(updateHost).map(({ enabled, disabledReason }) => [enabled, disabledReason])).toEqual([[false, null], [true, null]]);
    for (const down of [true, false]) expect((await put('force-down', '2.11', { ...named, forced_down: down })).body).toEqual({ service: { ...named, forced_down: down } });
    await put(HOST_ID, '2.53', { forced_down: true, status: 'disabled', disabled_reason: 'gone' });
    expect(cloud.questions(updateHost).map(({ caller: _, hostId: __, ...change }) => change)).toEqual([{ forcedDown: true, disabledReason: null }, { forcedDown: false, disabledReason: null }, { forcedDown: true, enabled: false, disabledReason: 'gone' }]);
  });
  it.each<[string, string, object, number, string]>([
    ['disable-log-reason', '2.1', named, 400, 'Missing disabled reason field'], ['fly', '2.1', named, 404, 'Unknown action'], ['force-down', '2.10', named, 404, 'Unknown action'],
    ['force-down', '2.11', named, 400, 'Missing forced_down field'],
    ['disable', '2.1', { ...named, binary: 'nova-scheduler' }, 400, 'Only nova-compute services can be updated.'], ['disable', '2.1', { ...named, host: 'beta' }, 404, 'Could not find binary nova-compute on host beta.'],
    ['disable', '2.1', { host: 'alpha' }, 400, "'binary' is a required property"],
    ['1', '2.53', { status: 'enabled' }, 400, 'Invalid uuid 1'], [HOST_ID, '2.53', {}, 400, 'No updates were requested'], [HOST_ID, '2.53', { status: 'on' }, 400, "'on' is not one of ['enabled', 'disabled']"],
    [HOST_ID, '2.53', { status: 'enabled', disabled_reason: 'x' }, 400, "Specifying 'disabled_reason' with status 'enabled' is invalid."], 
    ['3d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77', '2.53', { status: 'enabled' }, 404, 'Service 3d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77 could not be found.'],
  ])('PUT %s at %s %j: %i', async (path, version, body, status, text) => {
    const answer = await put(path, version, body);
    expect([answer.status, message(answer.body)]).toEqual([status, expect.stringContaining(text)]);
    expect(cloud.questions(updateHost)).toEqual([]);
  });
});

describe('limits and quotas', () => {
  it('of one’s project; another’s for admins', async () => {
    expect((await cloud.call('GET', `${V}/limits`)).body.limits.absolute).toMatchObject({ maxTotalInstances: 10, totalCoresUsed: 1 });
    expect((await cloud.call('GET', `${V}/limits?tenant_id=other`)).status).toBe(403);
    expect((await cloud.call('GET', `${V}/limits?tenant_id=other`, { as: 'admin' })).body.badRequest.message).toBe('Project ID other is not a valid project.');
    expect((await cloud.call('GET', `${V}/os-quota-sets/other`)).status).toBe(403);
    expect((await cloud.call('GET', `${V}/os-quota-sets/other`, { as: 'admin' })).status).toBe(400);
    expect((await cloud.call('GET', `${V}/os-quota-sets/${PROJECT}`, { version: '2.57' })).body.quota_set).toEqual({ id: PROJECT, cores: 20, instances: 10, ram: 51_200, key_pairs: 100, metadata_items: 128, server_group_members: 10, server_groups: 10 });
    expect((await cloud.call('GET', `${V}/os-quota-sets/${PROJECT}/defaults`)).body.quota_set).toMatchObject({ id: PROJECT, cores: 20, server_groups: 10, floating_ips: -1 });
    expect((await cloud.call('GET', `${V}/limits`)).body.limits.absolute).toMatchObject({ maxServerGroups: 10, maxServerGroupMembers: 10, totalServerGroupsUsed: 2 });
    expect((await cloud.call('GET', `${V}/os-quota-class-sets/default`, { as: 'admin', version: '2.57' })).body).toEqual({ quota_class_set: { id: 'default', cores: 20, instances: 10, ram: 51_200, key_pairs: 100, metadata_items: 128, server_group_members: 10, server_groups: 10 } });
    expect((await cloud.call('GET', `${V}/os-quota-sets/${PROJECT}/detail`)).body.quota_set.cores).toEqual({ limit: 20, in_use: 1, reserved: 0 });
    expect(cloud.questions(getUsage)[0]?.projectId).toBe(PROJECT);
  });
});

it.each([
  ['DELETE', `os-services/${HOST_ID}`],
])('%s %s is not there, for anybody', async (method, path) => {
  for (const as of ['member', 'admin'] as const) for (const version of ['2.1', '2.53', '2.96']) {
    const answer = await cloud.call(method, `${V}/${path}`, { as, version });
    expect([as, version, answer.status, message(answer.body)]).toEqual([as, version, 404, 'The resource could not be found.']);
  }
});

it('extensions: one that is not there', async () => expect((await cloud.call('GET', `${V}/extensions/os-volumes`)).status).toBe(404));
