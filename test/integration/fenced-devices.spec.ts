/** Devices of a host that is fenced, in real PostgreSQL: what it keeps from whom, should it never come back. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { claimHost, createDeviceClass, createDevicePool, listDevices, releaseDevice, reportDevices, updateDevicePool, type DeviceView, type OutputOf } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { DevicePlacer } from '../../apps/scheduler/src/devices/device-placer.reconciler.js';
import { FAST, PF0, vfPool, withVfs } from '../../apps/scheduler/src/devices/testing/devices.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { admin, claim, host, report, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

let base: TestDatabase;
let scheduler: Scheduler;
let here: { id: string; name: string };
beforeAll(async () => {
  base = await startTestDatabase('scheduler');
  scheduler = await startScheduler(base);
  here = await host(scheduler, 'nova', { vcpus: 8, memoryMib: 16_384 });
  await report(scheduler, here.id, 'boot-1', { generation: 2, vcpus: 8, memoryMib: 16_384 }, { capabilities: ['console', 'LAYOUT', 'DEVICES'] });
}, 60_000);
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
}, 30_000);

const devices = async (filter: Parameters<typeof scheduler.bus.ask<typeof listDevices>>[1] = {}): Promise<DeviceView[]> => (await scheduler.bus.ask(listDevices, filter)).devices;
const write = { caller: admin };
const fewer = (dryRun: boolean): Promise<OutputOf<typeof updateDevicePool>> => scheduler.bus.ask(updateDevicePool, { ...write, dryRun, id: vfPool().id, change: { vfCount: 3 } });

it('stands in no way of a pool with what an evacuation left behind there, and offers nothing', async () => {
  await scheduler.bus.ask(createDeviceClass, { ...write, class: FAST });
  await scheduler.bus.ask(createDevicePool, { ...write, yesReally: true, pool: vfPool() });
  await scheduler.bus.ask(reportDevices, { bootId: 'boot-1', epoch: 1, incarnation: 1, reading: 1, wishes: 'v', range: { after: null, upTo: null }, devices: withVfs(PF0, 4) }, { hostId: here.id });
  await scheduler.app.get(DevicePlacer).place();
  await scheduler.app.get(Snapshot).refresh();
  const asked = claim({ memoryMib: 256, needs: { devices: [{ className: 'fast-net', count: 1 }] } as never, requestedAt: new Date(0).toISOString() });
  const answer = await scheduler.bus.ask(claimHost, asked);
  if (answer.outcome !== 'claimed') throw new Error(JSON.stringify(answer.explanation));
  const held = answer.layout!.devices![0]!.identity;

  await base.admin.query('UPDATE scheduler.hosts SET fenced_at = now() WHERE id = $1', [here.id]);
  await expect(fewer(true)).resolves.toMatchObject({ plan: { refusals: [{ code: 'in-use-on-fenced-host', servers: [{ id: asked.instanceId }] }] } });
  await expect(fewer(false)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('neither evacuated nor deleted') });
  expect((await devices({ device: held }))[0]).toMatchObject({ state: 'claimed', reason: expect.stringContaining('Evacuate its server') });
  expect(await devices({ state: ['available'] })).toEqual([]);
  const [other] = await devices({ state: ['unusable'], kind: 'vf' });
  expect(other).toMatchObject({ reason: expect.stringContaining('is fenced') });
  await expect(scheduler.bus.ask(releaseDevice, { ...write, deviceId: other!.id, statement: 'gone' })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('is fenced') });

  // As an evacuation leaves it: the server runs elsewhere.
  await base.admin.query(`ALTER TABLE scheduler.device_claims DISABLE TRIGGER USER; UPDATE scheduler.device_claims SET purpose = 'lost:1' WHERE instance_id = '${asked.instanceId}'; ALTER TABLE scheduler.device_claims ENABLE TRIGGER USER`);
  expect((await devices({ device: held }))[0]).toMatchObject({ holder: asked.instanceId, reason: expect.stringContaining('stands in no change') });
  expect(await fewer(false)).toMatchObject({ plan: { refusals: [] }, pool: { vfCount: 3 } });
});
