/** Every action, metadata, tags: what is asked of the owner, what is answered, and from which microversion on. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  confirmResize, createServers, deleteServerMetadata, deleteServerTag, evacuateServer, forceDeleteServer, getServer, listHosts, listServers, lockServer, migrateServer, pauseServer, rebuildServer, resetServerState,
  resizeServer, resumeServer, revertResize, setServerMetadata, setServerTags, suspendServer, unlockServer, unpauseServer, updateServer, type Contract,
} from '#libs/contracts';
import { notFound } from '#libs/errors';
import { Microversion, type VersionText } from '#libs/openstack';
import { IMAGE_ID, instance, SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';
import { ServerRebuilt } from '../answers.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const ONE = `/compute/v2.1/servers/${SERVER_ID}`;
interface Options { as?: 'reader' | 'member' | 'admin'; version?: string }
const act = (body: unknown, options: Options = {}) => cloud.call('POST', `${ONE}/action`, { body, ...options });
const asked = (contract: Contract) => cloud.questions(contract).map((input) => {
  const { caller: _caller, instanceId, ...rest } = input as Record<string, unknown>;
  expect(instanceId).toBe(SERVER_ID);
  return rest;
});

describe('actions that say how a server is to be', () => {
  it.each<[string, Contract, 'member' | 'admin', number]>([
    ['pause', pauseServer, 'member', 202], ['unpause', unpauseServer, 'member', 202], ['suspend', suspendServer, 'member', 202], ['resume', resumeServer, 'member', 202],
    ['unlock', unlockServer, 'member', 202], ['forceDelete', forceDeleteServer, 'member', 202], ['confirmResize', confirmResize, 'member', 204], ['revertResize', revertResize, 'member', 202],
    ['migrate', migrateServer, 'admin', 202],
  ])('%s', async (name, contract, as, status) => {
    expect(await act({ [name]: null }, { as })).toMatchObject({ status, text: '' });
    expect(asked(contract)).toHaveLength(1);
    for (const less of as === 'admin' ? (['member', 'reader'] as const) : (['reader'] as const)) expect((await act({ [name]: null }, { as: less })).status).toBe(403);
    expect(cloud.asked).toEqual([]);
  });

  it('lock: its reason from 2.73 on; before, what it carries means nothing', async () => {
    for (const [version, lock] of [['2.72', { locked_reason: 'x' }], ['2.1', 'odd'], ['2.73', null], ['2.73', {}], ['2.73', { locked_reason: 'because' }]] as const) expect((await act({ lock }, { version })).status).toBe(202);
    expect(asked(lockServer)).toEqual([{ reason: null }, { reason: null }, { reason: null }, { reason: null }, { reason: 'because' }]);
    for (const lock of [{ locked_reason: '' }, { locked_reason: 'x'.repeat(256) }, { other: 1 }, 'odd']) expect((await act({ lock }, { version: '2.73' })).status).toBe(400);
  });

  it('os-resetState: for admins, to active or error', async () => {
    for (const state of ['active', 'error']) expect((await act({ 'os-resetState': { state } }, { as: 'admin' })).status).toBe(202);
    expect(asked(resetServerState)).toEqual([{ state: 'active' }, { state: 'error' }]);
    expect((await act({ 'os-resetState': { state: 'stopped' } }, { as: 'admin' })).body.badRequest.message).toContain("'stopped' is not one of ['active', 'error']");
    expect((await act({ 'os-resetState': { state: 'active' } })).status).toBe(403);
  });

  it('resize: to a flavor, by id or number', async () => {
    for (const flavorRef of ['2', 2]) expect((await act({ resize: { flavorRef } })).status).toBe(202);
    expect(asked(resizeServer)).toEqual([{ flavorId: '2' }, { flavorId: '2' }]);
    for (const resize of [{}, { flavorRef: '' }, { flavorRef: 'x'.repeat(256) }, { flavorRef: '2', 'OS-DCF:diskConfig': 'AUTO' }, { flavorRef: '2', host: 'x' }, null]) expect((await act({ resize })).status).toBe(400);
  });

  it('migrate: a host from 2.56 on', async () => {
    for (const [version, migrate] of [['2.55', { host: 'beta' }], ['2.56', null], ['2.56', { host: null }], ['2.56', { host: 'beta' }]] as const) expect((await act({ migrate }, { version, as: 'admin' })).status).toBe(202);
    expect(asked(migrateServer)).toEqual([{ host: null }, { host: null }, { host: null }, { host: 'beta' }]);
    expect((await act({ migrate: { other: 1 } }, { version: '2.56', as: 'admin' })).status).toBe(400);
  });

  it('evacuate: as each version has it', async () => {
    const evacuate = (version: string, body: object) => act({ evacuate: body }, { version, as: 'admin' });
    expect(await evacuate('2.13', { onSharedStorage: 'False', adminPass: 'mine' })).toMatchObject({ status: 200, body: { adminPass: 'mine' } });
    expect((await evacuate('2.13', { onSharedStorage: false, host: 'alpha' })).body.adminPass).toMatch(/^[\w-]{12}$/);
    for (const version of ['2.14', '2.29', '2.68', '2.94', '2.95']) expect(await evacuate(version, {})).toMatchObject({ status: 200, text: '' });
    expect(asked(evacuateServer)).toEqual([...Array.from({ length: 6 }, (_, index) => ({ host: index === 1 ? 'alpha' : null, stopped: false })), { host: null, stopped: true }]);
    for (const [version, body, status] of [
      ['2.13', {}, 400], ['2.13', { onSharedStorage: true }, 400], ['2.14', { onSharedStorage: false }, 400], ['2.28', { force: false }, 400], ['2.29', { force: false }, 200],
      ['2.29', { force: true }, 400], ['2.67', { force: true, host: 'alpha' }, 400], ['2.68', { force: false }, 400], ['2.14', { host: 'nope' }, 404],
    ] as const) expect([version, body, (await evacuate(version, body)).status]).toEqual([version, body, status]);
    cloud.answer(listHosts, () => { throw notFound('no such host'); });
    expect((await evacuate('2.14', { host: 'nope' })).body.itemNotFound.message).toBe('Compute host nope not found.');
    expect((await act({ evacuate: {} }, { version: '2.14' })).status).toBe(403);
  });

  it('know nothing of what is no server', async () => {
    for (const body of [{ pause: null }, { lock: null }, { migrate: null }, { evacuate: { onSharedStorage: false } }, { rebuild: { imageRef: IMAGE_ID } }, { resize: { flavorRef: '1' } }]) {
      expect((await cloud.call('POST', '/compute/v2.1/servers/nope/action', { body, as: 'admin' })).body).toEqual({ itemNotFound: { code: 404, message: 'Instance nope could not be found.' } });
    }
  });
});

describe('rebuild', () => {
  const rebuild = (body: object, options: Options = {}) => act({ rebuild: { imageRef: IMAGE_ID, ...body } }, options);

  it.each<VersionText>(['2.1', '2.18', '2.19', '2.53', '2.54', '2.56', '2.57', '2.62', '2.63', '2.71', '2.73', '2.74', '2.75', '2.89', '2.90', '2.94', '2.96'])('answers as %s has it, with a password and a Location', async (version) => {
    for (const as of ['member', 'admin'] as const) {
      const { status, body, headers } = await rebuild({ adminPass: 'mine' }, { version, as });
      expect([status, body.server.status, body.server.adminPass, headers['location']]).toEqual([202, 'REBUILD', 'mine', `http://localhost:80${ONE}`]);
      const { error } = ServerRebuilt(Microversion.of(version)).safeParse(body);
      expect(error?.issues).toBeUndefined();
      expect(body.server).not.toHaveProperty('OS-EXT-SRV-ATTR:user_data');
    }
  });

  it('leaves alone what is not named, and takes away what is null', async () => {
    await rebuild({});
    await rebuild({ name: 'n', metadata: { a: 'b' }, 'OS-DCF:diskConfig': 'MANUAL', preserve_ephemeral: false });
    await rebuild({ description: null, key_name: null, user_data: null, trusted_image_certificates: null, hostname: 'h-1.example.org' }, { version: '2.94' });
    await rebuild({ description: 'd', key_name: 'k', user_data: 'aGk=' }, { version: '2.57' });
    expect(asked(rebuildServer).map(({ imageId: _imageId, ...rest }) => rest)).toEqual([
      {}, { name: 'n', metadata: { a: 'b' } }, { description: null, keyName: null, userData: null, hostname: 'h-1.example.org' }, { description: 'd', keyName: 'k', userData: 'aGk=' },
    ]);
  });

  it.each<[string, object, string, number]>([
    ['description', { description: 'd' }, '2.18', 400], ['description', { description: 'd' }, '2.19', 202], ['key_name', { key_name: 'k' }, '2.53', 400], ['key_name', { key_name: 'k' }, '2.54', 202],
    ['user_data', { user_data: 'aGk=' }, '2.56', 400], ['user_data', { user_data: 'aGk=' }, '2.57', 202], ['personality', { personality: [] }, '2.56', 202], ['personality', { personality: [] }, '2.57', 400],
    ['personality that is used', { personality: [{ path: '/a', contents: 'aGk=' }] }, '2.1', 400],
    ['certificates', { trusted_image_certificates: null }, '2.62', 400], ['certificates', { trusted_image_certificates: null }, '2.63', 202], ['certificates that are given', { trusted_image_certificates: ['a'] }, '2.63', 400],
    ['hostname', { hostname: 'h1' }, '2.89', 400], ['hostname', { hostname: 'h1' }, '2.90', 202], ['a domain name', { hostname: 'h.example' }, '2.93', 400], ['a domain name', { hostname: 'h.example' }, '2.94', 202],
    ['preserve_ephemeral', { preserve_ephemeral: true }, '2.1', 400], ['AUTO', { 'OS-DCF:diskConfig': 'AUTO' }, '2.1', 400], ['an access address', { accessIPv4: '1.2.3.4' }, '2.1', 400],
  ])('%s %#: as its version has it', async (_name, body, version, status) => expect((await rebuild(body, { version })).status).toBe(status));

  it('an image that is not there is a wrong request; a server that is not there is not', async () => {
    expect((await act({ rebuild: {} })).body.badRequest.message).toContain("'imageRef' is a required property");
    cloud.answer(rebuildServer, () => { throw notFound('Cannot find image for rebuild'); });
    expect((await rebuild({})).body.badRequest.message).toBe('Cannot find image for rebuild');
    cloud.answer(rebuildServer, () => { throw notFound(`Instance ${SERVER_ID} could not be found.`); });
    expect((await rebuild({})).status).toBe(404);
    expect((await rebuild({}, { as: 'reader' })).status).toBe(403);
  });
});

describe('metadata', () => {
  const META = `${ONE}/metadata`;
  it('is added to, replaced, set one by one, and taken away', async () => {
    expect(await cloud.call('POST', META, { body: { metadata: { a: 'b' } } })).toMatchObject({ status: 200, body: { metadata: { k: 'v', a: 'b' } } });
    expect(await cloud.call('PUT', META, { body: { metadata: {} } })).toMatchObject({ status: 200, body: { metadata: {} } });
    expect(await cloud.call('PUT', `${META}/a`, { body: { meta: { a: 'c' } } })).toMatchObject({ status: 200, body: { meta: { a: 'c' } } });
    expect(asked(setServerMetadata)).toEqual([{ metadata: { a: 'b' }, replace: false }, { metadata: {}, replace: true }, { metadata: { a: 'c' }, replace: false }]);
    expect(await cloud.call('DELETE', `${META}/k%20k`)).toMatchObject({ status: 204, text: '' });
    expect(asked(deleteServerMetadata)).toEqual([{ key: 'k k' }]);
  });

  it.each<[string, string, unknown, string]>([
    ['POST', '', {}, "'metadata' is a required property"], ['POST', '', { metadata: { a: 1 } }, "1 is not of type 'string'"], ['PUT', '', { metadata: { 'a/b': 'c' } }, "('a/b' was unexpected)"],
    ['PUT', '/a', { meta: { b: 'c' } }, 'Request body and URI mismatch'], ['PUT', '/a', { meta: {} }, 'does not have enough properties'], ['PUT', '/a', { meta: { a: 'b', c: 'd' } }, 'too many properties'],
    ['PUT', '/a', { meta: { a: 'x'.repeat(256) } }, 'is too long'], ['POST', '', undefined, 'Malformed request body'],
  ])('%s %s %j: 400', async (method, path, body, message) => {
    const answer = await cloud.call(method, `${META}${path}`, { body });
    expect([answer.status, answer.body.badRequest?.message]).toEqual([400, expect.stringContaining(message)]);
  });

  it('is changed by members', async () => {
    for (const [method, path, body] of [['POST', '', { metadata: {} }], ['PUT', '', { metadata: {} }], ['PUT', '/a', { meta: { a: 'b' } }], ['DELETE', '/a', undefined]] as const) {
      expect((await cloud.call(method, `${META}${path}`, { body, as: 'reader' })).status).toBe(403);
    }
  });
});

describe('tags', () => {
  const TAGS = `${ONE}/tags`;
  const tags = (method: string, path = '', options: object = {}) => cloud.call(method, `${TAGS}${path}`, { version: '2.26', ...options });

  it('are listed, asked for, replaced, added and taken away', async () => {
    expect(await tags('GET')).toMatchObject({ status: 200, body: { tags: ['t'] } });
    expect(await tags('GET', '/t')).toMatchObject({ status: 204, text: '' });
    expect((await tags('GET', '/u')).body.itemNotFound.message).toBe(`Server ${SERVER_ID} has no tag 'u'`);
    expect(await tags('PUT', '', { body: { tags: ['a', 'b', 'a'] } })).toMatchObject({ status: 200, body: { tags: ['a', 'b'] } });
    expect(await tags('PUT', '/new%20one')).toMatchObject({ status: 201, text: '', headers: { location: `http://localhost:80${TAGS}/new%20one` } });
    const had = await tags('PUT', '/t');
    expect([had.status, had.text, had.headers['location']]).toEqual([204, '', undefined]);
    expect(asked(setServerTags)).toEqual([{ tags: ['a', 'b'], replace: true }, { tags: ['new one'], replace: false }, { tags: ['t'], replace: false }]);
    expect(await tags('DELETE', '/t')).toMatchObject({ status: 204, text: '' });
    expect(await tags('DELETE')).toMatchObject({ status: 204, text: '' });
    expect(asked(deleteServerTag)).toEqual([{ tag: 't' }, { tag: null }]);
  });

  it('that cannot be are refused', async () => {
    for (const path of ['/a%2Cb', `/${'x'.repeat(61)}`]) expect((await tags('PUT', path)).body.badRequest.message).toMatch(/is invalid\. It must be a non empty string without characters '\/' and ','/);
    for (const body of [{ tags: ['a,b'] }, { tags: [''] }, { tags: Array.from({ length: 51 }, String) }, {}]) expect((await tags('PUT', '', { body })).status).toBe(400);
    expect((await tags('DELETE', `/${'x'.repeat(61)}`)).status).toBe(404);
    for (const [method, path] of [['PUT', '/a'], ['DELETE', '/a'], ['DELETE', '']] as const) expect((await tags(method, path, { as: 'reader' })).status).toBe(403);
  });

  it('are not there before 2.26', async () => {
    for (const [method, path] of [['GET', ''], ['GET', '/t'], ['PUT', '/t'], ['DELETE', '/t'], ['DELETE', '']] as const) expect((await tags(method, path, { version: '2.25' })).status).toBe(404);
  });
});

describe('create and PUT at the newer versions', () => {
  const post = (server: object, version: string, as: 'member' | 'admin' = 'admin', body: object = {}) =>
    cloud.call('POST', '/compute/v2.1/servers', { version, as, body: { server: { name: 'a', imageRef: IMAGE_ID, flavorRef: '1', networks: 'none', ...server }, ...body } });

  it('host and hypervisor_hostname from 2.74 on, for admins', async () => {
    expect((await post({ host: 'alpha' }, '2.73')).status).toBe(400);
    for (const server of [{ host: 'alpha' }, { hypervisor_hostname: 'alpha' }, { host: 'alpha', hypervisor_hostname: 'alpha', availability_zone: 'nova' }]) expect((await post(server, '2.74')).status).toBe(202);
    expect(cloud.questions(createServers).map(({ requestedHost, availabilityZone }) => [requestedHost, availabilityZone])).toEqual([['alpha', null], ['alpha', null], ['alpha', 'nova']]);
    expect((await post({ host: 'alpha' }, '2.74', 'member')).status).toBe(403);
    expect((await post({ host: 'nope' }, '2.74')).body.badRequest.message).toBe('Compute host nope could not be found.');
    expect((await post({ host: 'alpha', availability_zone: 'nova:alpha' }, '2.74')).body.badRequest.message).toContain('mutually exclusive');
    expect((await post({ host: 'alpha', hypervisor_hostname: 'beta' }, '2.74')).status).toBe(400);
  });

  it('a hostname from 2.90 on, a domain name from 2.94 on, one for one server', async () => {
    for (const [version, server, status] of [
      ['2.89', { hostname: 'h1' }, 400], ['2.90', { hostname: 'h1' }, 202], ['2.93', { hostname: 'h.example' }, 400], ['2.94', { hostname: 'h.example' }, 202], ['2.90', { hostname: 'h' }, 400],
      ['2.90', { hostname: 'h1', max_count: 2 }, 400], ['2.94', { hostname: 'x'.repeat(256) }, 400],
    ] as const) expect([version, server, (await post(server, version)).status]).toEqual([version, server, status]);
    await cloud.call('PUT', ONE, { version: '2.90', body: { server: { hostname: 'h2' } } });
    expect(asked(updateServer)).toEqual([{ hostname: 'h2' }]);
    expect((await cloud.call('PUT', ONE, { version: '2.89', body: { server: { hostname: 'h2' } } })).status).toBe(400);
  });

  it('certificates from 2.63 on: none', async () => {
    expect((await post({ trusted_image_certificates: null }, '2.62')).status).toBe(400);
    expect((await post({ trusted_image_certificates: null }, '2.63')).status).toBe(202);
    expect((await post({ trusted_image_certificates: ['a'] }, '2.63')).body.badRequest.message).toContain('not supported by this cloud');
  });

  it('volume_type from 2.67 on', async () => {
    const device = { source_type: 'image', destination_type: 'local', boot_index: 0, uuid: IMAGE_ID, volume_type: null };
    expect((await post({ block_device_mapping_v2: [device] }, '2.66')).status).toBe(400);
    expect((await post({ block_device_mapping_v2: [device] }, '2.67')).status).toBe(202);
  });

  it('a server group', async () => {
    for (const group of [IMAGE_ID, [IMAGE_ID]]) await post({}, '2.37', 'member', { 'os:scheduler_hints': { group } });
    expect(cloud.questions(createServers).map(({ groupId }) => groupId)).toEqual([IMAGE_ID, IMAGE_ID]);
    cloud.answer(createServers, () => { throw notFound(`Instance group ${IMAGE_ID} could not be found.`); });
    expect((await post({}, '2.37', 'member', { 'os:scheduler_hints': { group: IMAGE_ID } })).body.badRequest.message).toBe(`Instance group ${IMAGE_ID} could not be found.`);
  });

  it('PUT answers all from 2.75 on, and how the host is', async () => {
    const put = (version: string) => cloud.call('PUT', ONE, { version, as: 'admin', body: { server: { name: 'n' } } });
    expect((await put('2.74')).body.server).not.toHaveProperty('host_status');
    expect((await put('2.75')).body.server).toMatchObject({ host_status: 'UP', key_name: 'k', 'OS-EXT-STS:vm_state': 'active' });
  });

  it('topology from 2.78 on', async () => {
    expect((await cloud.call('GET', `${ONE}/topology`, { version: '2.77' })).status).toBe(404);
    expect((await cloud.call('GET', `${ONE}/topology`, { version: '2.78', as: 'reader' })).body).toEqual({ nodes: [], pagesize_kb: null });
    // Nova's own example (api_samples/os-server-topology/v2.78), with pages of 2 MiB.
    const cell = (hostCell: number, memoryMib: number, pins: [number, number][]) => ({ hostCell, memoryMib, pageKib: 2048, pins: pins.map(([guest, host]) => ({ guest, host })), floating: [] });
    const layout = { cells: [cell(0, 1024, [[0, 0], [1, 5]]), cell(1, 2048, [[2, 1], [3, 8]])], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: { sockets: 1, cores: 2, threads: 2 }, numa: true };
    cloud.answer(getServer, () => instance({ layout }));
    const nodes = [{ memory_mb: 1024, siblings: [[0, 1]], vcpu_set: [0, 1] }, { memory_mb: 2048, siblings: [[2, 3]], vcpu_set: [2, 3] }];
    expect((await cloud.call('GET', `${ONE}/topology`, { version: '2.78', as: 'reader' })).body).toEqual({ nodes, pagesize_kb: 2048 });
    expect((await cloud.call('GET', `${ONE}/topology`, { version: '2.78', as: 'admin' })).body).toEqual({
      nodes: [{ ...nodes[0], host_node: 0, cpu_pinning: { 0: 0, 1: 5 } }, { ...nodes[1], host_node: 1, cpu_pinning: { 2: 1, 3: 8 } }], pagesize_kb: 2048,
    });
  });
});

it('follows a page that did not fit one answer', async () => {
  cloud.answer(listServers, ({ limit, marker }) => ({ instances: [instance({ name: `${limit} after ${marker === undefined ? 'nothing' : 'one'}` })], more: marker === undefined }));
  expect((await cloud.call('GET', '/compute/v2.1/servers?limit=3')).body.servers.map(({ name }: { name: string }) => name)).toEqual(['3 after nothing', '2 after one']);
});
