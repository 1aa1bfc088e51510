/**
 * The public door on a real port, with scripted services behind it: one by one, the places where OpenStack's clients
 * are known to break, and the distribution's own client against them.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deleteServer, listServers } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { HOST_ID, IMAGE_ID, instance, PROJECT, SERVER_ID } from '../../apps/api/src/testing/samples.js';
import { ScriptedCloud } from '../../apps/api/src/testing/scripted-cloud.js';

let cloud: ScriptedCloud;
let base: string;
let home: string;
beforeAll(async () => {
  cloud = await ScriptedCloud.start();
  await cloud.app.listen(0, '127.0.0.1');
  base = `http://127.0.0.1:${(cloud.app.getHttpServer().address() as { port: number }).port}`;
  home = await mkdtemp(join(tmpdir(), 'skylite-api-'));
});
afterAll(async () => {
  await cloud.stop();
  await rm(home, { recursive: true, force: true });
});

const V = '/compute/v2.1';
async function http(method: string, path: string, options: { as?: 'member' | 'admin' | 'nobody'; headers?: Record<string, string>; body?: unknown } = {}) {
  const { as = 'member', headers, body } = options;
  const response = await fetch(`${base}${path}`, {
    method, redirect: 'manual',
    headers: { ...(as !== 'nobody' && { 'x-auth-token': cloud.token(as) }), ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: (text === '' ? undefined : JSON.parse(text)) as Record<string, any> }; // eslint-disable-line @typescript-eslint/no-explicit-any -- answers as clients see them
}
const version = (text: string) => ({ 'openstack-api-version': `compute ${text}`, 'x-openstack-nova-api-version': text });

describe('where clients break', () => {
  it('2, 3: versions are read without a token: a list at the root, an object below, absolute links that can be reached', async () => {
    for (const path of ['/compute', '/compute/']) {
      const { status, body } = await http('GET', path, { as: 'nobody' });
      expect([status, body['versions'][0].links[0]]).toEqual([200, { rel: 'self', href: `${base}/compute/v2.1/` }]);
    }
    for (const path of [V, `${V}/`]) {
      const { status, body } = await http('GET', path, { as: 'nobody' });
      expect([status, body['version'].version, body['version'].min_version, body['version'].status]).toEqual([200, '2.96', '2.1', 'CURRENT']);
      expect((await fetch(body['version'].links[0].href)).status).toBe(200);
    }
  });

  it('4: a project id in the path', async () => {
    expect((await http('GET', `${V}/${PROJECT}/servers/detail`)).status).toBe(200);
    expect((await http('GET', `${V}/${PROJECT}/os-quota-sets/${PROJECT}`)).status).toBe(200);
    expect((await http('GET', `${V}/${PROJECT}/flavors/1/os-extra_specs`)).status).toBe(200);
  });

  it('5: both microversion headers, their echo, latest, 406 and 400 in Nova’s words', async () => {
    for (const [headers, echo] of [[{}, '2.1'], [version('2.37'), '2.37'], [{ 'x-openstack-nova-api-version': 'latest' }, '2.96'], [{ 'openstack-api-version': 'volume 3.70' }, '2.1']] as const) {
      const answer = await http('GET', `${V}/flavors`, { headers });
      expect([answer.status, answer.headers.get('openstack-api-version'), answer.headers.get('x-openstack-nova-api-version')]).toEqual([200, `compute ${echo}`, echo]);
      expect(answer.headers.get('vary')).toContain('OpenStack-API-Version');
    }
    const unsupported = await http('GET', `${V}/servers`, { headers: version('2.999') });
    expect([unsupported.status, unsupported.body, unsupported.headers.get('x-openstack-nova-api-version')]).toEqual([
      406, { computeFault: { code: 406, message: 'Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.96.' } }, '2.999',
    ]);
    const malformed = await http('GET', `${V}/servers`, { headers: { 'x-openstack-nova-api-version': 'two' } });
    expect([malformed.status, malformed.body['badRequest'].message]).toEqual([400, 'API Version String two is of invalid format. Must be of format MajorNum.MinorNum.']);
    expect((await http('GET', `${V}/servers/nope`, { headers: version('2.5') })).headers.get('openstack-api-version')).toBe('compute 2.5');
  });

  it('6: status codes that gophercloud accepts', async () => {
    const server = { name: 's', imageRef: IMAGE_ID, flavorRef: '1' };
    const expected: [string, string, unknown, number[], ('admin' | 'member')?][] = [
      ['POST', '/servers', { server }, [200, 202]], ['GET', `/servers/${SERVER_ID}`, undefined, [200, 203]], ['PUT', `/servers/${SERVER_ID}`, { server: { name: 'x' } }, [200]],
      ['DELETE', `/servers/${SERVER_ID}`, undefined, [202, 204]], ['POST', `/servers/${SERVER_ID}/action`, { 'os-start': null }, [200, 201, 202]],
      ['POST', `/servers/${SERVER_ID}/action`, { reboot: { type: 'HARD' } }, [201, 202]], ['POST', `/servers/${SERVER_ID}/action`, { 'os-getConsoleOutput': {} }, [200]],
      ['POST', '/os-keypairs', { keypair: { name: 'k' } }, [200, 201]], ['DELETE', '/os-keypairs/k', undefined, [202, 204]],
      ['POST', '/flavors', { flavor: { name: 'f', ram: 1, vcpus: 1, disk: 1 } }, [200, 201], 'admin'], ['DELETE', '/flavors/1', undefined, [202, 204], 'admin'],
      ['PUT', '/os-services/enable', { host: 'alpha', binary: 'nova-compute' }, [200], 'admin'], ['GET', '/limits', undefined, [200]], ['GET', `/servers/${SERVER_ID}/os-interface`, undefined, [200]],
    ];
    for (const [method, path, body, statuses, as = 'member'] of expected) {
      const { status } = await http(method, `${V}${path}`, { body, as });
      expect([method, path, statuses.includes(status), status]).toEqual([method, path, true, status]);
    }
  });

  it('7: errors are JSON with one object that has a message; nothing final is a 5xx but 501', async () => {
    const answers = [
      await http('GET', `${V}/servers`, { as: 'nobody' }), await http('GET', `${V}/servers/nope`), await http('POST', `${V}/servers`, { body: { server: { name: 1 } } }),
      await http('GET', `${V}/os-hypervisors`), await http('GET', `${V}/nothing/here`), await http('POST', `${V}/servers/${SERVER_ID}/action`, { body: { shelve: null } }), await http('PATCH', `${V}/servers`),
    ];
    expect(answers.map(({ status, body }) => [status, Object.keys(body)[0]])).toEqual([
      [401, 'error'], [404, 'itemNotFound'], [400, 'badRequest'], [403, 'forbidden'], [404, 'itemNotFound'], [501, 'notImplemented'], [404, 'itemNotFound'],
    ]);
    for (const { body, headers, status } of answers) {
      const [only, ...more] = Object.values(body);
      expect([typeof only.message, only.code, more, headers.get('content-type')]).toEqual(['string', status, [], expect.stringMatching(/^application\/json/)]);
    }
    expect(answers[0]?.headers.get('www-authenticate')).toBe(`Keystone uri="${base}/identity/v3"`);
  });

  it('7: a body over the limit is 413, and says so', async () => {
    const { status, body } = await http('POST', `${V}/servers`, { body: { server: { name: 'x'.repeat(1_100_000) } } });
    expect([status, body]).toMatchObject([413, { overLimit: { code: 413, message: expect.any(String) } }]);
  });

  it('8: a name where an id is looked for is 404; name= is a regular expression', async () => {
    for (const path of ['/servers/web', '/flavors/m1.nano', '/os-keypairs/other']) expect((await http('GET', `${V}${path}`)).status).toBe(404);
    cloud.questions(listServers);
    await http('GET', `${V}/servers?name=${encodeURIComponent('^web\\.1$')}`);
    expect(cloud.questions(listServers)[0]?.filters.name).toBe('^web\\.1$');
  });

  it('9: a walk by limit and marker ends', async () => {
    const all = Array.from({ length: 5 }, (_, index) => instance({ id: `6a1b5f10-5b1e-4a0e-8f0e-2c7f6a9d1e0${index}` as never, name: `s${index}` }));
    cloud.answer(listServers, ({ limit, marker }) => {
      const rest = all.slice(marker === undefined ? 0 : all.findIndex(({ id }) => id === marker) + 1);
      return { instances: rest.slice(0, limit), more: rest.length > limit };
    });
    const seen: string[] = [];
    for (let next: string | undefined = `${V}/servers?limit=2`, pages = 0; next !== undefined && pages < 10; pages += 1) {
      const { body } = await http('GET', next);
      seen.push(...body['servers'].map(({ name }: { name: string }) => name));
      next = (body['servers_links']?.[0].href as string | undefined)?.slice(base.length);
    }
    expect(seen).toEqual(['s0', 's1', 's2', 's3', 's4']);
    cloud.reset();
  });

  it('10: sort keys and directions may repeat', async () => {
    await http('GET', `${V}/servers?sort_key=display_name&sort_dir=asc&sort_key=created_at&sort_dir=desc`);
    expect(cloud.questions(listServers)[0]?.sort).toEqual([{ key: 'display_name', direction: 'asc' }, { key: 'created_at', direction: 'desc' }]);
  });

  it('11: dates in each API’s own form', async () => {
    const { server } = (await http('GET', `${V}/servers/${SERVER_ID}`)).body as { server: Record<string, string> };
    expect([server['created'], server['updated'], server['OS-SRV-USG:launched_at']]).toEqual(['2026-11-21T01:02:03Z', '2026-11-21T01:02:09Z', '2026-11-21T01:02:08.123000']);
    expect((await http('GET', `${V}/os-services`, { as: 'admin' })).body['services'][0].updated_at).toBe('2026-11-21T01:02:03.400000');
    expect((await http('GET', `${V}/os-keypairs/k`)).body['keypair'].created_at).toBe('2026-11-21T01:02:03.456000');
  });

  it('12: Location, and the request’s id on every answer', async () => {
    const created = await http('POST', `${V}/servers`, { body: { server: { name: 's', imageRef: IMAGE_ID, flavorRef: '1' } } });
    expect(Object.keys(created.body['server']).sort()).toEqual(['OS-DCF:diskConfig', 'adminPass', 'id', 'links', 'security_groups']);
    expect(created.headers.get('location')).toBe(`${base}${V}/servers/${created.body['server'].id}`);
    for (const answer of [created, await http('GET', `${V}/nothing`), await http('GET', `${V}/servers`, { as: 'nobody' })]) {
      expect(answer.headers.get('x-openstack-request-id')).toMatch(/^req-[0-9a-f-]{36}$/);
      expect(answer.headers.get('x-compute-request-id')).toBe(answer.headers.get('x-openstack-request-id'));
    }
  });

  it('13: types that strict clients parse', async () => {
    const { server } = (await http('GET', `${V}/servers/${SERVER_ID}`)).body as { server: Record<string, unknown> };
    expect(server).toMatchObject({ 'OS-EXT-STS:power_state': 1, 'OS-EXT-STS:vm_state': 'active', 'OS-EXT-AZ:availability_zone': 'nova', 'os-extended-volumes:volumes_attached': [], addresses: {}, image: { id: IMAGE_ID } });
    expect((await http('GET', `${V}/flavors/1`)).body['flavor']).toMatchObject({ swap: '', 'OS-FLV-EXT-DATA:ephemeral': 0, ram: 64 });
  });

  it('14: a delete is accepted, and 404 when repeated', async () => {
    expect((await http('DELETE', `${V}/servers/${SERVER_ID}`)).status).toBe(204);
    cloud.answer(deleteServer, ({ instanceId }) => { throw notFound(`Instance ${instanceId} could not be found.`); });
    expect((await http('DELETE', `${V}/servers/${SERVER_ID}`)).status).toBe(404);
    cloud.reset();
  });

  it('15: extensions: nothing that is absent', async () => {
    const aliases = (await http('GET', `${V}/extensions`)).body['extensions'].map(({ alias }: { alias: string }) => alias);
    for (const absent of ['os-shelve', 'os-volumes', 'os-attach-interfaces', 'os-security-groups', 'os-rescue', 'os-aggregates']) expect(aliases).not.toContain(absent);
  });

  it('16: slashes at the end and doubled ones', async () => {
    for (const path of [`${V}/servers/`, `/compute//v2.1/servers`, `/compute/v2.1//servers/detail/`, `//compute/v2.1/flavors`]) expect([path, (await http('GET', path)).status]).toEqual([path, 200]);
    expect((await http('GET', `/compute//v2.1//flavors/`, { headers: version('2.37') })).headers.get('openstack-api-version')).toBe('compute 2.37');
  });
});

describe('the distribution’s openstack client', () => {
  const run = promisify(execFile);
  const openstack = async (...command: string[]) => {
    const { stdout } = await run('openstack', ['--os-auth-type', 'admin_token', '--os-endpoint', `${base}${V}`, '--os-token', cloud.token('admin'), ...command], { env: { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8' }, timeout: 180_000 });
    return stdout;
  };
  const json = async (...command: string[]) => JSON.parse(await openstack(...command, '-f', 'json')) as any; // eslint-disable-line @typescript-eslint/no-explicit-any -- answers as people see them
  beforeAll(() => access('/usr/bin/openstack'));

  it('lists what hosts there are', async () => {
    expect(await json('hypervisor', 'list')).toMatchObject([{ ID: 1, 'Hypervisor Hostname': 'alpha', State: 'up' }]);
    expect(await json('compute', 'service', 'list')).toMatchObject([{ ID: HOST_ID, Binary: 'nova-compute', Host: 'alpha', Status: 'enabled', State: 'up' }]);
  });

  it('shows a flavor and makes a keypair', async () => {
    expect(await json('flavor', 'show', '1')).toMatchObject({ id: '1', name: 'm1.nano', ram: 64, properties: { 'hw:cpu_policy': 'dedicated' } });
    expect(await openstack('keypair', 'create', 'k')).toContain('SECRET');
  });

  it('stops, starts and reboots a server, reads its console, and sets a service', async () => {
    expect(await openstack('console', 'log', 'show', SERVER_ID)).toContain('ready');
    await openstack('server', 'stop', SERVER_ID);
    await openstack('server', 'reboot', '--hard', SERVER_ID);
    await openstack('compute', 'service', 'set', '--disable', '--disable-reason', 'x', 'alpha', 'nova-compute');
    expect(cloud.asked.map(({ subject, input }) => [subject, input['type'] ?? input['disabledReason']])).toEqual(expect.arrayContaining([
      ['svc.compute.servers.console-log', undefined], ['svc.compute.servers.stop', undefined], ['svc.compute.servers.reboot', 'hard'], ['svc.scheduler.hosts.update', 'x'],
    ]));
  });
});
