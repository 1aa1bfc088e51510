import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createServers, deleteServer, getConsoleLog, getServer, listHosts, listServers, rebootServer, startServer, stopServer, updateServer } from '#libs/contracts';
import { badRequest, conflict, notFound, overQuota, unavailable } from '#libs/errors';
import { HOST_ID, IMAGE_ID, instance, PROJECT, SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const SERVERS = '/compute/v2.1/servers';
const base = { name: 'a', imageRef: IMAGE_ID, flavorRef: '1' };
const post = (server: object, options: object = {}) => cloud.call('POST', SERVERS, { body: { server: { ...base, ...server } }, ...options });
const none = { networks: 'none' };

describe('POST /servers', () => {
  it('asks for one server with what was given', async () => {
    const { status } = await post({ key_name: 'k', user_data: 'aGk=\n', metadata: { a: 'b' }, availability_zone: 'nova', flavorRef: 1, config_drive: 'true', security_groups: [{ name: 'default' }] });
    expect(status).toBe(202);
    expect(cloud.questions(createServers)).toMatchObject([{
      minCount: 1, name: 'a', hostname: null, description: 'a', flavorId: '1', imageId: IMAGE_ID, keyName: 'k', userData: 'aGk=\n', metadata: { a: 'b' }, tags: [],
      availabilityZone: 'nova', requestedHost: null, caller: { projectId: PROJECT, isAdmin: false },
    }]);
  });

  it('gives a password once, its own or the client’s', async () => {
    expect((await post({ adminPass: 'mine' })).body.server.adminPass).toBe('mine');
    expect((await post({})).body.server.adminPass).toMatch(/^[\w-]{12}$/);
  });

  it('takes a name of the description’s before 2.19, its own from then on', async () => {
    await post({ description: 'd' }, { version: '2.19' });
    await post({}, { version: '2.19' });
    await post({ description: null }, { version: '2.61', body: { server: { ...base, ...none, description: null, tags: ['x', 'y', 'x'] } } });
    expect(cloud.questions(createServers).map(({ description, tags }) => [description, tags])).toEqual([['d', []], [null, []], [null, ['x', 'y']]]);
  });

  it('makes several: ids of its own, at least min_count', async () => {
    const { body } = await post({ min_count: '2', max_count: 3, return_reservation_id: true });
    const [asked] = cloud.questions(createServers);
    expect(asked).toMatchObject({ minCount: 2, reservationId: body.reservation_id });
    expect(new Set(asked?.instanceIds).size).toBe(3);
    expect(body).toEqual({ reservation_id: expect.stringMatching(/^r-[a-z0-9]{8}$/) });
  });

  it.each<[string, object, string | undefined]>([
    ['absent', {}, undefined], ['absent at 2.36', {}, '2.36'], ['an empty list', { networks: [] }, '2.1'], ['an empty list at 2.37', { networks: [] }, '2.37'],
    ['none', none, '2.37'], ['auto', { networks: 'auto' }, '2.61'],
  ])('networks %s: no interface, and taken', async (_name, networks, version) => expect((await post(networks, { version })).status).toBe(202));

  it.each<[string, object, string, RegExp]>([
    ['a word before 2.37', none, '2.36', /'none' is not of type 'array'/],
    ['absent from 2.37', {}, '2.37', /'networks' is a required property/],
    ['another word', { networks: 'all' }, '2.37', /'all' is not one of \['none', 'auto'\]/],
    ['a network', { networks: [{ uuid: IMAGE_ID }] }, '2.37', /This cloud offers no networks/],
    ['a port', { networks: [{ port: IMAGE_ID }] }, '2.1', /This cloud offers no networks/],
    ['no uuid', { networks: [{ uuid: 'x' }] }, '2.37', /'x' is not a 'uuid'/],
    ['a tag between its versions', { networks: [{ uuid: IMAGE_ID, tag: 't' }] }, '2.37', /Additional properties are not allowed \('tag' was unexpected\)/],
    ['a tag', { networks: [{ uuid: IMAGE_ID, tag: 't' }] }, '2.42', /This cloud offers no networks/],
  ])('networks %s: 400', async (_name, networks, version, message) => {
    const { status, body } = await post(networks, { version });
    expect([status, body.badRequest.message]).toEqual([400, expect.stringMatching(message)]);
    expect(cloud.questions(createServers)).toEqual([]);
  });

  it.each<[string, object, string, string]>([
    ['name of another type', { name: 1 }, '2.1', "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'"],
    ['long name', { name: 'x'.repeat(256) }, '2.1', 'is too long'],
    ['name with a space before it', { name: ' x' }, '2.1', 'Can not start or end with whitespace.'],
    ['name that does not print', { name: 'a\u0007b' }, '2.1', 'The name must be: printable characters.'],
    ['no flavor', { flavorRef: undefined }, '2.1', "'flavorRef' is a required property"],
    ['no image', { imageRef: undefined }, '2.1', 'Missing imageRef attribute'],
    ['an image id that is none', { imageRef: 'x' }, '2.1', "Invalid input for field/attribute imageRef. Value: x. 'x' is not a 'uuid'"],
    ['description before 2.19', { description: 'd' }, '2.18', "Additional properties are not allowed ('description' was unexpected)"],
    ['tags before 2.52', { tags: ['a'] }, '2.36', "Additional properties are not allowed ('tags' was unexpected)"],
    ['a tag with a comma', { ...none, tags: ['a,b'] }, '2.52', "'a,b' does not match '^[^,/]*$'"],
    ['too many tags', { ...none, tags: Array.from({ length: 51 }, String) }, '2.52', 'is too long'],
    ['personality', { personality: [{ path: '/a', contents: 'aGk=' }] }, '2.1', "Injecting files with 'personality' is not supported by this cloud; use user_data."],
    ['personality from 2.57', { ...none, personality: [] }, '2.57', "Additional properties are not allowed ('personality' was unexpected)"],
    ['user data that is not base64', { user_data: '#' }, '2.1', "is not a 'base64'"],
    ['too much user data', { user_data: 'A'.repeat(65_536) }, '2.1', 'is too long'],
    ['null user data', { user_data: null }, '2.1', "is not of type 'string'"],
    ['a metadata key with a slash', { metadata: { 'a/b': 'c' } }, '2.1', "Additional properties are not allowed ('a/b' was unexpected)"],
    ['metadata that is no text', { metadata: { a: 1 } }, '2.1', "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"],
    ['min_count 0', { min_count: 0 }, '2.1', '0 is less than the minimum of 1'],
    ["min_count '0'", { min_count: '0' }, '2.1', 'Value: 0. 0 is less than the minimum of 1'],
    ['more at least than at most', { min_count: 3, max_count: 2 }, '2.1', 'min_count must be <= max_count'],
    ['too many at once', { max_count: 201 }, '2.1', 'one request makes at most 200 servers'],
    ['a flag that is none', { config_drive: 'maybe' }, '2.1', "'maybe' is not one of ['True', 'TRUE', "],
    ['another security group', { security_groups: [{ name: 'web' }] }, '2.1', 'Security group web not found'],
    ['disk config AUTO', { 'OS-DCF:diskConfig': 'AUTO' }, '2.1', 'AUTO is not supported'],
    ['an access address', { accessIPv4: '10.0.0.1' }, '2.1', 'accessIPv4 and accessIPv6 are not supported'],
    ['a volume', { imageRef: '', block_device_mapping_v2: [{ source_type: 'volume', uuid: IMAGE_ID, boot_index: 0, destination_type: 'volume' }] }, '2.1', 'this cloud offers no volumes'],
    ['a second disk', { block_device_mapping_v2: [{ source_type: 'image', uuid: IMAGE_ID, boot_index: 0, destination_type: 'local' }, { source_type: 'blank', volume_size: 1 }] }, '2.1', 'this cloud offers no volumes'],
    ['both mapping syntaxes', { block_device_mapping: [{ device_name: 'vda' }], block_device_mapping_v2: [{ source_type: 'blank' }] }, '2.1', 'Using different block_device_mapping syntaxes'],
    ['an unknown key', { nope: 1, no: 2 }, '2.1', "Additional properties are not allowed ('nope', 'no' were unexpected)"],
    ['a zone with too many parts', { availability_zone: 'a:b:c:d' }, '2.1', 'Unable to parse availability_zone'],
  ])('%s: 400', async (_name, server, version, message) => {
    const { status, body } = await post(server, { version });
    expect([status, body.badRequest?.message]).toEqual([400, expect.stringContaining(message)]);
    expect(cloud.questions(createServers)).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'Malformed request body'], ['a list', [], "[] is not of type 'object'"], ['no server', {}, "'server' is a required property"],
    ['more than a server', { server: base, other: 1 }, "Additional properties are not allowed ('other' was unexpected)"],
    ['a server to be beside that is none', { server: base, 'os:scheduler_hints': { same_host: 'x' } }, "'x' is not a 'uuid'"],
    ['more servers to be away from than are looked at', { server: base, 'os:scheduler_hints': { different_host: Array.from({ length: 101 }, () => randomUUID()) } }, "The scheduler hint 'different_host' names more than 100 servers."],
    ['a cell that is no name', { server: base, 'os:scheduler_hints': { target_cell: 1 } }, "1 is not of type 'string'"],
    ['a group that is none', { server: base, 'os:scheduler_hints': { group: 'x' } }, "'x' is not a 'uuid'"],
    ['a group with the digits of a uuid and no version', { server: base, 'os:scheduler_hints': { group: 'eeeeeeee-eeee-0eee-0eee-eeeeeeeeeeee' } }, "'eeeeeeee-eeee-0eee-0eee-eeeeeeeeeeee' is not a 'uuid'"],
    ['two groups', { server: base, 'os:scheduler_hints': { group: [IMAGE_ID, SERVER_ID] } }, 'A server can be in one server group only.'],
  ])('a body of %s: 400', async (_name, body, message) => {
    const answer = await cloud.call('POST', SERVERS, { body });
    expect([answer.status, answer.body.badRequest?.message]).toEqual([400, expect.stringContaining(message)]);
  });

  it('boots from the image when that is spelled out, or a hint is free text', async () => {
    const device = { source_type: 'image', destination_type: 'local', boot_index: 0, delete_on_termination: true, uuid: IMAGE_ID };
    expect((await post({ block_device_mapping_v2: [device] })).status).toBe(202);
    expect((await cloud.call('POST', SERVERS, { body: { server: base, 'os:scheduler_hints': { color: 'red' } } })).status).toBe(202);
  });

  it('hands on which servers to be beside and away from; hints whose filters no cloud has by default are read and change nothing', async () => {
    const hints = async (asked: object) => (await cloud.call('POST', SERVERS, { body: { server: base, 'os:scheduler_hints': asked } })).status;
    expect(await hints({ same_host: SERVER_ID })).toBe(202);
    expect(await hints({ different_host: [SERVER_ID, IMAGE_ID, SERVER_ID.replaceAll('-', '').toUpperCase()], same_host: [] })).toBe(202);
    expect(await hints({ query: '[">=","$free_ram_mb",1]', target_cell: 'c', different_cell: ['d'], build_near_host_ip: '10.0.0.1', cidr: '/24' })).toBe(202);
    expect(cloud.questions(createServers).map(({ hints: asked }) => asked)).toEqual([
      { sameHost: [SERVER_ID], differentHost: [] }, { sameHost: [], differentHost: [SERVER_ID, IMAGE_ID] }, null,
    ]);
  });

  it('malformed JSON', async () => expect(await cloud.call('POST', SERVERS, { raw: '{"server":' })).toMatchObject({ status: 400, body: { badRequest: { code: 400 } } }));

  it('a certain host is for admins, and must be there', async () => {
    expect((await post({ availability_zone: 'nova:alpha' })).status).toBe(403);
    expect((await post({ availability_zone: 'nova:alpha' }, { as: 'admin' })).status).toBe(202);
    expect((await post({ availability_zone: ':alpha:alpha' }, { as: 'admin' })).status).toBe(202);
    expect(cloud.questions(createServers).map(({ availabilityZone, requestedHost }) => [availabilityZone, requestedHost])).toEqual([['nova', 'alpha'], [null, 'alpha']]);
    expect((await post({ availability_zone: 'nova:beta' }, { as: 'admin' })).body.badRequest.message).toBe('Compute host beta could not be found.');
    expect((await post({ availability_zone: 'nova:alpha:beta' }, { as: 'admin' })).status).toBe(400);
    cloud.answer(listHosts, () => { throw unavailable('away'); });
    expect((await post({ availability_zone: 'nova:alpha' }, { as: 'admin' })).status).toBe(202);
  });

  it.each<[string, () => never, number, string]>([
    ['an unknown flavor is a wrong request', () => { throw notFound('Flavor 9 could not be found.'); }, 400, 'badRequest'],
    ['a quota', () => { throw overQuota('Quota exceeded for instances: Requested 1, but already used 10 of 10 instances'); }, 403, 'forbidden'],
    ['what the owner refuses', () => { throw badRequest('Can not find requested image'); }, 400, 'badRequest'],
    ['an owner that is away', () => { throw unavailable('No database.'); }, 503, 'serviceUnavailable'],
  ])('%s', async (_name, make, status, name) => {
    cloud.answer(createServers, make);
    expect(await post({})).toMatchObject({ status, body: { [name]: { code: status } } });
  });

  it('readers may not', async () => expect((await post({}, { as: 'reader' })).status).toBe(403));
});

