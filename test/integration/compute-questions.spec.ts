/** Questions about placement through the real compute service: flavors, images and groups become what the scheduler is asked. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  askCapacity, askFit, createFlavor, createServerGroup, fitPlacement, listAllocations, placementCapacity, readScheduling, type FitAnswer, type InputOf, type InstanceId, type Layout,
} from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, ComputeUnderTest, FAST } from '../support/compute-service.js';
import { callerOf, ComputeWorld, IMAGE_ID } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
const admin = callerOf('p1', { isAdmin: true, roles: ['admin'] });
const member = callerOf('p1');
const answer: FitAnswer = { fits: 1, most: 4, hosts: [], explanation: null };
const fits: InputOf<typeof fitPlacement>[] = [];
const capacities: InputOf<typeof placementCapacity>[] = [];
const AT = '2026-11-21T01:02:03.400Z';

const flavor = (id: string, extraSpecs: Record<string, string>, isPublic = true, diskGib = 1) =>
  world.bus.ask(createFlavor, { caller: admin, flavor: { id, name: `f-${id}`, vcpus: 2, ramMib: 64, diskGib, ephemeralGib: 1, swapMib: 0, rxtxFactor: 1, isPublic, disabled: false, description: null, extraSpecs } });

beforeAll(async () => {
  t = await startTestDatabase('compute');
  world = new ComputeWorld(1, 50);
  compute = await new ComputeUnderTest(world, t.db, FAST).start();
  world.bus.handle(fitPlacement, async (asked) => { fits.push(asked); return answer; }, { group: 'questions' });
  world.bus.handle(placementCapacity, async (asked) => { capacities.push(asked); return { at: AT, capacity: asked.wishes.map(({ vcpus }) => ({ zones: [{ name: 'nova', fits: vcpus * 10 }] })) }; }, { group: 'questions' });
  world.bus.handle(listAllocations, async ({ instanceId }) => ({ allocations: [{ instanceId: instanceId!, hostId: world.hosts[0]!.id as never, purpose: 'run', generation: 1, projectId: 'p1', resources: { PCPU: 2 }, at: AT }] }), { group: 'questions' });
  await flavor('plain', {});
  await flavor('pinned', { 'hw:cpu_policy': 'dedicated', 'trait:CUSTOM_FAST': 'required' });
  await flavor('hidden', {}, false);
});
afterAll(async () => {
  await compute.stop();
  await world.close();
  await t.stop();
});

const ask = (change: Partial<InputOf<typeof askFit>> = {}) => world.bus.ask(askFit, { caller: member, flavorId: 'plain', imageId: null, count: 3, availabilityZone: 'nova', requestedHost: null, groupId: null, ...change });

describe('questions about placement', () => {
  it('read flavor, image and group as for a server that is made', async () => {
    const groupId = randomUUID();
    await world.bus.ask(createServerGroup, { caller: member, groupId, name: 'g', policy: 'anti-affinity', maxServerPerHost: 2 });
    expect(await ask({ groupId })).toEqual(answer);
    expect(fits.splice(0)).toMatchObject([{ projectId: 'p1', vcpus: 2, memoryMib: 64, diskGib: 2, needs: null, count: 3, availabilityZone: 'nova', requestedHost: null, hints: null, group: { id: groupId, policy: 'anti-affinity', maxServerPerHost: 2 } }]);
    world.image = { ...world.image, properties: { hw_cpu_thread_policy: 'isolate' } };
    await ask({ flavorId: 'pinned', imageId: IMAGE_ID });
    expect(fits.splice(0)).toMatchObject([{ needs: { cpuPolicy: 'dedicated', threadPolicy: 'isolate', traits: { required: ['CUSTOM_FAST'] } } }]);
  });

  it('refuse what could not be made, and what is not theirs', async () => {
    await expect(ask({ flavorId: 'nope' })).rejects.toMatchObject({ kind: 'bad-request', message: 'Flavor nope could not be found.' });
    await expect(ask({ flavorId: 'hidden' })).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(ask({ groupId: randomUUID() })).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(ask({ requestedHost: 'host-0' })).rejects.toMatchObject({ kind: 'forbidden' });
    world.image = { ...world.image, properties: { hw_cpu_policy: 'dedicated' } };
    await flavor('shared', { 'hw:cpu_policy': 'shared' });
    await expect(ask({ flavorId: 'shared', imageId: IMAGE_ID })).rejects.toMatchObject({ kind: 'bad-request' });
    world.image = { ...world.image, properties: {} };
    expect(fits).toEqual([]);
  });

  it('tell capacity of the flavors that the caller may use', async () => {
    const { flavors, at } = await world.bus.ask(askCapacity, { caller: member });
    expect([at, flavors.map(({ id }) => id).filter((id) => ['plain', 'pinned', 'hidden'].includes(id))]).toEqual([AT, ['pinned', 'plain']]);
    expect(flavors).toContainEqual({ id: 'plain', name: 'f-plain', problem: null, zones: [{ name: 'nova', fits: 20 }] });
    expect((await world.bus.ask(askCapacity, { caller: admin })).flavors.map(({ id }) => id)).toContain('hidden');
    expect(capacities[0]!.wishes).toContainEqual(expect.objectContaining({ vcpus: 2, memoryMib: 64, diskGib: 2, needs: expect.objectContaining({ cpuPolicy: 'dedicated' }) }));
  });

  it('tell where a server is, since when, and with what; not of foreign ones', async () => {
    const layout: Layout = { cells: [{ hostCell: 0, memoryMib: 64, pageKib: null, pins: [{ guest: 0, host: 2 }, { guest: 1, host: 3 }], floating: [] }], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false };
    world.layoutFor = ({ needs }) => (needs?.cpuPolicy === 'dedicated' ? layout : null);
    const client = new Client(world, member);
    const { id } = await client.reaches((await client.create({ flavorId: 'pinned' })).id, 'ACTIVE');
    expect(await world.bus.ask(readScheduling, { caller: member, instanceId: id })).toEqual({
      instanceId: id, step: 'settled', explanation: null, placed: { host: world.hosts[0]!.name, availabilityZone: 'nova', at: AT, layout, resources: { PCPU: 2 } },
    });
    await expect(world.bus.ask(readScheduling, { caller: callerOf('p2'), instanceId: id })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(world.bus.ask(readScheduling, { caller: member, instanceId: randomUUID() as InstanceId })).rejects.toMatchObject({ kind: 'not-found' });
  });
});
