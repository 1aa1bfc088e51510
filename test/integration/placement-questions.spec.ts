/** What questions about placement must not offer, and must not tell. Over real PostgreSQL. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { claimHost, fitPlacement, hostBeat, imageMark, listProviders, releaseClaim, updateHost } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { FencesRepository } from '../../apps/scheduler/src/hosts/fences.repository.js';
import { Liveness } from '../../apps/scheduler/src/snapshot/liveness.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { admin, claim, host, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

let base: TestDatabase;
let scheduler: Scheduler;
beforeAll(async () => {
  base = await startTestDatabase('scheduler');
  scheduler = await startScheduler(base);
});
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
});

const fit = { projectId: 'p', vcpus: 1, memoryMib: 512, diskGib: 1 };

it('hosts that are dead, disabled or fenced are no candidates and fit nothing', async () => {
  const hosts = await Promise.all(['good', 'dead', 'disabled', 'fenced'].map(async (zone) => ({ zone, ...(await host(scheduler, zone)) })));
  const [good, dead, disabled, fenced] = hosts as [typeof hosts[0], typeof hosts[0], typeof hosts[0], typeof hosts[0]];
  const takers = async (): Promise<{ candidates: string[]; fit: string[] }> => {
    const { providers } = await scheduler.bus.ask(listProviders, {});
    const fitting = await Promise.all(hosts.map(async ({ zone }) => ((await scheduler.bus.ask(fitPlacement, { ...fit, availabilityZone: zone })).fits === 1 ? [zone] : [])));
    return { candidates: providers.filter(({ takesNew }) => takesNew).map(({ id }) => hosts.find((one) => one.id === id)!.zone).sort(), fit: fitting.flat().sort() };
  };
  const all = ['dead', 'disabled', 'fenced', 'good'];
  expect(await takers()).toEqual({ candidates: all, fit: all });
  // Its hypervisor does not answer any more.
  scheduler.bus.hint(hostBeat, { bootId: 'boot-1', hypervisorUp: false, inventoryGeneration: 1 }, { hostId: dead.id });
  while (scheduler.app.get(Liveness).of(dead.id).alive) await new Promise((resolve) => setImmediate(resolve));
  await scheduler.bus.ask(updateHost, { caller: admin, hostId: disabled.id as never, enabled: false });
  await scheduler.app.get(FencesRepository).begin(fenced.id, { method: 'statement', statement: 'it is off', userId: 'u', requestId: 'r' });
  expect(await takers()).toEqual({ candidates: [good.zone], fit: [good.zone] });
});

it('whether a server of another project is placed, and where, a hint does not tell', async () => {
  const [here, there] = [await host(scheduler, 'east'), await host(scheduler, 'east')];
  const own = claim({ projectId: 'p', requestedHost: here.name, availabilityZone: 'east' });
  const foreign = claim({ projectId: 'q', requestedHost: there.name, availabilityZone: 'east' });
  for (const one of [own, foreign]) expect(await scheduler.bus.ask(claimHost, one)).toMatchObject({ outcome: 'claimed' });
  const hostsOf = async (sameHost: string[], differentHost: string[], hintsWithin: string | null): Promise<string[]> =>
    (await scheduler.bus.ask(fitPlacement, { ...fit, availabilityZone: 'east', count: 2, hints: { sameHost, differentHost } as never, hintsWithin })).hosts.map(({ name }) => name).sort();
  const both = [here.name, there.name].sort();
  expect(await hostsOf([own.instanceId], [], 'p')).toEqual([here.name]);
  expect(await hostsOf([], [own.instanceId], 'p')).toEqual([there.name]);
  expect(await hostsOf([foreign.instanceId], [], 'p')).toEqual([]);
  expect(await hostsOf([], [foreign.instanceId], 'p')).toEqual(both);
  expect(await hostsOf([foreign.instanceId], [], null)).toEqual([there.name]);
  expect(await hostsOf([], [foreign.instanceId], null)).toEqual([here.name]);
});

it('a host that says in a beat that it has the image is preferred for its servers', async () => {
  const hosts = [await host(scheduler, 'cached'), await host(scheduler, 'cached')];
  const { fleet } = scheduler.app.get(Snapshot);
  const image = 'c0ffee'.padEnd(128, '0');
  for (const { id } of hosts) {
    scheduler.bus.hint(hostBeat, { bootId: 'another', hypervisorUp: true, inventoryGeneration: 1, images: ['of nobody'] }, { hostId: id });
    scheduler.bus.hint(hostBeat, { bootId: 'boot-1', hypervisorUp: true, inventoryGeneration: 1, images: [imageMark(image)] }, { hostId: id });
    while (fleet.imageSet[fleet.indexOf(id)] === 0) await new Promise((resolve) => setImmediate(resolve));
    expect([...fleet.imageSets.list[fleet.imageSet[fleet.indexOf(id)]!]!]).toEqual([imageMark(image)]);
    for (let turn = 0; turn < 3; turn += 1) {
      const one = claim({ availabilityZone: 'cached', image });
      expect(await scheduler.bus.ask(claimHost, one)).toMatchObject({ outcome: 'claimed', hostId: id });
      await scheduler.bus.ask(releaseClaim, { instanceId: one.instanceId, generation: 1 });
      await scheduler.app.get(Snapshot).refresh();
    }
    // And what it does not say any more, it has not.
    scheduler.bus.hint(hostBeat, { bootId: 'boot-1', hypervisorUp: true, inventoryGeneration: 1, images: [] }, { hostId: id });
    while (fleet.imageSet[fleet.indexOf(id)] !== 0) await new Promise((resolve) => setImmediate(resolve));
  }
});