describe('GET /servers', () => {
  const ask = async (query: string, options: object = {}) => {
    const answer = await cloud.call('GET', `${SERVERS}/detail?${query}`, options);
    return { ...answer, asked: cloud.questions(listServers)[0] };
  };

  it('asks for the project’s servers, newest first', async () => {
    expect((await ask('')).asked).toMatchObject({ projectId: PROJECT, filters: {}, sort: [{ key: 'created_at', direction: 'desc' }], limit: 1000 });
  });

  it.each<[string, object, object]>([
    ['name=%5Es1%24', {}, { name: '^s1$' }],
    ['status=active&status=ERROR&status=odd', {}, { status: ['ACTIVE', 'ERROR'] }],
    ['image=i&flavor=1&reservation_id=r', {}, { imageId: 'i', flavorId: '1', matching: { reservation_id: 'r' } }],
    ['changes-since=2026-01-01T00:00:00', {}, { changesSince: '2026-01-01T00:00:00.000Z' }],
    ['changes-since=2026-01-01T01:00:00%2B01:00', {}, { changesSince: '2026-01-01T00:00:00.000Z' }],
    ['changes-since=2026-01-01', {}, { changesSince: '2026-01-01T00:00:00.000Z' }],
    ['host=alpha&user_id=u&deleted=True&key_name=k&uuid=x', {}, {}],
    ['host=alpha&user_id=u&deleted=True&key_name=k&uuid=x', { as: 'admin' }, { hostName: 'alpha', userId: 'u', deleted: true, id: 'x', matching: { key_name: 'k' } }],
    ['status=deleted', { as: 'admin' }, { status: ['DELETED'], deleted: true }],
    ['nonsense=1&_private=2', {}, {}],
    ['vm_state=active&metadata=x', {}, {}],
    ['vm_state=active&vm_state=error&task_state=deleting', { as: 'admin' }, { vmState: ['active', 'error'], taskState: ['deleting'] }],
    ['vm_state=active&status=ERROR', { as: 'admin' }, { status: ['ERROR'] }],
    ['power_state=1&config_drive=True&launch_index=0&description=x', { as: 'admin' }, { matching: { power_state: '1', config_drive: 'True', launch_index: '0' } }],
    ['display_description=x&locked_by=o&created_at=2026', { as: 'admin' }, { matching: { description: 'x', locked_by: 'o', created_at: '2026' } }],
    ['power_state=1&user_id=u&hostname=h&host=a', { version: '2.82' }, {}],
    ['power_state=1&user_id=u&hostname=h&host=a', { version: '2.83' }, { userId: 'u', matching: { power_state: '1' } }],
    ['power_state=1&user_id=u&hostname=h&host=a', { version: '2.90' }, { userId: 'u', matching: { power_state: '1', hostname: 'h' } }],
    ['tags=a,b&tags-any=c&not-tags=d&not-tags-any=e,f', { version: '2.25' }, {}],
    ['tags=a,b&tags-any=c&not-tags=d&not-tags-any=e,f', { version: '2.26' }, { tags: ['a', 'b'], tagsAny: ['c'], notTags: ['d'], notTagsAny: ['e', 'f'] }],
    ['changes-before=2026-01-01', { version: '2.65' }, {}],
    ['changes-before=2026-01-01&changes-since=2026-01-01', { version: '2.66' }, { changesSince: '2026-01-01T00:00:00.000Z', changesBefore: '2026-01-01T00:00:00.000Z' }],
    ['locked=yes', { version: '2.72' }, {}],
    ['locked=yes', { version: '2.73' }, { locked: true }],
  ])('%s %j', async (query, options, filters) => {
    const { asked, status } = await ask(query, options);
    expect([status, asked?.filters]).toEqual([200, filters]);
  });

  it.each<[string, object, number, string]>([
    ['limit=-1', {}, 400, "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"],
    ['limit=x', {}, 400, "'x' does not match '^[0-9]*$'"],
    ['name=%28', {}, 400, "Invalid input for query parameters name. Value: (. '(' is not a 'regex'"],
    ['changes-since=0000-01-01T00:00:00Z', {}, 400, "'0000-01-01T00:00:00Z' is not a 'date-time'"],
    [`name=${'x'.repeat(256)}`, {}, 400, 'is too long'],
    ['changes-since=9999-12-31T23:59:59-12:00', {}, 400, "'9999-12-31T23:59:59-12:00' is not a 'date-time'"],
    [`launch_index=${'x'.repeat(256)}`, { as: 'admin' }, 400, 'is too long'],
    [`tags=a,${'x'.repeat(256)}`, { version: '2.26' }, 400, 'is too long'],
    [Array.from({ length: 21 }, (_, n) => `vm_state=${n}`).join('&'), { as: 'admin' }, 400, 'is too long'],
    ['changes-since=yesterday', {}, 400, "'yesterday' is not a 'date-time'"],
    ['sort_key=nope', {}, 400, "Invalid input for query parameters sort_key. Value: nope. 'nope' is not one of"],
    ['sort_dir=up', {}, 400, "'up' is not one of ['asc', 'desc']"],
    ['sort_key=host', {}, 403, 'Only administrators can sort servers by host'],
    ['status=odd', { version: '2.38' }, 400, 'Invalid status value'],
    ['status=deleted', {}, 403, 'Only administrators may list deleted instances'],
    ['all_tenants=True', {}, 403, "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed."],
    ['all_tenants=perhaps', { as: 'admin' }, 400, "Unrecognized value 'perhaps', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"],
    ['_private=1', { as: 'admin' }, 400, 'Invalid filter field: _private.'],
    ['metadata=x', { as: 'admin' }, 400, 'Invalid filter field: metadata.'],
    ['changes-since=2026-01-02&changes-before=2026-01-01', { version: '2.66' }, 400, 'The value of changes-since must be less than or equal to changes-before.'],
    ['locked=perhaps', { version: '2.73' }, 400, "Unrecognized value 'perhaps'"],
    ['nonsense=1', { version: '2.75' }, 400, "Additional properties are not allowed ('nonsense' was unexpected)"],
    ['sort_key=vcpus', { version: '2.75' }, 400, "'vcpus' is not one of"],
    ['_private=1', { as: 'admin', version: '2.75' }, 400, 'Invalid filter field: _private.'],
    ['power_state=(', { version: '2.83' }, 400, "'(' is not a 'regex'"],
  ])('%s %j: %i', async (query, options, status, message) => {
    const answer = await ask(query, options);
    expect([answer.status, Object.values<{ message: string }>(answer.body)[0]?.message]).toEqual([status, expect.stringContaining(message)]);
  });

  it('before 2.38 an unknown status matches nothing; an address never does; a limit of 0 asks for nothing', async () => {
    for (const [query, version] of [['status=odd', '2.37'], ['ip=10.', '2.1'], ['ip6=fe80', '2.5'], ['limit=0', '2.1']] as const) {
      const { status, body, asked } = await ask(query, { version });
      expect([status, body, asked]).toEqual([200, { servers: [] }, undefined]);
    }
    expect((await ask('ip6=fe80', { version: '2.4' })).asked).toBeDefined();
  });

  it('all projects for admins, or one of them', async () => {
    for (const [query, projectId] of [['all_tenants', null], ['all_tenants=1', null], ['all_tenants=0', PROJECT], ['all_tenants=True&project_id=p2', 'p2'], ['all_tenants=1&tenant_id=p3', 'p3'], ['project_id=p2', PROJECT]] as const) {
      expect([query, (await ask(query, { as: 'admin' })).asked?.projectId]).toEqual([query, projectId]);
    }
  });

  it('sorts by what was asked, in pairs; the first direction stands for those that are missing', async () => {
    expect((await ask('sort_key=display_name&sort_key=uuid&sort_dir=asc')).asked?.sort).toEqual([{ key: 'display_name', direction: 'asc' }, { key: 'uuid', direction: 'asc' }]);
    expect((await ask('sort_key=display_name&sort_key=uuid&sort_dir=asc&sort_dir=desc')).asked?.sort).toEqual([{ key: 'display_name', direction: 'asc' }, { key: 'uuid', direction: 'desc' }]);
    expect((await ask('sort_key=memory_mb')).asked?.sort).toEqual([]);
    expect((await ask('sort_key=locked', { version: '2.72' })).asked?.sort).toEqual([]);
    for (const version of ['2.73', '2.75']) expect((await ask('sort_key=locked', { version })).asked?.sort).toEqual([{ key: 'locked', direction: 'desc' }]);
    expect((await ask('sort_key=uuid&sort_key=uuid&sort_key=uuid&sort_key=uuid&sort_key=uuid&sort_key=uuid')).status).toBe(400);
  });

  it('pages: a full page has a link that keeps the query; the last, empty one ends it', async () => {
    const { body } = await ask('limit=1&name=s&sort_key=uuid');
    expect(body.servers_links).toEqual([{ rel: 'next', href: `http://localhost:80/compute/v2.1/servers/detail?limit=1&name=s&sort_key=uuid&marker=${SERVER_ID}` }]);
    cloud.answer(listServers, () => ({ instances: [], more: false }));
    expect((await ask(`limit=1&marker=${SERVER_ID}`)).body).toEqual({ servers: [] });
    expect((await ask('limit=5000')).asked?.limit).toBe(1000);
    cloud.answer(listServers, () => { throw notFound('gone'); });
    expect((await ask('marker=x')).body).toEqual({ badRequest: { code: 400, message: 'marker [x] not found' } });
  });

  it('is one answer, in however many parts its servers come; and long ones are asked for as they are taken', async () => {
    const ids = Array.from({ length: 90 }, (_, at) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`);
    const userData = 'QUJD'.repeat(16_000);
    const answer = (chars: number) => cloud.answer(listServers, ({ limit, marker }) => {
      const from = marker === undefined ? 0 : ids.indexOf(marker) + 1;
      const some = ids.slice(from, from + Math.min(limit, 7));
      return { instances: some.map((id) => ({ ...instance(), id: id as never, userData: userData.slice(0, chars) })), more: from + some.length < ids.length };
    });
    for (const chars of [4, 64_000]) {
      answer(chars);
      for (const [query, count] of chars === 4 ? [['', 90], ['limit=7', 7], ['limit=8', 8]] as const : [['', 90], ['limit=80', 80]] as const) {
        const { status, body, headers } = await ask(query, { as: 'admin', version: '2.3' });
        expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
        expect(body.servers.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, count));
        expect(body.servers.every((server: Record<string, string>) => server['OS-EXT-SRV-ATTR:user_data']?.length === chars)).toBe(true);
        expect(body.servers_links?.[0].href).toBe(count === 90 ? undefined : `http://localhost:80/compute/v2.1/servers/detail?${query}&marker=${ids[count - 1] as string}`);
        cloud.questions(listServers);
      }
    }
  });

  it('shows how hosts are to admins from 2.16 on, also when nobody can say', async () => {
    expect((await ask('', { as: 'admin', version: '2.16' })).body.servers[0].host_status).toBe('UP');
    cloud.answer(listHosts, () => { throw unavailable('away'); });
    expect((await ask('', { as: 'admin', version: '2.16' })).body.servers[0].host_status).toBe('UNKNOWN');
    cloud.questions(listHosts);
    await ask('', { version: '2.16' });
    expect(cloud.questions(listHosts)).toEqual([]);
  });
});

