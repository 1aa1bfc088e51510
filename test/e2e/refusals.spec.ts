import { beforeAll, describe, expect, it } from '@jest/globals';
import { api, eventually, openstack, script, type Api } from '../support/cloud.js';

/** Every refusal explains itself, in that service's own error body. */
describe('refusals', () => {
  let cloud: Api;
  let imageRef: string;
  const V237 = { 'openstack-api-version': 'compute 2.37' };
  beforeAll(async () => {
    cloud = await api();
    imageRef = ((await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).body.images as { id: string }[])[0]?.id ?? '';
  });
  const create = (change: object, headers: Record<string, string> = V237) => cloud.call('POST', '/compute/v2.1/servers', { server: { name: 'r', imageRef, flavorRef: '42', networks: 'none', ...change } }, headers);

  it('a server that fits nowhere is accepted, then in ERROR with filters and numbers, and inspect explains it', async () => {
    const flavor = await cloud.call('POST', '/compute/v2.1/flavors', { flavor: { id: 'huge', name: 'huge', ram: 900_000_000, vcpus: 1, disk: 1 } });
    expect(flavor.status).toBe(200);
    const { status, body } = await create({ name: 'too-big', flavorRef: 'huge' });
    expect(status).toBe(202);
    const { id } = body.server as { id: string };
    const server = await eventually('ERROR', 180_000, async () => {
      const now = (await cloud.call('GET', `/compute/v2.1/servers/${id}`)).body.server as { status: string; fault: { code: number; message: string } };
      return now.status === 'ERROR' && now;
    });
    expect(server.fault.message).toMatch(/No valid host was found/);
    expect(server.fault.message).toMatch(/3 /);
    expect(server.fault.message).toMatch(/900000000/);
    const inspect = script('skylite', ['inspect', 'server', id]);
    expect([inspect.status, inspect.stderr]).toEqual([0, '']);
    expect(inspect.stdout).toMatch(/memory.*refused 3/i);
    expect(inspect.stdout).toMatch(/needed 900000000/);
    await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
    await cloud.call('DELETE', '/compute/v2.1/flavors/huge');
  });

  it.each([
    ['an unknown flavor', { flavorRef: 'nope' }, 400, /flavor/i],
    ['an unknown image', { imageRef: '00000000-0000-4000-8000-000000000000' }, 400, /image/i],
    ['an unknown zone', { availability_zone: 'mars' }, 400, /zone/i],
    ['a name that is too long', { name: 'x'.repeat(256) }, 400, /name/i],
    ['an empty name', { name: '' }, 400, /name/i],
    ['a network', { networks: [{ uuid: '00000000-0000-4000-8000-000000000000' }] }, 400, /network/i],
    ['an unknown key', { key_name: 'nope' }, 400, /key/i],
    ['user data that is not base64', { user_data: '***' }, 400, /user_data|base64/i],
    ['a property nobody knows', { colour: 'red' }, 400, /colour/],
  ])('%s', async (_what, change, code, words) => {
    const { status, body } = await create(change);
    expect([status, Object.keys(body)]).toEqual([code, ['badRequest']]);
    expect((body.badRequest as { message: string }).message).toMatch(words);
  });

  it('malformed JSON, a body over the limit, an unsupported microversion', async () => {
    const malformed = await cloud.call('POST', '/compute/v2.1/servers', '{"server":', V237);
    expect([malformed.status, Object.keys(malformed.body)]).toEqual([400, ['badRequest']]);
    const large = await cloud.call('POST', '/compute/v2.1/servers', JSON.stringify({ server: { name: 'x'.repeat(3_000_000) } }), V237);
    expect(large.status).toBe(413);
    const version = await cloud.call('GET', '/compute/v2.1/servers', undefined, { 'openstack-api-version': 'compute 2.999' });
    expect([version.status, (version.body.computeFault as { message: string }).message]).toEqual([406, expect.stringMatching(/2\.999.*Minimum is 2\.1 and maximum is 2\.96/)]);
  });

  it('a wrong password and a foreign token, without a hint why', async () => {
    await expect(openstack(['--os-password', 'wrong', 'token', 'issue'])).rejects.toThrow(/requires authentication.*401/s);
    const foreign = await cloud.call('GET', '/compute/v2.1/servers', undefined, { 'x-auth-token': 'eyJhbGciOiJub25lIn0.e30.' });
    expect([foreign.status, (foreign.body.error as { message: string }).message]).toEqual([401, 'The request you have made requires authentication.']);
  });

  it("another project's server is not found", async () => {
    const mine = await create({ name: 'mine' });
    const { id } = mine.body.server as { id: string };
    const demo = await api('demo-openrc');
    expect((await demo.call('GET', `/compute/v2.1/servers/${id}`)).status).toBe(404);
    expect((await demo.call('DELETE', `/compute/v2.1/servers/${id}`)).status).toBe(404);
    expect((await demo.call('GET', '/v1/hosts')).status).toBe(403);
    await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
  });
});
