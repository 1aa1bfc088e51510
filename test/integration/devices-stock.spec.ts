/** Devices in real PostgreSQL: what hosts report, what classes and pools make of it, holds that end clean or in quarantine, and rows made anew. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  changeAggregate, claimHost, createAggregate, createDeviceClass, createDevicePool, deleteDeviceClass, deleteDevicePool, deviceHistory, bookDeviceTroubles, flavorsOfDeviceClass, getHostTopology, hostHint, inspectHost, listDeviceClasses, listDeviceClassNames, listDevicePools, listDevices,
  pullDeviceWishes, releaseClaim, releaseDevice, reportDevices, rescanDevices, updateDeviceClass, updateDevicePool, type DevicePlan, type DeviceView, type HostDevice, type InputOf, type OutputOf,
} from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import fc from 'fast-check';
import { stateOf, STATE_SQL } from '../../apps/scheduler/src/devices/decide/state.js';
import { STOCK, toStock } from '../../apps/scheduler/src/devices/devices.repository.js';
import { DeviceTrouble } from '../../apps/scheduler/src/devices/device-trouble.js';
import { DevicePlacer } from '../../apps/scheduler/src/devices/device-placer.reconciler.js';
import { DeviceKeeper } from '../../apps/scheduler/src/devices/device-keeper.js';
import { FAST, fn, GPU, gpuPool, pf, PF0, PF1, vf, vfName, vfPool, withVfs } from '../../apps/scheduler/src/devices/testing/devices.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { admin, claim, host, report, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';
import { unsoundDevices } from '../support/device-rows.js';

let base: TestDatabase;
let scheduler: Scheduler;
let here: { id: string; name: string };
let reading = 10;
/** As compute says. */
let flavors: OutputOf<typeof flavorsOfDeviceClass> = { names: [], count: 0 };
const IDS = ['aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb'];
beforeAll(async () => {
  base = await startTestDatabase('scheduler');
  scheduler = await startScheduler(base);
  scheduler.bus.handle(flavorsOfDeviceClass, async () => flavors, { group: 'compute' });
  here = await host(scheduler, 'nova', { vcpus: 8, memoryMib: 16_384, cells: [{ id: 0, cpus: [0, 1, 2, 3], memoryMib: 8_192 }, { id: 1, cpus: [4, 5, 6, 7], memoryMib: 8_192 }] as never, dedicatedCpus: [2, 3] });
  await report(scheduler, here.id, 'boot-1', { generation: 2, vcpus: 8, memoryMib: 16_384 }, { capabilities: ['console', 'LAYOUT', 'DEVICES'] });
}, 60_000);
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
}, 30_000);

type Said = InputOf<typeof reportDevices>;
const say = async (devices: HostDevice[], change: Partial<Said> = {}): Promise<string> => {
  reading += 1;
  return (await scheduler.bus.ask(reportDevices, { bootId: 'boot-1', epoch: 1, incarnation: 1, reading, wishes: 'v', range: { after: null, upTo: null }, devices, ...change }, { hostId: here.id })).wishes;
};
const pull = (change: Partial<InputOf<typeof pullDeviceWishes>> = {}): Promise<OutputOf<typeof pullDeviceWishes>> => scheduler.bus.ask(pullDeviceWishes, { bootId: 'boot-1', knows: null, ...change }, { hostId: here.id });
const devices = async (filter: InputOf<typeof listDevices> = {}): Promise<DeviceView[]> => (await scheduler.bus.ask(listDevices, filter)).devices;
const device = async (identity: string): Promise<DeviceView> => (await devices({ device: identity }))[0]!;
const settled = async (): Promise<void> => { await scheduler.app.get(DevicePlacer).place(); await scheduler.app.get(Snapshot).refresh(); };
const refusal = (asked: Promise<unknown>): Promise<{ message: string; plan: DevicePlan }> =>
  asked.then(() => { throw new Error('it was not refused'); }, (error: { kind: string; message: string; details?: { plan: DevicePlan } }) => { expect(error.kind).toBe('conflict'); return { message: error.message, plan: error.details!.plan }; });