describe('one server', () => {
  const ONE = `${SERVERS}/${SERVER_ID}`;
  it.each(['trs', 'a b', '00000000-0000-0000-0000-000000000000', '11111111-1111-1111-1111-111111111111', 'x'.repeat(200)])('%s: 404', async (id) => {
    for (const [method, path, body] of [['GET', ''], ['DELETE', ''], ['PUT', '', { server: {} }], ['POST', '/action', { 'os-stop': null }], ['GET', '/metadata']] as const) {
      const answer = await cloud.call(method, `${SERVERS}/${encodeURIComponent(id)}${path}`, { body });
      expect([method, answer.status, answer.body]).toEqual([method, 404, { itemNotFound: { code: 404, message: `Instance ${id} could not be found.` } }]);
    }
  });

  it('is found in any spelling of its id', async () => {
    for (const id of [SERVER_ID.toUpperCase(), SERVER_ID.replaceAll('-', '')]) expect((await cloud.call('GET', `${SERVERS}/${id}`)).status).toBe(200);
  });

  it('is deleted with 204 and nothing more', async () => {
    expect(await cloud.call('DELETE', ONE)).toMatchObject({ status: 204, text: '' });
    expect(cloud.questions(deleteServer)).toMatchObject([{ instanceId: SERVER_ID }]);
  });

  it('is renamed; its description is changed and taken away', async () => {
    await cloud.call('PUT', ONE, { body: { server: { name: 'n' } } });
    await cloud.call('PUT', ONE, { version: '2.19', body: { server: { description: null } } });
    await cloud.call('PUT', ONE, { version: '2.19', body: { server: { name: 'n', description: 'd' } } });
    expect(cloud.questions(updateServer).map(({ caller: _caller, instanceId: _id, ...rest }) => rest)).toEqual([{ name: 'n' }, { description: null }, { name: 'n', description: 'd' }]);
    expect((await cloud.call('PUT', ONE, { body: { server: { description: 'd' } } })).status).toBe(400);
    expect((await cloud.call('PUT', ONE, { body: { server: { accessIPv6: '::1' } } })).status).toBe(400);
    expect((await cloud.call('PUT', ONE, { body: { server: { metadata: {} } } })).body.badRequest.message).toContain("('metadata' was unexpected)");
  });

  it('metadata item and tags that are not there', async () => {
    expect((await cloud.call('GET', `${ONE}/metadata/nope`)).body).toEqual({ itemNotFound: { code: 404, message: 'Metadata item was not found' } });
    expect((await cloud.call('GET', `${ONE}/metadata/constructor`)).status).toBe(404);
    expect((await cloud.call('GET', `${ONE}/tags`, { version: '2.25' })).status).toBe(404);
  });
});

