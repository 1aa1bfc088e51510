/** Devices, classes, pools and topology at the door: what is asked of the scheduler, and what is refused before it is asked. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createDeviceClass, createDevicePool, deleteDeviceClass, deleteDevicePool, deviceHistory, getHostTopology, listDeviceClasses, listDevicePools, listDevices, releaseDevice, rescanDevices, updateDeviceClass, updateDevicePool, type HostTopology,
} from '#libs/contracts';
import { conflict } from '#libs/errors';
import { DEVICE_ID, device, deviceClass, devicePlan, devicePool, HOST_ID, POOL_ID, SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const admin = (method: string, url: string, body?: unknown) => cloud.call(method, url, { as: 'admin', body });
const refusal = { code: 'vfs-in-use', sentence: 'A VF of node1 is held.', servers: [{ id: SERVER_ID, hostName: 'alpha', identity: 'mac:00:11:22:33:44:55/vf:2' }] };

describe('/v1/device-classes', () => {
  const body = { name: 'fast-net', match: { vendor: ['8086'] } };

  it('makes one, with defaults; a dry run makes none and is no 201', async () => {
    cloud.answer(createDeviceClass, ({ dryRun }) => ({ class: dryRun ? null : deviceClass(), plan: devicePlan() }));
    expect(await admin('POST', '/v1/device-classes', body)).toMatchObject({ status: 201, body: { class: { name: 'fast-net' }, plan: { hosts: 1 } } });
    expect(await admin('POST', '/v1/device-classes?dry_run=true&yes_really=true', body)).toMatchObject({ status: 200, body: { class: null, plan: { hosts: 1 } } });
    expect(cloud.questions(createDeviceClass)).toMatchObject([
      { dryRun: false, yesReally: false, caller: { isAdmin: true }, class: { ...body, numaPolicy: 'legacy', attach: 'auto', sanitizer: 'reset' } }, { dryRun: true, yesReally: true },
    ]);
  });

  it.each<[unknown, RegExp]>([
    [{ ...body, match: { vendors: ['8086'] } }, /match: .*'vendors' was unexpected/], [{ ...body, colour: 1 }, /'colour' was unexpected/], [{ ...body, name: 'Fast Net' }, /name: 'Fast Net' does not match/],
    [{ ...body, match: { vendor: ['0x8086'] } }, /match.vendor.0: '0x8086' does not match/], [{ ...body, sanitizer: 'none' }, /sanitizer: 'none' is not one of \['reset', 'quarantine', 'operator-accepts'\]/], [{ name: 'x' }, /'match' is a required property/],
  ])('refuses %j and says why', async (wrong, words) => {
    expect(await admin('POST', '/v1/device-classes', wrong)).toMatchObject({ status: 400, body: { error: { kind: 'bad-request', message: expect.stringMatching(words) } } });
    expect(cloud.asked).toEqual([]);
  });

  it('shows, changes and deletes by name', async () => {
    cloud.answer(listDeviceClasses, ({ name }) => ({ classes: [deviceClass()].filter((each) => name === undefined || each.name === name) }));
    cloud.answer(updateDeviceClass, () => ({ class: deviceClass({ sanitizer: 'quarantine' }), plan: devicePlan() }));
    cloud.answer(deleteDeviceClass, () => { throw conflict('The pool net1 has this class.', { details: { plan: devicePlan({ refusals: [refusal] as never }) } }); });
    expect((await admin('GET', '/v1/device-classes')).body.classes).toMatchObject([{ name: 'fast-net', counts: { total: 4 } }]);
    expect((await admin('GET', '/v1/device-classes/fast-net')).body.class.pools).toEqual(['net1']);
    for (const nobody of ['slow-net', 'Not A Name']) expect(await admin('GET', `/v1/device-classes/${encodeURIComponent(nobody)}`)).toMatchObject({ status: 404, body: { error: { message: `There is no device class ${nobody}.` } } });
    cloud.asked.length = 0;
    expect((await admin('PATCH', '/v1/device-classes/fast-net', { sanitizer: 'quarantine' })).body.class.sanitizer).toBe('quarantine');
    expect(cloud.questions(updateDeviceClass)).toMatchObject([{ name: 'fast-net', change: { sanitizer: 'quarantine' } }]);
    expect(await admin('DELETE', '/v1/device-classes/fast-net')).toMatchObject({ status: 409, body: { error: { kind: 'conflict', message: 'The pool net1 has this class.', details: { plan: { refusals: [{ servers: [{ id: SERVER_ID }] }] } } } } });
  });

  it('changes exactly what is said', async () => {
    cloud.answer(updateDeviceClass, () => ({ class: deviceClass(), plan: devicePlan() }));
    await admin('PATCH', '/v1/device-classes/fast-net', {});
    expect(cloud.questions(updateDeviceClass)[0]!.change).toEqual({});
  });
});

describe('/v1/device-pools', () => {
  const body = { name: 'net1', className: 'fast-net', mode: 'vfs', match: { vendor: ['8086'], product: ['10c9'] }, vfCount: 4 };

  it('makes one under an id of its own, asks for the plan, and passes on what stands against it', async () => {
    cloud.answer(createDevicePool, ({ pool, dryRun }) => ({ pool: dryRun ? null : devicePool({ id: pool.id }), plan: devicePlan() }));
    const made = await admin('POST', '/v1/device-pools', body);
    expect(made).toMatchObject({ status: 201, body: { pool: { name: 'net1' }, plan: { counts: { 'make-vfs': 1 } } } });
    expect(await admin('POST', '/v1/device-pools?dry_run=true', body)).toMatchObject({ status: 200, body: { pool: null } });
    expect(cloud.questions(createDevicePool)).toMatchObject([
      { pool: { ...body, id: made.body.pool.id, driver: 'vfio-pci', policy: { trust: false, spoofCheck: true, macPrefix: 'fa:16:3e' }, groupTogether: true, physicalNetwork: null }, dryRun: false, yesReally: false }, { dryRun: true },
    ]);
    cloud.answer(createDevicePool, () => { throw conflict('It would pass the interface of the default route.', { details: { plan: devicePlan({ warnings: [{ code: 'protected', sentence: 'x' }] }) } }); });
    expect(await admin('POST', '/v1/device-pools', body)).toMatchObject({ status: 409, body: { error: { details: { plan: { warnings: [{ code: 'protected' }] } } } } });
  });

  it.each<[unknown, RegExp]>([
    [{ ...body, id: POOL_ID }, /'id' was unexpected/], [{ ...body, vfCount: 0 }, /vfCount: 0 is less than the minimum of 1/], [{ ...body, policy: { vlans: [0] } }, /policy.vlans.0: 0 is less than/], [{ ...body, policy: { vlan: [1] } }, /policy: .*'vlan' was unexpected/],
    [{ ...body, policy: { macPrefix: '01:00:5e' } }, /macPrefix/], [{ ...body, match: { slots: [] } }, /'slots' was unexpected/], [{ ...body, mode: 'all' }, /mode: 'all' is not one of \['vfs', 'functions'\]/],
  ])('refuses %j and says why', async (wrong, words) => {
    expect(await admin('POST', '/v1/device-pools', wrong)).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(words) } } });
  });

  it('refuses a flag that is neither', async () => {
    for (const query of ['dry_run=yes', 'yes_really', 'dryrun=true']) expect((await admin('POST', `/v1/device-pools?${query}`, body)).status).toBe(400);
    expect(cloud.asked).toEqual([]);
  });

  it('shows, changes and deletes by id and by name', async () => {
    cloud.answer(listDevicePools, ({ id, name, className }) => ({ pools: [devicePool()].filter((each) => (id === undefined || id === each.id) && (name === undefined || name === each.name) && (className === undefined || className === each.className)) }));
    cloud.answer(updateDevicePool, () => ({ pool: devicePool(), plan: devicePlan() }));
    cloud.answer(deleteDevicePool, () => ({ plan: devicePlan() }));
    expect((await admin('GET', '/v1/device-pools?class=fast-net')).body.pools).toHaveLength(1);
    expect((await admin('GET', '/v1/device-pools?class=slow-net')).body.pools).toEqual([]);
    for (const id of [POOL_ID, 'net1']) expect((await admin('GET', `/v1/device-pools/${id}`)).body.pool.id).toBe(POOL_ID);
    expect(await admin('GET', '/v1/device-pools/net2')).toMatchObject({ status: 404, body: { error: { message: 'There is no device pool net2.' } } });
    cloud.asked.length = 0;
    // Of the policy, too, what is not said stays.
    await admin('PATCH', '/v1/device-pools/net1?yes_really=true', { vfCount: null, policy: { vlans: [7] } });
    const [asked] = cloud.questions(updateDevicePool);
    expect(asked).toMatchObject({ id: POOL_ID, yesReally: true, dryRun: false });
    expect(asked!.change).toEqual({ vfCount: null, policy: { vlans: [7] } });
    expect(await admin('PATCH', '/v1/device-pools/net1', { className: 'other' })).toMatchObject({ status: 400 });
    expect(await admin('DELETE', '/v1/device-pools/net1?dry_run=true')).toMatchObject({ status: 200, body: { plan: { hosts: 1 } } });
    expect(cloud.questions(deleteDevicePool)).toMatchObject([{ id: POOL_ID, dryRun: true }]);
  });
});

describe('/v1/devices', () => {
  it('lists by host, class, pool, state and holder, page by page', async () => {
    cloud.answer(listDevicePools, () => ({ pools: [devicePool()] }));
    cloud.answer(listDevices, ({ after }) => ({ devices: [device()], next: after === null ? { hostName: 'alpha', identity: 'mac:00:11:22:33:44:55/vf:2' } : null }));
    const first = await admin('GET', `/v1/devices?host=alpha&class=fast-net&pool=net1&state=in-use,claimed&state=quarantined&holder=${SERVER_ID}&kind=vf&device=0000:01:10.4&pf=mac:00:11:22:33:44:55&limit=1`);
    expect(first).toMatchObject({ status: 200, body: { devices: [{ id: DEVICE_ID, device: { address: '0000:01:10.4' } }], next: expect.any(String) } });
    const second = await admin('GET', `/v1/devices?marker=${first.body.next}`);
    expect(second.body.next).toBeNull();
    expect(cloud.questions(listDevices)).toEqual([
      { hostId: HOST_ID, className: 'fast-net', poolId: POOL_ID, state: ['in-use', 'claimed', 'quarantined'], holder: SERVER_ID, kind: 'vf', device: '0000:01:10.4', pf: 'mac:00:11:22:33:44:55', after: null, limit: 1 },
      { after: { hostName: 'alpha', identity: 'mac:00:11:22:33:44:55/vf:2' }, limit: 100 },
    ]);
  });

  it.each(['marker=x', 'marker=W10', 'state=free', 'limit=0', 'limit=501', 'holder=x', 'colour=red', 'kind=gpu', 'pf=x'])('refuses ?%s', async (query) => {
    expect((await admin('GET', `/v1/devices?${query}`)).status).toBe(400);
    expect(cloud.asked).toEqual([]);
  });

  it('knows no host and no pool of another name', async () => {
    cloud.answer(listDevicePools, () => ({ pools: [] }));
    expect((await admin('GET', '/v1/devices?host=beta')).body.error.message).toBe('There is no host beta.');
    expect((await admin('GET', '/v1/devices?pool=net9')).body.error.message).toBe('There is no device pool net9.');
  });

  it('shows one and its history, also from the side of its server', async () => {
    cloud.answer(listDevices, ({ id }) => ({ devices: id === DEVICE_ID ? [device()] : [], next: null }));
    const history = { events: [], next: null, holders: [{ deviceId: DEVICE_ID, instanceId: SERVER_ID, generation: 3, since: '2026-11-21T01:02:03.400Z', until: null }] };
    cloud.answer(deviceHistory, () => history);
    expect((await admin('GET', `/v1/devices/${DEVICE_ID}`)).body.device).toMatchObject({ state: 'in-use', generation: 3 });
    for (const id of [HOST_ID, 'x']) expect((await admin('GET', `/v1/devices/${id}`)).status).toBe(404);
    cloud.asked.length = 0;
    expect((await admin('GET', `/v1/devices/${DEVICE_ID}/history?limit=5&before=m`)).body).toEqual(history);
    expect((await admin('GET', `/v1/servers/${SERVER_ID}/device-history`)).body).toEqual(history);
    expect(cloud.questions(deviceHistory)).toEqual([{ deviceId: DEVICE_ID, before: 'm', limit: 5 }, { instanceId: SERVER_ID, before: null, limit: 100 }]);
  });

  it('releases by statement and rescans', async () => {
    cloud.answer(releaseDevice, () => ({ device: device({ state: 'in-use' }), did: 'vouched' as const }));
    cloud.answer(rescanDevices, () => ({ hosts: 1, devices: 12, restored: 2 }));
    expect(await admin('POST', `/v1/devices/${DEVICE_ID}/release`, { statement: 'card replaced', generation: 3 })).toMatchObject({ status: 200, body: { device: { state: 'in-use' }, did: 'vouched' } });
    for (const wrong of [{}, { statement: 'x' }, { statement: 'good', generation: -1 }]) expect((await admin('POST', `/v1/devices/${DEVICE_ID}/release`, wrong)).status).toBe(400);
    expect(cloud.questions(releaseDevice)).toMatchObject([{ deviceId: DEVICE_ID, statement: 'card replaced', generation: 3, caller: { isAdmin: true } }]);
    expect(await admin('POST', '/v1/devices/rescan', { host: 'alpha' })).toMatchObject({ status: 202, body: { restored: 2 } });
    await admin('POST', '/v1/devices/rescan', {});
    expect(cloud.questions(rescanDevices).map(({ hostId }) => hostId)).toEqual([HOST_ID, null]);
  });

  it("shows a host's topology", async () => {
    const topology: HostTopology = { host: { id: HOST_ID, name: 'alpha' }, reportedAt: null, devicesReportedAt: null, sockets: [], cells: [], floating: { servers: 0, vcpus: 0, memoryMib: 0 }, devices: [], moreDevices: false, groups: [] };
    cloud.answer(getHostTopology, () => topology);
    expect((await admin('GET', '/v1/hosts/alpha/topology')).body).toEqual(topology);
    expect(cloud.questions(getHostTopology)).toEqual([{ hostId: HOST_ID }]);
    expect((await admin('GET', '/v1/hosts/beta/topology')).status).toBe(404);
  });

  it.each([
    ['GET', '/v1/device-classes'], ['POST', '/v1/device-classes'], ['PATCH', '/v1/device-classes/x'], ['DELETE', '/v1/device-classes/x'], ['GET', '/v1/device-pools'], ['POST', '/v1/device-pools'], ['PATCH', '/v1/device-pools/x'], ['DELETE', '/v1/device-pools/x'],
    ['GET', '/v1/devices'], ['GET', `/v1/devices/${DEVICE_ID}`], ['GET', `/v1/devices/${DEVICE_ID}/history`], ['POST', `/v1/devices/${DEVICE_ID}/release`], ['POST', '/v1/devices/rescan'], ['GET', '/v1/hosts/alpha/topology'], ['GET', `/v1/servers/${SERVER_ID}/device-history`],
  ])('%s %s is not for tenants', async (method, url) => {
    const body = method === 'POST' || method === 'PATCH' ? {} : undefined;
    expect((await cloud.call(method, url, { body })).status).toBe(403);
    expect((await cloud.call(method, url, { as: 'nobody', body })).status).toBe(401);
    expect(cloud.asked).toEqual([]);
  });
});