const write = { caller: admin };
const server = async (change: Partial<InputOf<typeof claimHost>> = {}): Promise<{ id: string; generation: number; layout: NonNullable<Extract<OutputOf<typeof claimHost>, { outcome: 'claimed' }>['layout']> }> => {
  const asked = claim({ memoryMib: 256, needs: { devices: [{ className: 'fast-net', count: 1 }] } as never, requestedAt: new Date(0).toISOString(), ...change });
  const answer = await scheduler.bus.ask(claimHost, asked);
  if (answer.outcome !== 'claimed') throw new Error(JSON.stringify(answer.explanation));
  return { id: asked.instanceId, generation: asked.generation, layout: answer.layout! };
};

describe('what a host has', () => {
  it('is known as it reports it, once for each reading, from its own session alone', async () => {
    await say([pf(PF0), pf(PF1), fn('slot:3', { protectedBy: 'boot-disk' })]);
    expect((await devices()).map(({ device: { identity }, state }) => [identity, state])).toEqual([[PF0, 'unpooled'], [PF1, 'unpooled'], ['slot:3', 'protected']]);
    const { id } = await device(PF0);
    reading -= 2;
    await say([]);
    expect(await device(PF0)).toMatchObject({ id, state: 'unpooled' });
    reading += 2;
    await expect(say([], { bootId: 'boot-2' })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(say([], { epoch: 2 })).rejects.toMatchObject({ kind: 'stale' });
    await expect(say([], { incarnation: 9 })).rejects.toMatchObject({ kind: 'stale' });
    await expect(say([pf(PF0)], { range: { after: PF0, upTo: null } })).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(say([pf(PF0, { cleanAt: 2_000_000_000 })])).rejects.toMatchObject({ kind: 'bad-request' });
  });

  it('is missing when the range it lies in comes without it, and comes back as itself', async () => {
    await say([], { range: { after: PF0, upTo: PF1 } });
    expect(await device(PF1)).toMatchObject({ state: 'missing', reason: expect.stringContaining('0000:41:00.0') });
    expect(await device(PF0)).toMatchObject({ state: 'unpooled' });
    await say([pf(PF1, { address: '0000:42:00.0' })], { range: { after: PF0, upTo: PF1 } });
    const back = await device(PF1);
    expect(back).toMatchObject({ state: 'unpooled', device: { address: '0000:42:00.0' } });
    const { events } = await scheduler.bus.ask(deviceHistory, { deviceId: back.id });
    expect(events.map(({ kind }) => kind)).toEqual(['renumbered', 'returned', 'missing', 'seen'].map((kind) => expect.stringMatching(kind === 'renumbered' || kind === 'returned' ? /renumbered|returned/ : kind)));
    await say([pf(PF0), pf(PF1)]);
  });
});

describe('classes and pools', () => {
  it('are refused or asked about when they would do what nobody wants, in words and numbers', async () => {
    await scheduler.bus.ask(createDeviceClass, { ...write, class: FAST });
    await scheduler.bus.ask(createDeviceClass, { ...write, class: FAST });
    await expect(scheduler.bus.ask(createDeviceClass, { ...write, class: { ...FAST, description: 'another' } })).rejects.toMatchObject({ kind: 'conflict' });
    // One name in placement's words: their numbers would be added up.
    await expect(scheduler.bus.ask(createDeviceClass, { ...write, class: { ...FAST, name: 'fast.net' } })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('Device class fast-net is CUSTOM_DEVICE_FAST_NET') });
    await expect(scheduler.bus.ask(createDeviceClass, { caller: { ...admin, isAdmin: false }, class: GPU })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(scheduler.bus.ask(createDevicePool, { ...write, pool: vfPool({ className: 'nothing' }) })).rejects.toMatchObject({ kind: 'bad-request' });
    expect(await refusal(scheduler.bus.ask(createDevicePool, { ...write, pool: vfPool({ vfCount: 8 }) }))).toMatchObject({ plan: { refusals: [{ code: 'too-many-vfs', sentence: expect.stringContaining('7 at most') }] } });
    expect(await refusal(scheduler.bus.ask(createDevicePool, { ...write, pool: vfPool({ match: { vendor: ['1af4'] } }) }))).toMatchObject({ message: expect.stringContaining('--yes-really'), plan: { warnings: [{ code: 'matches-nothing' }] } });
    expect((await refusal(scheduler.bus.ask(createDevicePool, { ...write, pool: vfPool({ match: {} }) }))).plan.warnings.map(({ code }) => code)).toContain('matches-everything');
  });

  it('do in a dry run what they would do, and then do it', async () => {
    const dry = await scheduler.bus.ask(createDevicePool, { ...write, dryRun: true, pool: vfPool() });
    expect(dry).toMatchObject({ pool: null, plan: { hosts: 1, counts: { joins: 2, 'make-vfs': 2 }, refusals: [], warnings: [] } });
    expect((await scheduler.bus.ask(listDevicePools, {})).pools).toEqual([]);
    const made = await scheduler.bus.ask(createDevicePool, { ...write, pool: vfPool() });
    expect(made).toMatchObject({ plan: dry.plan, pool: { name: 'nics', counts: { total: 0 } } });
    await settled();
    const wishes = await pull();
    expect(wishes).toMatchObject({ reportOnly: false, holds: [], next: null, pools: [{ identity: PF0, mode: 'vfs', vfs: { count: 4, driver: 'vfio-pci' } }, { identity: PF1 }] });
    expect(await pull({ knows: wishes.version })).toMatchObject({ version: wishes.version, pools: [] });
    expect(await device(PF0)).toMatchObject({ state: 'unusable', pool: { name: 'nics' }, reason: expect.stringContaining('keeps VFs') });
    expect(await say([...withVfs(PF0, 4), ...withVfs(PF1, 4)])).toBe(wishes.version);
    expect((await scheduler.bus.ask(listDeviceClasses, { name: 'fast-net' })).classes[0]).toMatchObject({ pools: ['nics'], counts: { total: 8, available: 8, hosts: 1, mostPerHost: 8 } });
    expect(await scheduler.bus.ask(listDeviceClassNames, {})).toMatchObject({ names: ['fast-net'], counts: { 'fast-net': { total: 8 } } });
    expect((await devices({ state: ['available'], limit: 3 })).map(({ device: { identity } }) => identity)).toEqual([0, 1, 2].map((index) => vfName(PF0, index)));
    const { next } = await scheduler.bus.ask(listDevices, { state: ['available'], limit: 3 });
    expect((await devices({ state: ['available'], after: next })).length).toBe(5);
    expect(await refusal(scheduler.bus.ask(createDevicePool, { ...write, yesReally: true, pool: gpuPool({ className: 'fast-net', match: { kind: ['pf'], vendor: ['8086'] } }) }))).toMatchObject({ plan: { refusals: [{ code: 'two-pools' }] } });
  });

  it('say so where a label brings a host into a second pool, which was refused to nobody', async () => {
    const second = vfPool({ id: gpuPool().id, name: 'elsewhere', match: { kind: ['pf'], vendor: ['8086'], hostLabels: { rack: 'r9' } } });
    await scheduler.bus.ask(createDevicePool, { ...write, yesReally: true, pool: second });
    const aggregate = await scheduler.bus.ask(createAggregate, { caller: admin, uuid: randomUUID(), name: 'r9', availabilityZone: null });
    await scheduler.bus.ask(changeAggregate, { caller: admin, id: aggregate.id, change: { do: 'set-metadata', metadata: { rack: 'r9' } } });
    await scheduler.bus.ask(changeAggregate, { caller: admin, id: aggregate.id, change: { do: 'add-host', host: here.name } });
    await settled();
    expect((await scheduler.bus.ask(listDevicePools, { name: 'nics' })).pools[0]!.problems).toMatchObject([PF0, PF1].map((identity) => ({ hostName: here.name, identity, code: 'withheld', sentence: expect.stringContaining('elsewhere, nics') })));
    await scheduler.bus.ask(changeAggregate, { caller: admin, id: aggregate.id, change: { do: 'remove-host', host: here.name } });
    await settled();
    expect((await scheduler.bus.ask(listDevicePools, { name: 'nics' })).pools[0]).toMatchObject({ problems: [], counts: { available: 8 } });
    await scheduler.bus.ask(deleteDevicePool, { ...write, id: second.id });
  });
});

describe('a hold', () => {
  it('is in the wishes while it lasts and until it is clean; nobody loses a device in use', async () => {
    const mine = await server();
    const [given] = mine.layout.devices!;
    expect(given).toMatchObject({ className: 'fast-net', generation: 1 });
    expect(await device(given!.identity)).toMatchObject({ state: 'claimed', holder: mine.id, generation: 1 });
    expect((await pull()).holds).toEqual([{ identity: given!.identity, generation: 1, holder: mine.id, sanitizer: 'reset', releasedAt: null, vouched: 0 }]);
    const parts = [...withVfs(PF0, 4), ...withVfs(PF1, 4)];
    const as = (change: Partial<HostDevice>): HostDevice[] => parts.map((one) => (one.identity === given!.identity ? { ...one, ...change } : one));
    await say(as({ usedBy: mine.id as never, cleanAt: null }));
    expect(await device(given!.identity)).toMatchObject({ state: 'in-use', reason: null });

    const fewer = await refusal(scheduler.bus.ask(updateDevicePool, { ...write, yesReally: true, id: vfPool().id, change: { vfCount: 2 } }));
    expect(fewer.plan.refusals).toMatchObject([{ code: 'vf-in-use', servers: [{ id: mine.id, hostName: here.name, identity: given!.identity }] }]);
    for (const asked of [
      scheduler.bus.ask(updateDevicePool, { ...write, yesReally: true, id: vfPool().id, change: { match: { kind: ['pf'], vendor: ['1af4'] } } }),
      scheduler.bus.ask(deleteDevicePool, { ...write, yesReally: true, id: vfPool().id }),
      scheduler.bus.ask(updateDeviceClass, { ...write, yesReally: true, name: 'fast-net', change: { match: { vendor: ['1af4'] } } }),
    ]) expect((await refusal(asked)).plan.refusals).toMatchObject([{ code: 'in-use', servers: [{ id: mine.id }] }]);
    expect((await refusal(scheduler.bus.ask(deleteDeviceClass, { ...write, yesReally: true, name: 'fast-net' }))).plan.refusals.map(({ code }) => code)).toContain('has-pools');

    const heard: unknown[] = [];
    const ear = scheduler.bus.handle(bookDeviceTroubles, async ({ troubles }) => { heard.push(...troubles); return {}; }, { group: 'compute' });
    const told = (): Promise<void> => scheduler.app.get(DeviceTrouble).deliver();
    await say(as({ usedBy: mine.id as never, cleanAt: null, condition: { code: 'aer-errors', sentence: 'It reported 3 fatal errors.' } }));
    await say(as({ usedBy: mine.id as never, cleanAt: null, condition: { code: 'aer-errors', sentence: 'It reported 3 fatal errors.' } }));
    await told();
    expect(heard).toMatchObject([{ instanceId: mine.id, kind: 'condition', message: expect.stringContaining('aer-errors') }]);
    await say(as({ usedBy: IDS[1] as never, cleanAt: null }));
    await told();
    expect(heard[1]).toMatchObject({ instanceId: mine.id, kind: 'used-unclaimed', message: 'another guest of its host uses it' });
    await say(as({ usedBy: mine.id as never, cleanAt: null, condition: { code: 'aer-errors', sentence: 'It reported 3 fatal errors.' } }));
    await ear.stop();
    expect(await device(given!.identity)).toMatchObject({ state: 'in-use', reason: expect.stringContaining('3 fatal errors') });

    // A word from before, and one that can't be: neither frees it.
    await say(as({ cleanAt: 1 }));
    await scheduler.bus.ask(releaseClaim, { instanceId: mine.id as never, generation: mine.generation });
    expect(await device(given!.identity)).toMatchObject({ state: 'scrubbing', holder: null });
    const { holds } = await pull();
    expect(holds).toMatchObject([{ identity: given!.identity, holder: null }]);
    await say(as({ cleanAt: 0 }));
    expect(await device(given!.identity)).toMatchObject({ state: 'scrubbing' });
    await say(as({ cleanAt: holds[0]!.generation }));
    expect(await device(given!.identity)).toMatchObject({ state: 'available', generation: holds[0]!.generation });
    expect((await pull()).holds).toEqual([]);
    const first = await scheduler.bus.ask(deviceHistory, { deviceId: given!.deviceId, limit: 1 });
    expect((await scheduler.bus.ask(deviceHistory, { deviceId: given!.deviceId, limit: 1, before: first.next })).events).toHaveLength(1);
    for (const before of ['x', 'x~1', '2026-02-30 00:00:00+00~1', '2026-01-01 25:00:00+00~1', `${first.next!}9999999999999999999`]) {
      await expect(scheduler.bus.ask(deviceHistory, { deviceId: given!.deviceId, before })).rejects.toMatchObject({ kind: 'bad-request' });
    }
    const { events, holders } = await scheduler.bus.ask(deviceHistory, { deviceId: given!.deviceId });
    expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['claimed', 'released', 'clean', 'condition', 'condition-gone']));
    expect(holders).toMatchObject([{ instanceId: mine.id, generation: 1, until: expect.any(String) }]);
    expect(await unsoundDevices(base)).toEqual([]);
  });

  it('that can not be made clean ends in quarantine until somebody says that it is in order', async () => {
    const mine = await server();
    const [given] = mine.layout.devices!;
    await scheduler.bus.ask(releaseClaim, { instanceId: mine.id as never, generation: mine.generation });
    const parts = [...withVfs(PF0, 4), ...withVfs(PF1, 4)];
    const as = (change: Partial<HostDevice>): HostDevice[] => parts.map((one) => (one.identity === given!.identity ? { ...one, ...change } : one));
    const dirty = { generation: given!.generation, code: 'not-verified', sentence: 'Its MAC is not what it was set to' };
    await say(as({ cleanAt: null, dirty }));
    const bad = await device(given!.identity);
    expect(bad).toMatchObject({ state: 'quarantined', reason: expect.stringContaining('skylite device release') });
    await scheduler.app.get(DeviceKeeper).count();
    await expect(scheduler.bus.ask(releaseDevice, { caller: admin, deviceId: bad.id, statement: 'card was changed', generation: 0 })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(scheduler.bus.ask(releaseDevice, { caller: { ...admin, isAdmin: false }, deviceId: bad.id, statement: 'card was changed' })).rejects.toMatchObject({ kind: 'forbidden' });
    await scheduler.bus.ask(releaseDevice, { caller: admin, deviceId: bad.id, statement: 'card was changed' });
    const { device: good } = await scheduler.bus.ask(releaseDevice, { caller: admin, deviceId: bad.id, statement: 'card was changed' });
    expect(good).toMatchObject({ state: 'available' });
    const now = given!.generation + 1;
    expect((await pull()).holds).toMatchObject([{ identity: given!.identity, generation: now, holder: null, releasedAt: now }]);
    // The host says once more what it said before it heard of it.
    await say(as({ cleanAt: null, dirty }));
    expect(await device(given!.identity)).toMatchObject({ state: 'available' });
    await expect(scheduler.bus.ask(releaseDevice, { caller: admin, deviceId: (await device(vfName(PF1, 3))).id, statement: 'never mind' })).rejects.toMatchObject({ kind: 'conflict' });
    const { rows } = await base.admin.query("SELECT action, user_id, detail ->> 'message' AS said FROM audit.records WHERE action = 'devices:operator-released'");
    expect(rows.slice(0, 1)).toEqual([{ action: 'devices:operator-released', user_id: admin.userId, said: 'card was changed' }]);
    await say(as({ cleanAt: now }));
    // What its host doubts is released in the same way, each time anew.
    const condition = { code: 'aer-errors', sentence: 'It reported 3 fatal errors' };
    await say(as({ cleanAt: now, condition }));
    expect(await device(given!.identity)).toMatchObject({ state: 'unusable', reason: expect.stringContaining('skylite device release') });
    await scheduler.bus.ask(releaseDevice, { caller: admin, deviceId: bad.id, statement: 'card was reseated' });
    expect((await pull()).holds).toMatchObject([{ generation: now + 1, releasedAt: now + 1 }]);
    await say(as({ cleanAt: now + 1 }));
    expect(await device(given!.identity)).toMatchObject({ state: 'available', reason: null });
  });

  it('that nobody claimed is a hold all the same', async () => {
    const stranger = randomUUID();
    const used = vfName(PF1, 2);
    const parts = [...withVfs(PF0, 4), ...withVfs(PF1, 4)];
    const as = (change: Partial<HostDevice>): HostDevice[] => parts.map((one) => (one.identity === used ? { ...one, ...change } : one));
    const before = await device(used);
    await say(as({ usedBy: stranger as never, cleanAt: null }));
    expect(await device(used)).toMatchObject({ state: 'unusable', reason: expect.stringContaining(stranger), generation: before.generation + 1 });
    expect((await refusal(scheduler.bus.ask(deleteDevicePool, { ...write, yesReally: true, id: vfPool().id }))).plan.refusals).toMatchObject([{ servers: [{ id: stranger }] }]);
    await say(as({ cleanAt: before.generation }));
    expect(await device(used)).toMatchObject({ state: 'scrubbing' });
    await say(as({ cleanAt: before.generation + 1 }));
    expect(await device(used)).toMatchObject({ state: 'available' });
  });
});

