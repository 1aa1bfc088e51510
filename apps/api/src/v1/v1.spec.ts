import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createEnrolToken, inspectServer, joinHost, listHosts, updateHost } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { HOST_ID, SERVER_ID } from '../testing/samples.js';
import { ScriptedCloud } from '../testing/scripted-cloud.js';
import { JoinBrake } from './hosts/join-brake.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const join = {
  token: 't', hostId: HOST_ID, name: 'alpha', publicNkey: `U${'A'.repeat(55)}`, simulated: false, protocol: { min: 1, max: 1 }, agentVersion: '0.1.0',
};

describe('/v1', () => {
  it('says where everything is, to everybody', async () => {
    expect((await cloud.call('GET', '/v1', { as: 'nobody' })).body).toEqual({
      name: 'skylite', version: 'v1', region: 'RegionOne',
      links: { self: 'http://localhost:80/v1', identity: 'http://localhost:80/identity/v3', compute: 'http://localhost:80/compute/v2.1', image: 'http://localhost:80/image', placement: 'http://localhost:80/placement' },
    });
  });

  it('enrols: defaults, and all that can be said', async () => {
    expect(await cloud.call('POST', '/v1/hosts/enrol-tokens', { as: 'admin', body: {} })).toMatchObject({ status: 201, body: { tokens: ['token-0'] } });
    await cloud.call('POST', '/v1/hosts/enrol-tokens', { as: 'admin', body: { count: 2, availabilityZone: 'fleet', onlyWhenAsked: true, simulated: true, ttlS: 60 } });
    expect(cloud.questions(createEnrolToken)).toMatchObject([
      { count: 1, availabilityZone: 'nova', onlyWhenAsked: false, simulated: false, ttlS: 3600, caller: { isAdmin: true } },
      { count: 2, availabilityZone: 'fleet', onlyWhenAsked: true, simulated: true, ttlS: 60 },
    ]);
  });

  it.each<[string, string, unknown]>([
    ['POST', '/v1/hosts/enrol-tokens', { count: 0 }], ['POST', '/v1/hosts/enrol-tokens', { count: 10_001 }], ['POST', '/v1/hosts/enrol-tokens', { availabilityZone: 'a:b' }],
    ['POST', '/v1/hosts/enrol-tokens', { ttlS: 1 }], ['POST', '/v1/hosts/enrol-tokens', { more: 1 }], ['POST', '/v1/hosts/enrol-tokens', undefined],
    ['PATCH', `/v1/hosts/${HOST_ID}`, {}], ['PATCH', `/v1/hosts/${HOST_ID}`, { enabled: true, disabledReason: 'x' }],
    ['POST', '/v1/hosts/join', { ...join, publicNkey: 'SA' }], ['POST', '/v1/hosts/join', { ...join, name: '-a' }], ['POST', '/v1/hosts/join', { ...join, hostId: 'x' }], ['POST', '/v1/hosts/join', { ...join, token: 'x'.repeat(201) }],
  ])('%s %s %j: 400', async (method, url, body) => {
    const { status, body: answer } = await cloud.call(method, url, { as: 'admin', body });
    expect([status, answer]).toEqual([400, { error: { kind: 'bad-request', message: expect.any(String), requestId: expect.stringMatching(/^req-/) } }]);
    expect(cloud.asked).toEqual([]);
  });

  it('lets a machine join with its token alone', async () => {
    expect(await cloud.call('POST', '/v1/hosts/join', { as: 'nobody', body: join })).toMatchObject({ status: 200, body: { hostId: HOST_ID, natsUserJwt: 'jwt' } });
    expect(cloud.questions(joinHost)).toEqual([join]);
    cloud.answer(joinHost, () => { throw forbidden('The token is not valid, or was used.'); });
    expect(await cloud.call('POST', '/v1/hosts/join', { as: 'nobody', body: join })).toMatchObject({ status: 403, body: { error: { kind: 'forbidden', message: 'The token is not valid, or was used.' } } });
  });

  it('shows hosts by id and by name, and sets whether they take servers', async () => {
    expect((await cloud.call('GET', '/v1/hosts', { as: 'admin' })).body.hosts).toMatchObject([{ id: HOST_ID, name: 'alpha', alive: true }]);
    for (const id of [HOST_ID, 'alpha']) expect((await cloud.call('GET', `/v1/hosts/${id}`, { as: 'admin' })).body.host.name).toBe('alpha');
    expect(cloud.questions(listHosts)).toEqual([{}, { id: HOST_ID }, { name: 'alpha' }]);
    expect((await cloud.call('GET', '/v1/hosts/beta', { as: 'admin' })).body.error).toMatchObject({ kind: 'not-found', message: 'There is no host beta.' });
    expect((await cloud.call('PATCH', '/v1/hosts/alpha', { as: 'admin', body: { enabled: false, disabledReason: 'disk' } })).body.host).toMatchObject({ enabled: false, disabledReason: 'disk' });
    await cloud.call('PATCH', '/v1/hosts/alpha', { as: 'admin', body: { enabled: true } });
    expect(cloud.questions(updateHost).map(({ hostId, enabled, disabledReason }) => [hostId, enabled, disabledReason])).toEqual([[HOST_ID, false, 'disk'], [HOST_ID, true, null]]);
  });

  it('inspects a server', async () => {
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}/inspect`, { as: 'admin' })).body).toMatchObject({ instance: { id: SERVER_ID }, step: 'settled' });
    expect(cloud.questions(inspectServer)).toMatchObject([{ instanceId: SERVER_ID }]);
    expect((await cloud.call('GET', '/v1/servers/nope/inspect', { as: 'admin' })).status).toBe(404);
  });

  it.each([['GET', '/v1/hosts'], ['GET', '/v1/hosts/alpha'], ['PATCH', '/v1/hosts/alpha'], ['POST', '/v1/hosts/enrol-tokens'], ['GET', `/v1/servers/${SERVER_ID}/inspect`]])('%s %s is for admins', async (method, url) => {
    expect((await cloud.call(method, url, { body: method === 'GET' ? undefined : {} })).status).toBe(403);
    expect((await cloud.call(method, url, { as: 'nobody', body: method === 'GET' ? undefined : {} })).status).toBe(401);
  });
});

describe('JoinBrake', () => {
  it('lets a burst pass, then so many a second', () => {
    let now = 0;
    const brake = new JoinBrake(() => now);
    for (let join = 0; join < LIMITS.joinsAtOnce; join += 1) brake.pass();
    expect(() => brake.pass()).toThrow(expect.objectContaining({ kind: 'too-many-requests', retryAfterS: 1 }));
    now += 1_000;
    for (let join = 0; join < LIMITS.joinsPerSecond; join += 1) brake.pass();
    expect(() => brake.pass()).toThrow();
    now += 3_600_000;
    for (let join = 0; join < LIMITS.joinsAtOnce; join += 1) brake.pass();
    expect(() => brake.pass()).toThrow();
  });

  it('answers 429 with Retry-After', async () => {
    const statuses = [];
    for (let attempt = 0; attempt < LIMITS.joinsAtOnce + 5; attempt += 1) statuses.push(await cloud.call('POST', '/v1/hosts/join', { as: 'nobody', body: join }));
    expect(statuses.filter(({ status }) => status === 429).map(({ headers, body }) => [headers['retry-after'], body.error.kind])).toContainEqual(['1', 'too-many-requests']);
  });
});