describe('POST /servers/{id}/action', () => {
  const act = (body: unknown, options: object = {}) => cloud.call('POST', `${SERVERS}/${SERVER_ID}/action`, { body, ...options });

  it('starts, stops, reboots: 202 and nothing more', async () => {
    for (const body of [{ 'os-start': null }, { 'os-stop': {} }, { reboot: { type: 'SOFT' } }, { reboot: { type: 'hard' } }]) expect(await act(body)).toMatchObject({ status: 202, text: '' });
    expect(cloud.asked.map(({ subject, input }) => [subject, input['type']])).toEqual([[startServer.subject, undefined], [stopServer.subject, undefined], [rebootServer.subject, 'soft'], [rebootServer.subject, 'hard']]);
  });

  it('gives the console log with 200, without control characters', async () => {
    expect(await act({ 'os-getConsoleOutput': {} })).toMatchObject({ status: 200, body: { output: 'boot[0m\n\tready\n' } });
    for (const length of [5, '5', -1, null]) await act({ 'os-getConsoleOutput': { length } });
    expect(cloud.questions(getConsoleLog).map(({ lines }) => lines)).toEqual([undefined, 5, 5, undefined, undefined]);
  });

  it.each<[unknown, string, number, string]>([
    [{ fly: null }, '2.1', 400, 'There is no such action: fly'],
    [{ constructor: {} }, '2.1', 400, 'There is no such action: constructor'],
    [{ shelve: null }, '2.1', 501, "The action 'shelve' is not supported by this cloud."],
    [{ 'os-migrateLive': {} }, '2.96', 501, "The action 'os-migrateLive' is not supported by this cloud."],
    [{ createImage: { name: 'x' } }, '2.61', 501, "The action 'createImage' is not supported by this cloud."],
    [{ trigger_crash_dump: null }, '2.16', 404, 'The resource could not be found.'],
    [{ trigger_crash_dump: null }, '2.17', 501, "The action 'trigger_crash_dump' is not supported by this cloud."],
    [{ 'os-start': null, 'os-stop': null }, '2.1', 400, 'Malformed request body'],
    [{}, '2.1', 400, 'Malformed request body'],
    [[], '2.1', 400, 'Malformed request body'],
    ['os-start', '2.1', 400, 'Malformed request body'],
    [{ reboot: null }, '2.1', 400, "Invalid input for field/attribute reboot. Value: None. None is not of type 'object'"],
    [{ reboot: {} }, '2.1', 400, "'type' is a required property"],
    [{ reboot: { type: 'warm' } }, '2.1', 400, "'warm' is not one of ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']"],
    [{ 'os-getConsoleOutput': { length: -2 } }, '2.1', 400, '-2 is less than the minimum of -1'],
    [{ 'os-getConsoleOutput': { length: 'x' } }, '2.1', 400, "'x' does not match '^-?[0-9]+$'"],
  ])('%j at %s: %i', async (body, version, status, message) => {
    const answer = await act(body, { version });
    expect([answer.status, Object.values<{ message: string }>(answer.body)[0]?.message]).toEqual([status, expect.stringContaining(message)]);
    expect(cloud.asked).toEqual([]);
  });

  it('is for members', async () => {
    expect((await act({ 'os-stop': null }, { as: 'reader' })).status).toBe(403);
    expect((await act({ 'os-getConsoleOutput': {} }, { as: 'reader' })).status).toBe(403);
  });

  it('says what the owner says of a state that forbids it', async () => {
    cloud.answer(startServer, () => { throw conflict(`Cannot 'start' instance ${SERVER_ID} while it is in vm_state active`); });
    expect(await act({ 'os-start': null })).toMatchObject({ status: 409, body: { conflictingRequest: { code: 409, message: expect.stringContaining('vm_state active') } } });
  });
});

it('keeps the request’s id across the bus and out of other projects’ URLs', async () => {
  const { headers } = await cloud.call('GET', `${SERVERS}/${SERVER_ID}`, { headers: { 'x-openstack-request-id': 'req-11111111-1111-4111-8111-111111111111' } });
  const { requestId } = cloud.questions(getServer)[0]?.caller ?? {};
  expect(headers).toMatchObject({ 'x-openstack-request-id': requestId, 'x-compute-request-id': requestId });
  // The client's own stands for many of its requests: writes are told apart by ours.
  expect(requestId).not.toBe('req-11111111-1111-4111-8111-111111111111');
  cloud.answer(getServer, () => instance({ hostId: HOST_ID }));
  expect((await cloud.call('GET', `/compute/v2.1/${PROJECT}/servers/${SERVER_ID}`)).body.server.links[0].href).toBe(`http://localhost:80/compute/v2.1/${PROJECT}/servers/${SERVER_ID}`);
  expect((await cloud.call('GET', `/compute/v2.1/${'0'.repeat(32)}/servers`)).body.badRequest.message).toContain("doesn't match Context's project_id");
  expect((await cloud.call('GET', '/compute/v2.1/nope/servers')).status).toBe(404);
});