describe('rows that were lost', () => {
  it('are made anew from claims and hosts, with the same ids, and nothing in use is free', async () => {
    const mine = await server();
    const [given] = mine.layout.devices!;
    const { id } = await device(given!.identity);
    await base.admin.query('ALTER TABLE scheduler.device_claims DISABLE TRIGGER USER; TRUNCATE scheduler.devices, scheduler.device_claims, scheduler.device_hosts, scheduler.device_history; ALTER TABLE scheduler.device_claims ENABLE TRIGGER USER');
    expect(await devices()).toEqual([]);
    const knew = (await pull()).version;
    expect(await scheduler.bus.ask(rescanDevices, { caller: admin })).toMatchObject({ devices: 1, restored: 1 });
    expect(await device(given!.identity)).toMatchObject({ id, state: 'missing', holder: mine.id, generation: given!.generation });
    expect((await pull()).version).not.toBe(knew);
    await say([...withVfs(PF0, 4), ...withVfs(PF1, 4)].map((one) => (one.identity === given!.identity ? { ...one, usedBy: mine.id as never, cleanAt: null } : one)));
    expect(await device(given!.identity)).toMatchObject({ id, state: 'in-use', pool: { name: 'nics' } });
    expect((await scheduler.bus.ask(listDeviceClasses, {})).classes[0]).toMatchObject({ counts: { total: 8, claimed: 1, available: 7 } });
    expect(await scheduler.bus.ask(rescanDevices, { caller: admin, hostId: here.id as never })).toMatchObject({ hosts: 1, devices: 10, restored: 0 });
    expect(await unsoundDevices(base)).toEqual([]);
    const again = await server();
    expect(again.layout.devices![0]!.identity).not.toBe(given!.identity);
    await scheduler.bus.ask(releaseClaim, { instanceId: again.id as never, generation: 1 });
    await scheduler.bus.ask(releaseClaim, { instanceId: mine.id as never, generation: 1 });
    await say([...withVfs(PF0, 4), ...withVfs(PF1, 4)].map((one) => ({ ...one, cleanAt: [given!.identity, again.layout.devices![0]!.identity].includes(one.identity) ? 1 : 0 })));
  });
});

