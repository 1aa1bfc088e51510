/** A server's devices: which ones of its host they are is not for its project. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { getServer, listDevices, readScheduling, type Layout } from '#libs/contracts';
import { claimedDevice, device, DEVICE_ID, HOST_ID, instance, PROJECT, SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const layout: Layout = { cells: [], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false, devices: [claimedDevice()] };
const seen = { class: 'fast-net', tag: 'data', mac: 'fa:16:3e:00:00:07', vlan: 100, physicalNetwork: 'lan1' };
const server = { id: SERVER_ID, name: 's1', projectId: PROJECT, intent: 'running', step: 'settled', availabilityZone: 'nova' };

describe('GET /v1/servers/{id}', () => {
  it('tells its project what it has', async () => {
    cloud.answer(getServer, () => instance({ layout }));
    const { body, text } = await cloud.call('GET', `/v1/servers/${SERVER_ID}`, { as: 'reader' });
    expect(body).toEqual({ server: { ...server, devices: [seen] } });
    expect(text).not.toMatch(/alpha|vf:2|01:10|5b0f6a53/);
    expect(cloud.questions(listDevices)).toEqual([]);
  });

  it('tells administrators where it is, at which hold and how it is now', async () => {
    cloud.answer(getServer, () => instance({ layout }));
    cloud.answer(listDevices, () => ({ devices: [device()], next: null }));
    const on = { id: DEVICE_ID, identity: 'mac:00:11:22:33:44:55/vf:2', generation: 3, numaNode: 0, attach: 'interface' };
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}`, { as: 'admin' })).body).toEqual({ server: { ...server, host: 'alpha', devices: [{ ...seen, on: { ...on, address: '0000:01:10.4', state: 'in-use', reason: null } }] } });
    cloud.answer(listDevices, () => ({ devices: [], next: null }));
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}`, { as: 'admin' })).body.server.devices[0].on).toEqual({ ...on, address: null, state: null, reason: null });
  });

  it('says that there is none, and asks nobody', async () => {
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}`, { as: 'admin' })).body.server.devices).toEqual([]);
    expect(cloud.questions(listDevices)).toEqual([]);
    expect((await cloud.call('GET', `/v1/servers/${HOST_ID}`)).status).toBe(404);
    expect((await cloud.call('GET', '/v1/servers/nope')).status).toBe(404);
  });

  it('where a server was placed: its devices as its project may know them', async () => {
    cloud.answer(readScheduling, () => ({ instanceId: SERVER_ID, step: 'settled', explanation: null, placed: { host: 'alpha', availabilityZone: 'nova', at: null, resources: {}, layout } }));
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}/scheduling`)).body.placed.layout).toEqual({ cells: [], devices: [seen] });
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}/scheduling`, { as: 'admin' })).body.placed.layout.devices).toEqual([claimedDevice()]);
  });
});
