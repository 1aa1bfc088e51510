import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { adoptHosts, fenceHost, hostServers, inspectHost, setHostPower, setHostRestart, unfenceHost, viewAdoption } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { host, HOST_ID, SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
const fence = { id: SERVER_ID as string, hostId: HOST_ID, epoch: 1, method: 'statement', phase: 'tell', statement: 'x', proof: null, userId: 'u', lastError: null, createdAt: '2026-11-21T01:02:03.400Z', doneAt: null };
const adoption = { incarnation: 2, hosts: [{ id: HOST_ID, name: 'alpha', adopted: false, problem: null, findings: [{ instanceId: SERVER_ID, name: 's1', finding: 'unknown', detail: 'd' }] }] };

beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());
const script = (): void => {
  cloud.answer(fenceHost, () => fence);
  cloud.answer(unfenceHost, () => host({ fenced: true }));
  cloud.answer(setHostRestart, () => host({ restart: 'alone' }));
  cloud.answer(setHostPower, () => ({}));
  cloud.answer(inspectHost, () => ({ events: [], fence, power: { kind: 'ipmi', address: 'bmc', username: 'root' }, alarms: ['lost'] }));
  cloud.answer(hostServers, () => ({ servers: [], leftovers: [], orphans: [], returnedAt: null }));
  cloud.answer(viewAdoption, () => adoption);
  cloud.answer(adoptHosts, () => adoption);
};

describe('lost hosts', () => {
  it('are fenced by a statement, and taken back', async () => {
    script();
    expect(await cloud.call('POST', '/v1/hosts/alpha/fence', { as: 'admin', body: { statement: '  it is off  ' } })).toMatchObject({ status: 202, body: { fence: { phase: 'tell' } } });
    expect(cloud.questions(fenceHost)).toMatchObject([{ hostId: HOST_ID, method: 'statement', statement: 'it is off', force: false, caller: { isAdmin: true } }]);
    expect(await cloud.call('POST', `/v1/hosts/${HOST_ID}/unfence`, { as: 'admin' })).toMatchObject({ status: 202, body: { host: { fenced: true } } });
    cloud.answer(fenceHost, () => { throw conflict('Host alpha is not gone (it answers).'); });
    expect(await cloud.call('POST', '/v1/hosts/alpha/fence', { as: 'admin', body: { statement: 'it is off' } })).toMatchObject({ status: 409, body: { error: { kind: 'conflict', message: 'Host alpha is not gone (it answers).' } } });
  });

  it('are shown with everything, and never with a password', async () => {
    script();
    const power = { kind: 'redfish', address: 'bmc', username: 'root', password: 'hunter2' };
    expect(await cloud.call('PUT', '/v1/hosts/alpha/power', { as: 'admin', body: power })).toMatchObject({ status: 200, body: {} });
    expect(await cloud.call('DELETE', '/v1/hosts/alpha/power', { as: 'admin' })).toMatchObject({ status: 204 });
    expect(cloud.questions(setHostPower)).toMatchObject([{ power }, { power: null }]);
    const shown = await cloud.call('GET', '/v1/hosts/alpha/details', { as: 'admin' });
    expect(shown).toMatchObject({ status: 200, body: { host: { name: 'alpha' }, alarms: ['lost'], power: { kind: 'ipmi' } } });
    expect(shown.text).not.toContain('hunter2');
    expect(await cloud.call('PUT', '/v1/hosts/alpha/restart', { as: 'admin', body: { restart: 'alone' } })).toMatchObject({ status: 200, body: { host: { restart: 'alone' } } });
  });

  it('are adopted after a restore', async () => {
    script();
    expect(await cloud.call('GET', '/v1/adoption', { as: 'admin' })).toMatchObject({ status: 200, body: { adoption } });
    expect(await cloud.call('POST', '/v1/adoption', { as: 'admin', body: { statement: 'the disk was lost' } })).toMatchObject({ status: 200, body: { adoption } });
    await cloud.call('POST', '/v1/adoption', { as: 'admin', body: { statement: 'the disk was lost', hosts: ['alpha'] } });
    expect(cloud.questions(adoptHosts).map(({ hostIds }) => hostIds)).toEqual([null, [HOST_ID]]);
  });

  it.each<[string, string, unknown]>([
    ['POST', '/v1/hosts/alpha/fence', {}], ['POST', '/v1/hosts/alpha/fence', { statement: 'x' }], ['POST', '/v1/hosts/alpha/fence', { statement: 'it is off', method: 'wish' }],
    ['PUT', '/v1/hosts/alpha/power', { kind: 'ipmi' }], ['PUT', '/v1/hosts/alpha/power', { kind: 'redfish', address: 'a', username: 'u', password: 'p', certificateSha256: 'AB' }],
    ['PUT', '/v1/hosts/alpha/restart', { restart: 'never' }], ['POST', '/v1/adoption', {}],
  ])('%s %s %j: 400', async (method, url, body) => { expect((await cloud.call(method, url, { as: 'admin', body })).status).toBe(400); });

  it.each([['POST', '/v1/hosts/alpha/fence'], ['POST', '/v1/hosts/alpha/unfence'], ['GET', '/v1/hosts/alpha/details'], ['PUT', '/v1/hosts/alpha/power'], ['DELETE', '/v1/hosts/alpha/power'], ['PUT', '/v1/hosts/alpha/restart'], ['GET', '/v1/adoption'], ['POST', '/v1/adoption']])('%s %s is for admins', async (method, url) => {
    expect((await cloud.call(method, url, { body: method === 'GET' || method === 'DELETE' ? undefined : {} })).status).toBe(403);
  });
});
