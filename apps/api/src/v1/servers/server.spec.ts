/** A server's devices: which ones of its host they are is not for its project. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { attachDevices, detachDevices, getServer, listDevices, listServerDevices, readScheduling, type Layout } from '#libs/contracts';
import { claimedDevice, device, DEVICE_ID, HOST_ID, instance, PROJECT, SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const layout: Layout = { cells: [], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false, devices: [claimedDevice()] };
const seen = { class: 'fast-net', tag: 'data', mac: 'fa:16:3e:00:00:07', vlan: 100, physicalNetwork: 'lan1' };
const there = { ...seen, attachment: null, state: 'attached', reason: null };
const server = { id: SERVER_ID, name: 's1', projectId: PROJECT, intent: 'running', step: 'settled', availabilityZone: 'nova' };

describe('GET /v1/servers/{id}', () => {
  it('tells its project what it has', async () => {
    cloud.answer(getServer, () => instance({ layout }));
    const { body, text } = await cloud.call('GET', `/v1/servers/${SERVER_ID}`, { as: 'reader' });
    expect(body).toEqual({ server: { ...server, devices: [there] } });
    expect(text).not.toMatch(/alpha|vf:2|01:10|5b0f6a53/);
    expect(cloud.questions(listDevices)).toEqual([]);
  });

  it('tells administrators where it is, at which hold and how it is now', async () => {
    cloud.answer(getServer, () => instance({ layout }));
    cloud.answer(listDevices, () => ({ devices: [device()], next: null }));
    const on = { id: DEVICE_ID, identity: 'mac:00:11:22:33:44:55/vf:2', generation: 3, numaNode: 0, attach: 'interface' };
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}`, { as: 'admin' })).body).toEqual({ server: { ...server, host: 'alpha', devices: [{ ...there, on: { ...on, address: '0000:01:10.4', state: 'in-use', reason: null } }] } });
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

describe('/v1/servers/{id}/devices', () => {
  const id = 'a77ac4ed-0000-4000-8000-000000000001';
  const attachment = { id, className: 'fast-net', count: 2, tag: 'data', vlan: 100, numaPolicy: null, state: 'attaching' as const, reason: null, createdAt: '2026-01-01T00:00:00.000Z' };
  const shown = { id, class: 'fast-net', count: 2, tag: 'data', vlan: 100, numa_policy: null, state: 'attaching', reason: null, created_at: attachment.createdAt };
  const path = `/v1/servers/${SERVER_ID}/devices`;

  it('attach: members ask for it; the id is the same when the request is repeated', async () => {
    cloud.answer(attachDevices, () => ({ attachments: [attachment] }));
    const ask = () => cloud.call('POST', path, { body: { class: 'fast-net', count: 2, vlan: 100, tag: 'data' }, headers: { 'idempotency-key': 'one' } });
    expect(await ask()).toMatchObject({ status: 202, body: { attachments: [shown] } });
    expect(cloud.questions(attachDevices)).toMatchObject([{ instanceId: SERVER_ID, className: 'fast-net', count: 2, vlan: 100, tag: 'data', numaPolicy: null, attachment: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);
    expect((await cloud.call('POST', path, { body: { class: 'fast-net' }, as: 'reader' })).status).toBe(403);
    for (const body of [{}, { class: 'X' }, { class: 'a', count: 0 }, { class: 'a', count: 33 }, { class: 'a', vlan: 4095 }, { class: 'a', tag: '' }, { class: 'a', more: 1 }]) expect((await cloud.call('POST', path, { body })).status).toBe(400);
  });

  it('detach, and what there is', async () => {
    cloud.answer(detachDevices, () => ({ attachments: [{ ...attachment, state: 'detaching' as const, reason: 'needs guest stop: it is deaf' }] }));
    expect(await cloud.call('DELETE', `${path}/${id}`)).toMatchObject({ status: 202, body: { attachments: [{ id, state: 'detaching', reason: 'needs guest stop: it is deaf' }] } });
    expect([(await cloud.call('DELETE', `${path}/nope`)).status, (await cloud.call('DELETE', `${path}/${id}`, { as: 'reader' })).status]).toEqual([404, 403]);
    const [{ need: _need, tag, ...claimed }] = [claimedDevice()];
    cloud.answer(listServerDevices, () => ({ devices: [{ ...claimed, tag: tag ?? null, attachment: id, state: 'attaching' as const, reason: null }], attachments: [attachment] }));
    const { body, text } = await cloud.call('GET', path, { as: 'reader' });
    expect(body).toEqual({ devices: [{ ...seen, attachment: id, state: 'attaching', reason: null }], attachments: [shown] });
    expect(text).not.toMatch(/alpha|vf:2|01:10|5b0f6a53/);
  });
});