describe('claims and a change of their pool at the same moment', () => {
  it('either somebody has a VF, or all are made anew', async () => {
    const outcomes = { changed: 0, refused: 0 };
    const rung: string[] = [];
    const ear = scheduler.bus.onHint(hostHint, (_nothing, { hostId }) => { rung.push(hostId!); });
    let count = 4;
    for (let round = 0; round < 8; round += 1) {
      const wanted = count === 4 ? 5 : 4;
      // First the claims, last the change, and now this one, now that one.
      const claim3 = (afterMs: number) => Array.from({ length: 3 }, () => delay(afterMs).then(() => server()).catch(() => null));
      const first = round === 0 ? claim3(0) : [];
      await Promise.all(first);
      const change = scheduler.bus.ask(updateDevicePool, { ...write, id: vfPool().id, change: { vfCount: wanted } }).then(() => true, (error: { kind: string }) => { expect(error.kind).toBe('conflict'); return false; });
      if (round === 7) await change;
      const [changed, ...made] = await Promise.all([change, ...first, ...claim3(round * 10)]);
      const got = made.filter((one) => one !== null);
      const { rows: [held] } = await base.admin.query<{ count: number }>('SELECT count(*)::int AS count FROM scheduler.device_claims');
      expect([changed, held!.count]).toEqual([changed, changed ? 0 : got.length]);
      outcomes[changed ? 'changed' : 'refused'] += 1;
      rung.length = 0;
      for (const one of got) await scheduler.bus.ask(releaseClaim, { instanceId: one.id as never, generation: 1 });
      if (got.length > 0) expect(rung).toContain(here.id);
      if (changed) count = wanted;
      await settled();
      const all = [...withVfs(PF0, count), ...withVfs(PF1, count)];
      await say(all.map((one) => ({ ...one, cleanAt: null })));
      const generations = new Map((await devices({ limit: 500 })).map(({ device: { identity }, generation }) => [identity, generation]));
      await say(all.map((one) => ({ ...one, cleanAt: generations.get(one.identity) ?? 0 })));
      expect(await devices({ state: ['available'] })).toHaveLength(2 * count);
      await scheduler.app.get(Snapshot).refresh();
    }
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(outcomes.changed).toBeGreaterThan(0);
    expect(await unsoundDevices(base)).toEqual([]);
    if (count !== 4) await scheduler.bus.ask(updateDevicePool, { ...write, id: vfPool().id, change: { vfCount: 4 } });
    await settled();
    await say([...withVfs(PF0, 4), ...withVfs(PF1, 4)].map((one) => ({ ...one, cleanAt: 99 })));
    await ear.stop();
  });
});

