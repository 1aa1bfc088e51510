import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createServers } from '#libs/contracts';
import { IMAGE_ID, instance } from '../testing/samples.js';
import { ScriptedCloud } from '../testing/scripted-cloud.js';

describe('the brakes of a project, at the door', () => {
  let cloud: ScriptedCloud;
  beforeAll(async () => { cloud = await ScriptedCloud.start('http://cloud.test', { brakes: { requestsPerS: 1, burst: 4, createsInFlight: 1, readsInFlight: 64 } }); });
  afterAll(async () => { await cloud.stop(); });
  afterEach(() => { jest.restoreAllMocks(); });
  /** The bucket fills while requests are on their way: for a test that counts them, no time passes. */
  const stopClock = (): void => { jest.spyOn(performance, 'now').mockReturnValue(performance.now()); };
  const as = (project: string, role: 'member' | 'admin' = 'member') => ({ 'x-auth-token': cloud.token(role, project.repeat(32)) });
  const create = (project: string) => cloud.call('POST', '/compute/v2.1/servers', { headers: as(project), body: { server: { name: 's', imageRef: IMAGE_ID, flavorRef: '1' } } });

  it('refuse with 429 in the service’s own words and say when to come again; other projects are not touched', async () => {
    stopClock();
    for (let n = 0; n < 4; n += 1) expect((await cloud.call('GET', '/compute/v2.1/flavors', { headers: as('a') })).status).toBe(200);
    const compute = await cloud.call('GET', '/compute/v2.1/flavors', { headers: as('a') });
    expect([compute.status, compute.headers['retry-after'], compute.body]).toEqual([429, '1', { overLimit: { code: 429, message: expect.stringMatching(/at most 1 a second, 4 at once/), retryAfter: '1' } }]);
    const own = await cloud.call('GET', '/v1/events', { headers: as('a') });
    expect([own.status, own.headers['retry-after'], own.body.error.kind]).toEqual([429, '1', 'too-many-requests']);
    expect((await cloud.call('GET', '/compute/v2.1/flavors', { headers: as('b') })).status).toBe(200);
  });

  it('hold administrators too, in their own project', async () => {
    stopClock();
    const statuses: number[] = [];
    for (let n = 0; n < 5; n += 1) statuses.push((await cloud.call('GET', '/v1/hosts', { headers: as('c', 'admin') })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
  });

  it('do not count who has no token, nor what is public', async () => {
    for (let n = 0; n < 6; n += 1) expect([(await cloud.call('GET', '/compute', { as: 'nobody' })).status, (await cloud.call('GET', '/compute/v2.1/servers', { as: 'nobody' })).status]).toEqual([200, 401]);
  });

  it('let so many creates be under way, and free the room when one has been answered', async () => {
    let go = (): void => undefined;
    const waiting = new Promise<void>((done) => { go = done; });
    cloud.answer(createServers, (async ({ instanceIds }: { instanceIds: string[] }) => { await waiting; return { instances: instanceIds.map((id) => instance({ id: id as never })) }; }) as never);
    cloud.asked.length = 0;
    const first = create('d');
    while (cloud.asked.length === 0) await new Promise((done) => setTimeout(done, 5));
    const second = await create('d');
    expect([second.status, second.body.overLimit.message]).toEqual([429, expect.stringMatching(/has 1 creates and actions under way/)]);
    expect((await cloud.call('GET', '/compute/v2.1/flavors', { headers: as('d') })).status).toBe(200);
    go();
    expect((await first).status).toBe(202);
    expect((await create('d')).status).toBe(202);
  });
});
