/** What operators say of devices, in real PostgreSQL: of one that a server has, of one that is gone, and two who change one pool. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  bookDeviceTroubles, claimHost, createDeviceClass, createDevicePool, deleteDeviceClass, deleteDevicePool, deviceHistory, flavorsOfDeviceClass, listDevicePools, listDevices, pullDeviceWishes, releaseClaim, releaseDevice, reportDevices, rescanDevices, updateDeviceClass, updateDevicePool,
  type DeviceView, type HostDevice, type InputOf, type OutputOf,
} from '#libs/contracts';
import { unavailable } from '#libs/errors';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { DeviceKeeper } from '../../apps/scheduler/src/devices/device-keeper.js';
import { DeviceTrouble } from '../../apps/scheduler/src/devices/device-trouble.js';
import { DevicePlacer } from '../../apps/scheduler/src/devices/device-placer.reconciler.js';
import { fn, GPU, gpuPool } from '../../apps/scheduler/src/devices/testing/devices.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { LIMITS } from '../../apps/scheduler/src/limits.js';
import { admin, claim, host, report, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';
import { unsoundDevices } from '../support/device-rows.js';

let base: TestDatabase;
let scheduler: Scheduler;
let here: { id: string; name: string };
let reading = 10;
beforeAll(async () => {
  base = await startTestDatabase('scheduler');
  scheduler = await startScheduler(base);
  scheduler.bus.handle(flavorsOfDeviceClass, async () => ({ names: [], count: 0 }), { group: 'compute' });
  here = await host(scheduler, 'nova', { vcpus: 8, memoryMib: 16_384 });
  await report(scheduler, here.id, 'boot-1', { generation: 2, vcpus: 8, memoryMib: 16_384 }, { capabilities: ['console', 'LAYOUT', 'DEVICES'] });
  await scheduler.bus.ask(createDeviceClass, { caller: admin, class: GPU });
  await scheduler.bus.ask(createDevicePool, { caller: admin, pool: gpuPool(), yesReally: true });
}, 60_000);
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
}, 30_000);

const say = async (devices: HostDevice[]): Promise<void> => {
  reading += 1;
  await scheduler.bus.ask(reportDevices, { bootId: 'boot-1', epoch: 1, incarnation: 1, reading, wishes: 'v', range: { after: null, upTo: null }, devices }, { hostId: here.id });
};
const holds = async (): Promise<OutputOf<typeof pullDeviceWishes>['holds']> => (await scheduler.bus.ask(pullDeviceWishes, { bootId: 'boot-1', knows: null }, { hostId: here.id })).holds;
const device = async (identity: string): Promise<DeviceView> => (await scheduler.bus.ask(listDevices, { device: identity })).devices[0]!;
const settled = async (): Promise<void> => { await scheduler.app.get(DevicePlacer).place(); await scheduler.app.get(Snapshot).refresh(); };
const server = async (className = 'a100'): Promise<string> => {
  const asked = claim({ memoryMib: 256, needs: { devices: [{ className, count: 1 }] } as never, requestedAt: new Date(0).toISOString() });
  const answer = await scheduler.bus.ask(claimHost, asked);
  if (answer.outcome !== 'claimed') throw new Error(JSON.stringify(answer.explanation));
  return asked.instanceId;
};
const isClaimable = async (): Promise<boolean> => { await settled(); return server().then(() => true, () => false); };
const release = (deviceId: string, change: Partial<InputOf<typeof releaseDevice>> = {}) => scheduler.bus.ask(releaseDevice, { caller: { ...admin, requestId: randomUUID() }, deviceId, statement: 'I have looked at it', ...change });
const endOf = (instanceId: string) => scheduler.bus.ask(releaseClaim, { instanceId: instanceId as never, generation: 1 });
const DOUBT = { code: 'changed-identity', sentence: 'Only its slot says that it is this one.' };

describe('a device in doubt that a server has', () => {
  it('is vouched for: its host hears of it, the server keeps it, and it is as unclean as before when that is over', async () => {
    await say([fn('slot:a')]);
    await settled();
    const mine = await server();
    await say([fn('slot:a', { cleanAt: null })]);
    const { id } = await device('slot:a');
    await expect(release(id)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining(`is with ${mine}`) });
    await say([fn('slot:a', { cleanAt: null, condition: DOUBT })]);
    expect(await device('slot:a')).toMatchObject({ state: 'claimed', reason: expect.stringContaining('skylite device release') });

    const caller = { ...admin, requestId: randomUUID() };
    expect(await release(id, { caller, generation: 1 })).toMatchObject({ did: 'vouched', device: { state: 'claimed', holder: mine, generation: 1 } });
    const [hold] = await holds();
    expect(hold).toMatchObject({ generation: 1, holder: mine, releasedAt: null, vouched: expect.any(Number) });
    expect(hold!.vouched).toBeGreaterThan(0);
    // The same request again is the same word; another one is another word.
    await release(id, { caller });
    expect(await holds()).toEqual([hold]);
    await release(id);
    expect((await holds())[0]!.vouched).toBeGreaterThan(hold!.vouched);
    expect((await scheduler.bus.ask(deviceHistory, { deviceId: id })).events.filter(({ kind }) => kind === 'operator-vouched')).toMatchObject([{ instanceId: mine, userId: admin.userId, message: 'I have looked at it' }, {}]);
    const { rows } = await base.admin.query("SELECT user_id FROM audit.records WHERE action = 'devices:operator-vouched'");
    expect(rows).toEqual([{ user_id: admin.userId }, { user_id: admin.userId }]);

    await endOf(mine);
    await say([fn('slot:a', { cleanAt: null })]);
    expect(await device('slot:a')).toMatchObject({ state: 'scrubbing' });
    expect(await holds()).toMatchObject([{ generation: 1, holder: null, releasedAt: null, sanitizer: 'quarantine' }]);
    expect(await isClaimable()).toBe(false);
    await say([fn('slot:a', { cleanAt: 1 })]);
    expect(await device('slot:a')).toMatchObject({ state: 'available' });
    expect(await unsoundDevices(base)).toEqual([]);
  });

  it('is vouched for anew when the rows were lost: its host remembers the last word', async () => {
    await settled();
    const mine = await server();
    await say([fn('slot:a', { cleanAt: null, condition: DOUBT })]);
    const { id } = await device('slot:a');
    await release(id);
    const before = (await holds())[0]!.vouched;
    await base.admin.query('ALTER TABLE scheduler.device_claims DISABLE TRIGGER USER; TRUNCATE scheduler.devices, scheduler.device_claims, scheduler.device_hosts, scheduler.device_history; ALTER TABLE scheduler.device_claims ENABLE TRIGGER USER');
    expect(await scheduler.bus.ask(rescanDevices, { caller: admin })).toMatchObject({ devices: 1, restored: 1 });
    await say([fn('slot:a', { cleanAt: null, condition: DOUBT })]);
    await release(id);
    expect((await holds())[0]!.vouched).toBeGreaterThan(before);
    await endOf(mine);
    await say([fn('slot:a', { cleanAt: 2 })]);
  });
});

describe('a device that was pulled before it was clean', () => {
  it('is given up by an operator: its class can go; should it come back, nobody gets it before it is clean', async () => {
    await settled();
    const mine = await server();
    await say([fn('slot:a', { cleanAt: null, usedBy: mine as never })]);
    await endOf(mine);
    await say([]);
    const gone = await device('slot:a');
    expect(gone).toMatchObject({ state: 'missing', reason: expect.stringMatching(/was not clean when it went: if it will not come back, skylite device release\.$/) });
    const refused = await scheduler.bus.ask(deleteDeviceClass, { caller: admin, name: 'a100', dryRun: true, yesReally: true });
    expect(refused.plan.refusals.map(({ code }) => code)).toContain('not-clean');

    const { did, device: after } = await release(gone.id);
    expect([did, after.state, after.generation]).toEqual(['forgotten', 'missing', gone.generation]);
    expect(after.reason).toMatch(/will not come back. Should it, it is made clean first/);
    expect((await release(gone.id)).did).toBe('forgotten');
    expect((await scheduler.bus.ask(deviceHistory, { deviceId: gone.id })).events.filter(({ kind }) => kind === 'operator-forgot')).toHaveLength(1);
    expect((await scheduler.bus.ask(deleteDeviceClass, { caller: admin, name: 'a100', dryRun: true, yesReally: true })).plan.refusals.map(({ code }) => code)).toEqual(['has-pools']);

    // Back in its slot, as its guest left it.
    await say([fn('slot:a', { cleanAt: null })]);
    expect(await device('slot:a')).toMatchObject({ state: 'scrubbing', generation: gone.generation });
    expect(await holds()).toMatchObject([{ generation: gone.generation, holder: null, sanitizer: 'quarantine', releasedAt: null }]);
    expect(await isClaimable()).toBe(false);
    await say([]);
    expect((await device('slot:a')).reason).toMatch(/was not clean when it went/);
    await release(gone.id);
    await scheduler.bus.ask(deleteDevicePool, { caller: admin, id: gpuPool().id, yesReally: true });
    await settled();
    await scheduler.bus.ask(deleteDeviceClass, { caller: admin, name: 'a100' });
    await scheduler.bus.ask(createDeviceClass, { caller: admin, class: { ...GPU, name: 'other', sanitizer: 'reset' } });
    await scheduler.bus.ask(createDevicePool, { caller: admin, pool: gpuPool({ className: 'other' }), yesReally: true });
    await settled();
    await say([fn('slot:a', { cleanAt: null })]);
    // Its class is gone, which said how it becomes clean: now nothing but a word does.
    expect(await holds()).toMatchObject([{ holder: null, sanitizer: 'quarantine', releasedAt: null }]);
    expect(await device('slot:a')).toMatchObject({ state: 'scrubbing', pool: { name: 'gpus' } });
  });

  it('goes when it was gone for long; so does a row that no host ever told of', async () => {
    await say([fn('slot:b', { cleanAt: 0 })]);
    await release((await device('slot:a')).id);
    await base.admin.query("INSERT INTO scheduler.devices (host_id, identity, unit, generation) VALUES ($1, 'slot:never', 'slot:never', 3), ($1, 'slot:new', 'slot:new', 3)", [here.id]);
    await base.admin.query(`UPDATE scheduler.devices SET missing_since = missing_since - interval '${LIMITS.deviceGoneDays + 1} days', first_seen_at = first_seen_at - CASE WHEN identity = 'slot:new' THEN interval '1 day' ELSE interval '${LIMITS.deviceGoneDays + 1} days' END`);
    const fresh = await device('slot:new');
    expect(fresh).toMatchObject({ state: 'missing', reason: expect.stringContaining('skylite device release') });
    expect(await release(fresh.id)).toMatchObject({ did: 'forgotten', device: { generation: 3 } });
    await scheduler.app.get(DeviceKeeper).sweep();
    expect((await scheduler.bus.ask(listDevices, {})).devices.map(({ device: { identity } }) => identity)).toEqual(['slot:b', 'slot:new']);
    expect(await unsoundDevices(base)).toEqual([]);
  });
});

describe('trouble with a device of a server', () => {
  it('is said to compute until it answers, and to nobody any more then; what compute never takes holds up nothing', async () => {
    await say([fn('slot:b', { cleanAt: 0 }), fn('slot:c', { cleanAt: 0, address: '0000:04:00.0', iommuGroup: 41 })]);
    await settled();
    const mine = await server('other');
    const held = (await scheduler.bus.ask(listDevices, { holder: mine as never })).devices[0]!.device.identity;
    const others = fn('slot:c', { cleanAt: 0, address: '0000:04:00.0', iommuGroup: 41 });
    expect(held).toBe('slot:b');
    const trouble = scheduler.app.get(DeviceTrouble);
    const waiting = async (): Promise<string[]> => (await base.admin.query<{ kind: string }>('SELECT kind FROM scheduler.device_troubles ORDER BY seq')).rows.map(({ kind }) => kind);
    await base.admin.query('DELETE FROM scheduler.device_troubles');
    // Compute is away, then it dies before it has answered, then it answers.
    await say([others]);
    await trouble.deliver();
    expect(await waiting()).toEqual(['missing']);
    const heard: { id: string; kind: string; instanceId: string }[] = [];
    const dies = async (): Promise<Record<string, never>> => { throw unavailable('It dies here.'); };
    let answer = dies;
    const ear = scheduler.bus.handle(bookDeviceTroubles, async ({ troubles }) => { heard.push(...troubles); return answer(); }, { group: 'compute' });
    await trouble.deliver();
    expect(await waiting()).toEqual(['missing']);
    answer = async () => ({});
    await trouble.deliver();
    expect(await waiting()).toEqual([]);
    expect(heard.length).toBeGreaterThan(1);
    expect(new Set(heard.map(({ id, kind, instanceId }) => [id, kind, instanceId].join()))).toEqual(new Set([[heard[0]!.id, 'missing', mine].join()]));

    answer = dies;
    await base.admin.query(`INSERT INTO scheduler.device_troubles (host_id, host_name, instance_id, identity, kind, message, at) SELECT $1, 'h', $2, identity, kind, '', at
      FROM (VALUES ('nonsense', 'nonsense', now()), ('slot:b', 'condition', now()), ('slot:b', 'old', now() - interval '8 days')) v(identity, kind, at)`, [here.id, mine]);
    await scheduler.app.get(DeviceKeeper).sweep();
    await trouble.deliver();
    expect(await waiting()).toEqual(['nonsense', 'condition']);
    answer = async () => ({});
    await trouble.deliver();
    expect([await waiting(), heard.at(-1)?.kind]).toEqual([['nonsense'], 'condition']);
    await ear.stop();
    await endOf(mine);
  });
});

describe('two who change one pool', () => {
  it('change what they say, and nothing else of it', async () => {
    const change = (said: InputOf<typeof updateDevicePool>['change']) => scheduler.bus.ask(updateDevicePool, { caller: admin, yesReally: true, id: gpuPool().id, change: said });
    await Promise.all([change({ policy: { trust: true } }), change({ policy: { vlans: [7] } }), change({ matchChange: { numaNode: [0] } }), change({ matchChange: { pciClass: null } })]);
    const [pool] = (await scheduler.bus.ask(listDevicePools, {})).pools;
    expect(pool).toMatchObject({ policy: { trust: true, spoofCheck: true, vlans: [7] } });
    expect(pool!.match).toEqual({ vendor: ['10de'], numaNode: [0] });
    // One who says all of it, as before.
    await change({ policy: { ...pool!.policy, trust: false }, match: { vendor: ['10de'], product: ['20b0'] } });
    expect((await scheduler.bus.ask(listDevicePools, {})).pools).toMatchObject([{ policy: { trust: false, vlans: [7] }, match: { vendor: ['10de'], product: ['20b0'] } }]);
    await scheduler.bus.ask(updateDeviceClass, { caller: admin, yesReally: true, name: 'other', change: { matchChange: { product: ['20b0'] }, description: 'x' } });
    expect((await scheduler.bus.ask(updateDeviceClass, { caller: admin, yesReally: true, name: 'other', change: { matchChange: { pciClass: null } } })).class).toMatchObject({ match: { vendor: ['10de'], product: ['20b0'] }, description: 'x' });
  });
});