describe('a state', () => {
  it('is the same in TypeScript, in SQL, and for claims', async () => {
    const cases = fc.sample(fc.record({
      facts: fc.boolean(), missing: fc.boolean(), protectedBy: fc.boolean(), condition: fc.boolean(), usedBy: fc.constantFrom(null, ...IDS), role: fc.constantFrom(null, 'offered', 'companion', 'keeper', 'withheld'),
      generation: fc.nat(2), clean: fc.constantFrom(null, 0, 1, 2), released: fc.constantFrom(null, 0, 1, 2), quarantined: fc.nat(5).map((n) => n === 0), holder: fc.constantFrom(null, null, ...IDS),
    }), 600).map((one, at) => ({ ...one, at }));
    const at = (one: number | null, most: number): number | null => one === null ? null : Math.min(one, most);
    await base.admin.query('BEGIN');
    try {
      await base.admin.query('ALTER TABLE scheduler.device_claims DISABLE TRIGGER USER');
      await base.admin.query(`
        INSERT INTO scheduler.devices (host_id, identity, facts, pool_id, class_name, pool_role, unit, generation, clean_at, released_at, quarantine_generation, quarantine_code, quarantine_sentence, missing_since)
        SELECT $1, 'case:' || at, facts, CASE WHEN role IS NOT NULL THEN $3::uuid END, CASE WHEN role IS NOT NULL THEN 'fast-net' END, role, 'u' || at, generation, clean, released, CASE WHEN quarantined THEN generation END,
          CASE WHEN quarantined THEN 'x' END, CASE WHEN quarantined THEN 'X' END, CASE WHEN missing THEN now() END
        FROM jsonb_to_recordset($2::jsonb) AS c(at integer, facts jsonb, role text, generation integer, clean integer, released integer, quarantined boolean, missing boolean)`, [here.id, JSON.stringify(cases.map((one) => ({
        ...one, clean: at(one.clean, one.generation), released: at(one.released, one.generation),
        facts: one.facts ? { ...fn(`case:${one.at}`), usedBy: one.usedBy, protectedBy: one.protectedBy ? 'swap' : null, condition: one.condition ? { code: 'aer-errors', sentence: 'Errors.' } : null } : undefined,
      }))), vfPool().id]);
      await base.admin.query(`INSERT INTO scheduler.device_claims (device_id, host_id, instance_id, purpose, generation, class_name) SELECT scheduler.device_id($1, 'case:' || at), $1, holder, 'run', 1, 'fast-net'
        FROM jsonb_to_recordset($2::jsonb) AS c(at integer, holder uuid) WHERE holder IS NOT NULL`, [here.id, JSON.stringify(cases)]);
      const shown = STOCK.replace('FROM scheduler.devices d', `, ${STATE_SQL} AS state, scheduler.device_hindrance(d) AS hindrance FROM scheduler.devices d`) + " WHERE d.identity LIKE 'case:%'";
      const { rows } = await base.admin.query<Parameters<typeof toStock>[0] & { state: string; hindrance: string | null }>(shown);
      expect(rows.length).toBe(cases.length);
      for (const raw of rows) {
        const stock = toStock(raw);
        expect([stock, stateOf(stock)]).toEqual([stock, raw.state]);
        expect([stock, raw.hindrance === null && stock.holder === null]).toEqual([stock, raw.state === 'available']);
      }
      await base.admin.query('UPDATE scheduler.hosts SET fenced_at = now() WHERE id = $1', [here.id]);
      for (const raw of (await base.admin.query<typeof rows[number]>(shown)).rows) expect([toStock(raw), stateOf(toStock(raw))]).toEqual([toStock(raw), raw.state]);
    } finally {
      await base.admin.query('ROLLBACK');
    }
  });
});

