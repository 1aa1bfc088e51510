import { randomUUID } from 'node:crypto';
import type { INestMicroservice } from '@nestjs/common';
import { createEnrolToken, joinHost, reportInventory, type Caller, type claimHost, type HostInventory, type InputOf, type OutputOf } from '#libs/contracts';
import type { Database } from '#libs/db';
import { createBusApplication, InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import type { TestDatabase } from '#libs/testing';
import { SchedulerModule, type SchedulerConfig } from '../../apps/scheduler/src/scheduler.module.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';

export interface Scheduler { bus: InMemoryBus; app: INestMicroservice; stop(): Promise<void> }

const running = new Set<Scheduler>();

/** One scheduler process as it were: its own bus, pool and memory, on the test's database. `through`: what stands between the two. */
export async function startScheduler(test: TestDatabase, config: Partial<SchedulerConfig> = {}, through: (db: Database) => Database = (db) => db): Promise<Scheduler> {
  const bus = new InMemoryBus();
  const db = through(await test.open('scheduler', 4));
  const app = await createBusApplication(SchedulerModule.register({
    bus, db, logger: createLogger('test', 'silent'), signer: { signHostUser: async (nkey, hostId) => `jwt ${nkey} ${hostId}` },
    config: { natsUrls: ['nats://127.0.0.1:1'], aliveTimeoutMs: 60_000, ...config },
  }), bus, 'scheduler');
  await app.listen();
  await app.get(Snapshot).refresh();
  const one: Scheduler = { bus, app, stop: async () => { running.delete(one); await app.close(); await bus.close(); } };
  running.add(one);
  return one;
}

/** Those that a failed test left behind. */
export const stopSchedulers = async (): Promise<void> => { await Promise.all([...running].map((one) => one.stop())); };

export const admin: Caller = { userId: 'u-admin', userName: 'admin', projectId: 'p', projectName: 'p', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-1' };
/** A public user nkey, as far as its form goes. */
export const nkey = (): string => `U${Array.from({ length: 55 }, () => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Math.floor(Math.random() * 32)]).join('')}`;

export const tokens = async ({ bus }: Scheduler, count = 1, change: Partial<InputOf<typeof createEnrolToken>> = {}): Promise<string[]> =>
  (await bus.ask(createEnrolToken, { caller: admin, availabilityZone: 'nova', onlyWhenAsked: false, simulated: false, ttlS: 600, count, ...change })).tokens;

export const joining = (token: string, change: Partial<InputOf<typeof joinHost>> = {}): InputOf<typeof joinHost> => ({
  token, hostId: randomUUID() as never, name: `h-${randomUUID().slice(0, 8)}`, publicNkey: nkey(), simulated: false, protocol: { min: 1, max: 1 }, agentVersion: '0.1.0', ...change,
});

const inventory = (change: Partial<HostInventory> = {}): InputOf<typeof reportInventory>['inventory'] => ({
  generation: 1, vcpus: 4, memoryMib: 4096, diskGib: 40, reservedMemoryMib: 0, reservedDiskGib: 0, cpuModel: 'test', cpuArch: 'x86_64', cells: [], virtType: 'qemu',
  hypervisorVersion: 7_002_022, libvirtVersion: 9_000_000, hostAddress: '127.0.0.1', ...change,
});

export const report = ({ bus }: Scheduler, hostId: string, bootId = 'boot-1', change: Partial<HostInventory> = {}, also: Partial<InputOf<typeof reportInventory>> = {}): Promise<OutputOf<typeof reportInventory>> =>
  bus.ask(reportInventory, { bootId, protocol: { min: 1, max: 1 }, agentVersion: '0.1.0', capabilities: ['console'], simulated: false, inventory: inventory(change), ...also }, { hostId });

/** A host that joined and reported: 4 CPUs (16 vCPUs), 4 GiB, 40 GiB. */
export async function host(scheduler: Scheduler, zone: string, change: Partial<HostInventory> = {}, also: Partial<InputOf<typeof reportInventory>> = {}): Promise<{ id: string; name: string }> {
  const [token] = await tokens(scheduler, 1, { availabilityZone: zone });
  const join = joining(token!);
  await scheduler.bus.ask(joinHost, join);
  await report(scheduler, join.hostId, 'boot-1', change, also);
  await scheduler.app.get(Snapshot).refresh();
  return { id: join.hostId, name: join.name };
}

export const claim = (change: Partial<InputOf<typeof claimHost>> = {}): InputOf<typeof claimHost> => ({
  instanceId: randomUUID() as never, generation: 1, projectId: 'p', vcpus: 1, memoryMib: 512, diskGib: 1, availabilityZone: null, requestedHost: null,
  requestedAt: new Date().toISOString(), ...change,
});
