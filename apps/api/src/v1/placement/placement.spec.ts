/** Questions about placement: what admins and tenants see. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { askCapacity, askFit, getPlacementRules, readScheduling, type FitAnswer, type OutputOf } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';
import { GROUP_ID, HOST_ID, SERVER_ID } from '../../testing/samples.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const explanation = { hostsConsidered: 2, snapshotAt: '2026-11-21T01:02:03.400Z', filters: [{ name: 'memory', refused: 2, reason: '2 hosts have less than 4096 MiB of memory free (most: 1024).', hosts: [{ name: 'alpha', needed: 4096, free: 1024 }] }], nearest: { name: 'alpha', blockers: [{ filter: 'memory', needed: 4096, free: 1024 }] } };
const fitting: FitAnswer = { fits: 3, most: 3, hosts: [{ id: HOST_ID as never, name: 'alpha', availabilityZone: 'nova', count: 2 }, { id: HOST_ID as never, name: 'beta', availabilityZone: 'nova', count: 1 }], explanation };
const scheduling: OutputOf<typeof readScheduling> = {
  instanceId: SERVER_ID as never, step: 'settled', explanation,
  placed: {
    host: 'alpha', availabilityZone: 'nova', at: '2026-11-21T01:02:03.400Z', resources: { PCPU: 2, MEMORY_MB: 1024 },
    layout: { cells: [{ hostCell: 1, memoryMib: 1024, pageKib: 2048, pins: [{ guest: 0, host: 12 }, { guest: 1, host: 13 }], floating: [] }], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false },
  },
};

describe('/v1/placement', () => {
  it('asks how many fit; hosts are for admins', async () => {
    cloud.answer(askFit, () => fitting);
    const body = { flavor: '1', count: 5, availability_zone: 'nova', group: GROUP_ID, same_host: [SERVER_ID] };
    expect((await cloud.call('POST', '/v1/placement/fit', { as: 'admin', body })).body).toEqual({ asked: 5, fits: 3, most: 3, zones: [{ name: 'nova', count: 3 }], hosts: fitting.hosts, explanation });
    expect(cloud.questions(askFit)).toMatchObject([{ flavorId: '1', imageId: null, count: 5, availabilityZone: 'nova', requestedHost: null, groupId: GROUP_ID, hints: { sameHost: [SERVER_ID], differentHost: [] } }]);
    const tenant = await cloud.call('POST', '/v1/placement/fit', { as: 'reader', body });
    expect(tenant.body).toMatchObject({ asked: 5, fits: 3, zones: [{ name: 'nova', count: 3 }], explanation: { filters: [{ name: 'memory', refused: 2, reason: expect.any(String) }] } });
    expect(tenant.text).not.toMatch(/alpha|beta/);
  });

  it.each([{}, { flavor: '1', count: 0 }, { flavor: '1', count: 1_001 }, { flavor: '1', image: 'x' }, { flavor: '1', colour: 'red' }])('refuses %j', async (body) => {
    expect((await cloud.call('POST', '/v1/placement/fit', { body })).status).toBe(400);
  });

  it('tells capacity to everybody with a project, the policy to admins', async () => {
    const capacity = { at: '2026-11-21T01:02:03.400Z', flavors: [{ id: '1', name: 'm1.tiny', problem: null, zones: [{ name: 'nova', fits: 12 }] }] };
    cloud.answer(askCapacity, () => capacity);
    expect((await cloud.call('GET', '/v1/placement/capacity', { as: 'reader' })).body).toEqual(capacity);
    const rules: OutputOf<typeof getPlacementRules> = { strategy: 'spread', filters: [{ name: 'alive' }], weighers: [{ name: 'ram', kind: 'load', multiplier: 1 }] };
    cloud.answer(getPlacementRules, () => rules);
    expect((await cloud.call('GET', '/v1/placement/policy', { as: 'admin' })).body).toEqual({ policy: rules });
    expect((await cloud.call('GET', '/v1/placement/policy')).status).toBe(403);
  });

  it('tells where a server is and why: hosts and their numbers are for admins', async () => {
    cloud.answer(readScheduling, ({ instanceId }) => { if (instanceId !== SERVER_ID) throw notFound(`Instance ${instanceId} could not be found.`); return scheduling; });
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}/scheduling`, { as: 'admin' })).body).toEqual({ server: SERVER_ID, step: 'settled', placed: scheduling.placed, explanation });
    const tenant = await cloud.call('GET', `/v1/servers/${SERVER_ID}/scheduling`);
    expect(tenant.body).toEqual({
      server: SERVER_ID, step: 'settled',
      placed: { availabilityZone: 'nova', at: scheduling.placed!.at, resources: { PCPU: 2, MEMORY_MB: 1024 }, layout: { cells: [{ memoryMib: 1024, pageKib: 2048, pinned: [0, 1], floating: [] }] } },
      explanation: { hostsConsidered: 2, snapshotAt: explanation.snapshotAt, filters: [{ name: 'memory', refused: 2, reason: explanation.filters[0]!.reason }] },
    });
    expect(tenant.text).not.toContain('alpha');
    expect((await cloud.call('GET', `/v1/servers/${HOST_ID}/scheduling`)).status).toBe(404);
    expect((await cloud.call('GET', '/v1/servers/nope/scheduling')).status).toBe(404);
  });
});