describe('groups and topology', () => {
  it('functions of one group go together, and the host is shown with all of it', async () => {
    const all = [...withVfs(PF0, 4), ...withVfs(PF1, 4), fn('slot:3a', { mates: ['slot:3b'] }), fn('slot:3b', { product: '1aef', pciClass: '040300', driver: 'snd_hda_intel', address: '0000:03:00.1', mates: ['slot:3a'] })];
    await say(all);
    await scheduler.bus.ask(createDeviceClass, { ...write, class: GPU });
    expect((await scheduler.bus.ask(createDevicePool, { ...write, pool: gpuPool() })).plan).toMatchObject({ counts: { joins: 2, bind: 2 } });
    await settled();
    expect((await pull()).pools.map(({ identity }) => identity)).toEqual([PF0, PF1, 'slot:3a', 'slot:3b']);
    await say(all);
    expect((await scheduler.bus.ask(listDeviceClasses, { name: 'a100' })).classes[0]).toMatchObject({ counts: { total: 1, available: 1 } });
    await say(all.map((one) => (one.identity === 'slot:3b' ? { ...one, dirty: { generation: 0, code: 'quarantine', sentence: 'Nothing proves that it is clean' }, cleanAt: null } : one)));
    expect((await scheduler.bus.ask(listDeviceClasses, { name: 'a100' })).classes[0]).toMatchObject({ counts: { total: 1, available: 0, quarantined: 1 } });
    expect((await scheduler.bus.ask(inspectHost, { hostId: here.id as never })).alarms).toEqual([expect.stringContaining('1 device in quarantine')]);
    await scheduler.bus.ask(releaseDevice, { caller: admin, deviceId: (await device('slot:3b')).id, statement: 'it is new' });
    await say(all.map((one) => ({ ...one, cleanAt: 99 })));
    const topology = await scheduler.bus.ask(getHostTopology, { hostId: here.id as never });
    expect(topology).toMatchObject({ host: { name: here.name }, moreDevices: false });
    expect(topology.groups).toContainEqual({ id: 40, devices: [(await device('slot:3a')).id, (await device('slot:3b')).id] });
    expect(topology.devices.find(({ identity }) => identity === vfName(PF0, 1))).toMatchObject({ cell: 0, pf: { identity: PF0, vf: 1 }, state: 'available', pool: 'nics' });
    await scheduler.bus.ask(deleteDevicePool, { ...write, id: gpuPool().id });
    await settled();
    expect(await device('slot:3a')).toMatchObject({ state: 'unpooled', pool: null });
    flavors = { names: ['gpu.big'], count: 1 };
    expect((await refusal(scheduler.bus.ask(deleteDeviceClass, { ...write, yesReally: true, name: 'a100' }))).message).toContain('is asked for by flavors: gpu.big.');
    flavors = { names: [], count: 0 };
    await scheduler.bus.ask(deleteDeviceClass, { ...write, name: 'a100' });
    expect(vf(PF0, 0).kind).toBe('vf');
  });

  it('what has been gone for long, and left nothing open, is forgotten; what it had done is not', async () => {
    const old = await device(vfName(PF0, 4));
    expect(old.state).toBe('missing');
    await base.admin.query("UPDATE scheduler.devices SET clean_at = generation, missing_since = now() - interval '91 days' WHERE id = ANY ($1)", [[old.id, (await device(vfName(PF1, 3))).id]]);
    await base.admin.query('UPDATE scheduler.devices SET generation = generation + 1 WHERE identity = $1', [vfName(PF1, 3)]);
    await scheduler.app.get(DeviceKeeper).sweep();
    expect(await device(vfName(PF0, 4))).toBeUndefined();
    expect(await device(vfName(PF1, 3))).toMatchObject({ state: 'missing' });
    expect((await scheduler.bus.ask(deviceHistory, { deviceId: old.id })).events).not.toEqual([]);
  });
});
