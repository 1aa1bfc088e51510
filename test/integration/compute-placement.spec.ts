/** What a server asks of placement, and what it is given of a host: real compute service over PostgreSQL, scripted scheduler and hosts. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  confirmResize, createFlavor, createServerGroup, deleteFlavorExtraSpec, deleteServerGroup, rebuildServer, resizeServer, revertResize, setFlavorExtraSpecs, startServer,
  type ClaimRequest, type InstanceId, type InstanceView, type Layout,
} from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { AdoptionRepository } from '../../apps/compute/src/adoption/adoption.repository.js';
import { rowFromMemory } from '../../apps/compute/src/adoption/decide/row-from-memory.js';
import { Client, ComputeUnderTest, eventually, FAST } from '../support/compute-service.js';
import { callerOf, ComputeWorld, IMAGE_ID, type ScriptedHost } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
let client: Client;
const admin = callerOf('p1', { isAdmin: true, roles: ['admin'] });

beforeAll(async () => { t = await startTestDatabase('compute'); });
afterAll(() => t.stop());
afterEach(async () => {
  await compute.stop();
  await world.close();
  await t.admin.query('TRUNCATE compute.instances, compute.instance_events, compute.host_feeds, compute.orphans, compute.departures, compute.flavors, compute.server_groups CASCADE');
  expect(world.broken).toEqual([]);
});

/** Guest CPU n on host CPU `first` + n. */
const pinned = (first: number, count: number, hostCell = 0): Layout => ({
  cells: [{ hostCell, memoryMib: 64, pageKib: null, pins: Array.from({ length: count }, (_, guest) => ({ guest, host: first + guest })), floating: [] }],
  emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false,
});
const flavor = async (id: string, extraSpecs: Record<string, string>, vcpus = 2): Promise<void> => {
  await world.bus.ask(createFlavor, { caller: admin, flavor: { id, name: id, vcpus, ramMib: 64, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs } });
};
async function open(inPlace = false): Promise<void> {
  world = new ComputeWorld(2, 50);
  compute = await new ComputeUnderTest(world, t.db, FAST, { resizeInPlace: inPlace }).start();
  client = new Client(world, admin);
  await flavor('pinned', { 'hw:cpu_policy': 'dedicated' });
  await flavor('pinned3', { 'hw:cpu_policy': 'dedicated' }, 3);
  world.layoutFor = ({ needs, vcpus, purpose }: ClaimRequest) => (needs?.cpuPolicy === 'dedicated' ? pinned(purpose === 'move' ? 10 : 2, vcpus) : null);
}
const as = (id: string) => ({ caller: { ...client.as, isAdmin: true }, instanceId: id as InstanceId });
const stored = async (id: string): Promise<Layout | null> => (await t.admin.query<{ layout: Layout | null }>('SELECT layout FROM compute.instances WHERE id = $1', [id])).rows[0]?.layout ?? null;
const told = (host: ScriptedHost, id: string): Layout | null | undefined => host.ledger.get(id)?.layout;
const hostOf = (view: InstanceView): ScriptedHost => world.hosts.find(({ name }) => name === view.hostName) as ScriptedHost;
const otherOf = (view: InstanceView): ScriptedHost => world.hosts.find(({ name }) => name !== view.hostName) as ScriptedHost;
const server = async (change: Parameters<Client['create']>[0] = {}): Promise<InstanceView> => client.reaches((await client.create({ flavorId: 'pinned', ...change })).id, 'ACTIVE');

describe('a claim', () => {
  it('asks for what flavor and image need, what hints wish and what the group says, and its layout reaches row and host', async () => {
    await open();
    const groupId = randomUUID();
    await world.bus.ask(createServerGroup, { caller: admin, groupId, name: 'g', policy: 'anti-affinity', maxServerPerHost: 2 });
    world.image = { ...world.image, properties: { hw_cpu_thread_policy: 'isolate', 'trait:CUSTOM_FAST': 'required', os_distro: 'cirros', mine: 'x' } };
    const beside = randomUUID() as InstanceId;
    const view = await server({ groupId, hints: { sameHost: [beside], differentHost: [] } });
    expect(world.asked).toHaveLength(1);
    expect(world.asked[0]).toMatchObject({
      vcpus: 2, memoryMib: 64, hints: { sameHost: [beside], differentHost: [] }, group: { id: groupId, policy: 'anti-affinity', maxServerPerHost: 2 },
      needs: { cpuPolicy: 'dedicated', pinned: [0, 1], threadPolicy: 'isolate', traits: { required: ['CUSTOM_FAST'], forbidden: [] }, imageProperties: { os_distro: 'cirros', hw_cpu_thread_policy: 'isolate' } },
    });
    expect(await stored(view.id)).toEqual(pinned(2, 2));
    expect(told(hostOf(view), view.id)).toEqual(pinned(2, 2));
  });

  it('asks for nothing when nothing is said; a group without a number means one for each host, and one that is gone means none', async () => {
    await open();
    const [groupId, gone] = [randomUUID(), randomUUID()];
    for (const id of [groupId, gone]) await world.bus.ask(createServerGroup, { caller: admin, groupId: id, name: 'g', policy: 'soft-affinity', maxServerPerHost: null });
    const view = await server({ flavorId: '42', groupId });
    expect(world.asked[0]).toMatchObject({ needs: null, hints: null, group: { id: groupId, policy: 'soft-affinity', maxServerPerHost: 1 } });
    expect([await stored(view.id), told(hostOf(view), view.id)]).toEqual([null, null]);
    world.schedulerAway = true;
    const { id } = await client.create({ groupId: gone });
    await world.bus.ask(deleteServerGroup, { caller: admin, groupId: gone });
    // Who read the group before it went has asked, and was told to come again.
    const attempts = async (): Promise<number> => (await t.admin.query<{ attempts: number }>('SELECT attempts FROM compute.instances WHERE id = $1', [id])).rows[0]!.attempts;
    const before = await attempts();
    await eventually(async () => (await attempts()) >= before + 2, () => 'it does not ask again');
    world.schedulerAway = false;
    await client.reaches(id, 'ACTIVE');
    expect(world.asked.at(-1)).toMatchObject({ group: null });
  });

  it('without the layout that was needed is none: an older scheduler is not mistaken for one that says that it floats', async () => {
    await open();
    world.layoutFor = () => null;
    const { id } = await client.create({ flavorId: 'pinned' });
    await eventually(async () => (await client.inspect(id)).lastError?.includes('The scheduler gave no CPUs, cells or pages') === true, () => 'it was taken');
    expect((await client.get(id)).hostId).toBeNull();
    await client.delete(id);
    await client.finished(id);
    expect(world.claims.size).toBe(0);
  });

  it('that an older scheduler gave without its layout is renewed by a newer one, at first and in a move', async () => {
    await open();
    const layoutFor = world.layoutFor;
    const older = (): Layout | null => null;
    const misses = (id: string) => eventually(async () => (await client.inspect(id)).lastError?.includes('The scheduler gave no CPUs, cells or pages') === true, () => 'nothing is missing');
    world.layoutFor = older;
    const { id } = await client.create({ flavorId: 'pinned' });
    await misses(id);
    world.layoutFor = layoutFor;
    const view = await client.reaches(id, 'ACTIVE');
    expect([await stored(id), told(hostOf(view), id), [...world.claims.keys()]]).toEqual([pinned(2, 2), pinned(2, 2), [id]]);
    world.layoutFor = older;
    await world.bus.ask(resizeServer, { ...as(id), flavorId: 'pinned3' });
    await misses(id);
    world.layoutFor = layoutFor;
    const moved = await client.reaches(id, 'VERIFY_RESIZE');
    expect([await stored(id), told(hostOf(moved), id), [...world.claims.keys()].sort()]).toEqual([pinned(10, 3), pinned(10, 3), [id, `${id} move`]]);
    await world.bus.ask(confirmResize, as(id));
    await client.reaches(id, 'ACTIVE');
    await client.delete(id);
    await client.finished(id);
    expect(world.claims.size).toBe(0);
  });

  it('that came to nothing leaves no layout behind, and the next one brings another', async () => {
    await open();
    for (const host of world.hosts) host.broken = true;
    const { id } = await client.create({ flavorId: 'pinned' });
    await client.reaches(id, 'ERROR');
    await eventually(async () => (await client.get(id)).hostId === null, () => 'it has a host still');
    expect(await stored(id)).toBeNull();
    for (const host of world.hosts) host.broken = false;
    world.layoutFor = () => pinned(6, 2);
    await world.bus.ask(startServer, as(id));
    const view = await client.reaches(id, 'ACTIVE');
    expect([await stored(id), told(hostOf(view), id)]).toEqual([pinned(6, 2), pinned(6, 2)]);
  });
});

describe('a move', () => {
  it('to another host: each is told what it gives, before and after a revert and a confirmation', async () => {
    await open();
    const view = await server({ hints: { sameHost: [], differentHost: [randomUUID() as InstanceId] } });
    const [home, away] = [hostOf(view), otherOf(view)];
    const resize = async (): Promise<void> => {
      await world.bus.ask(resizeServer, { ...as(view.id), flavorId: 'pinned3' });
      await client.reaches(view.id, 'VERIFY_RESIZE');
      expect([await stored(view.id), told(away, view.id), told(home, view.id)]).toEqual([pinned(10, 3), pinned(10, 3), pinned(2, 2)]);
    };
    await resize();
    expect(world.asked.at(-1)).toMatchObject({ purpose: 'move', needs: { pinned: [0, 1, 2] }, hints: world.asked[0]?.hints });
    await world.bus.ask(revertResize, as(view.id));
    await client.reaches(view.id, 'ACTIVE');
    expect([await stored(view.id), told(home, view.id), away.ledger.has(view.id)]).toEqual([pinned(2, 2), pinned(2, 2), false]);
    await resize();
    await world.bus.ask(confirmResize, as(view.id));
    await client.reaches(view.id, 'ACTIVE');
    expect([await stored(view.id), told(away, view.id), home.ledger.has(view.id)]).toEqual([pinned(10, 3), pinned(10, 3), false]);
    // The next one begins with what this one ended with.
    await world.bus.ask(resizeServer, { ...as(view.id), flavorId: '42' });
    await client.reaches(view.id, 'VERIFY_RESIZE');
    expect([await stored(view.id), told(home, view.id), told(away, view.id)]).toEqual([null, null, pinned(10, 3)]);
    await world.bus.ask(revertResize, as(view.id));
    await client.reaches(view.id, 'ACTIVE');
    expect([await stored(view.id), told(away, view.id)]).toEqual([pinned(10, 3), pinned(10, 3)]);
  });

  it('within one host: the new layout, and the old one again', async () => {
    await open(true);
    const view = await server();
    const home = hostOf(view);
    // There is no other host now.
    world.hosts.splice(world.hosts.indexOf(otherOf(view)), 1);
    await world.bus.ask(resizeServer, { ...as(view.id), flavorId: 'pinned3' });
    await client.reaches(view.id, 'VERIFY_RESIZE');
    expect(world.claims.get(`${view.id} move`)?.host.name).toBe(home.name);
    expect([await stored(view.id), told(home, view.id)]).toEqual([pinned(10, 3), pinned(10, 3)]);
    await world.bus.ask(revertResize, as(view.id));
    await client.reaches(view.id, 'ACTIVE');
    expect([await stored(view.id), told(home, view.id)]).toEqual([pinned(2, 2), pinned(2, 2)]);
  });
});

describe('adoption', () => {
  it('follows what the host was told, and gives claims with layout, resources and group', async () => {
    await open();
    await flavor('gold', { 'hw:cpu_policy': 'dedicated', 'resources:CUSTOM_GOLD': '2' });
    const groupId = randomUUID();
    await world.bus.ask(createServerGroup, { caller: admin, groupId, name: 'g', policy: 'affinity', maxServerPerHost: null });
    const [gold, changed] = [await server({ flavorId: 'gold', groupId }), await server()];
    const host = hostOf(gold);
    const remember = (id: string, change: object) => ({ desired: { ...host.ledger.get(id) ?? otherOf(gold).ledger.get(id), ...change }, sequence: 9, state: 'running', source: 'ledger' }) as never;
    const lost = randomUUID();
    const entries = [
      { is: 'unknown' as const, id: lost, name: 'lost', detail: '', entry: remember(gold.id, { id: lost, name: 'lost', layout: pinned(4, 2) }) },
      { is: 'newer' as const, id: changed.id, name: 'changed', detail: '', entry: remember(changed.id, { generation: 7, layout: pinned(8, 2) }) },
    ];
    const flavors = new Map([[gold.flavor.id, gold.flavor]]);
    const repository = new AdoptionRepository(t.db);
    await repository.follow({ id: host.id, name: host.name, zone: 'nova', upTo: 10, epoch: 1 }, entries, (entry) => rowFromMemory(entry, flavors), admin);
    const claims = await repository.held(host.id);
    const group = { id: groupId, policy: 'affinity', maxServerPerHost: 1 };
    expect(claims.map(({ instanceId, layout, resources, group: of }) => [instanceId, layout, resources, of]).sort()).toEqual([
      [gold.id, pinned(2, 2), { CUSTOM_GOLD: 2 }, group], [lost, pinned(4, 2), { CUSTOM_GOLD: 2 }, group], [changed.id, pinned(8, 2), null, null],
    ].sort());
    expect([await stored(lost), await stored(changed.id)]).toEqual([pinned(4, 2), pinned(8, 2)]);
  });
});

describe('a rebuild', () => {
  it('shows the guest the sockets, cores and threads that its new image asks for, pinned or floating', async () => {
    await open();
    const shown = async (id: string): Promise<unknown[]> => [(await stored(id))?.guestTopology ?? null, told(hostOf(await client.get(id)), id)?.guestTopology ?? null];
    const rebuild = async (id: string, properties: Record<string, string>): Promise<void> => {
      world.image = { ...world.image, properties };
      await world.bus.ask(rebuildServer, { ...as(id), imageId: IMAGE_ID });
      await client.reaches(id, 'ACTIVE');
    };
    await flavor('two', {}, 2);
    const [bound, free] = [await server(), await server({ flavorId: 'two' })];
    for (const { id } of [bound, free]) {
      expect(await shown(id)).toEqual([null, null]);
      await rebuild(id, { hw_cpu_sockets: '1', hw_cpu_cores: '2' });
      expect(await shown(id)).toEqual([{ sockets: 1, cores: 2, threads: 1 }, { sockets: 1, cores: 2, threads: 1 }]);
      await rebuild(id, {});
      expect(await shown(id)).toEqual([null, null]);
    }
    expect([await stored(bound.id), await stored(free.id)]).toEqual([pinned(2, 2), null]);
    world.image = { ...world.image, properties: { hw_cpu_max_cores: '1', hw_cpu_max_sockets: '1', hw_cpu_max_threads: '1' } };
    await expect(world.bus.ask(rebuildServer, { ...as(bound.id), imageId: IMAGE_ID })).rejects.toThrow('impossible to satisfy for vcpus count 2');
  });
});

describe('a server that is made again from its host\'s memory', () => {
  it('is of its group and keeps its hints; of a group that is gone it says so', async () => {
    await open();
    const [groupId, gone] = [randomUUID(), randomUUID()];
    for (const id of [groupId, gone]) await world.bus.ask(createServerGroup, { caller: admin, groupId: id, name: 'g', policy: 'anti-affinity', maxServerPerHost: 2 });
    const hints = { sameHost: [], differentHost: [randomUUID() as InstanceId] };
    const [member, last, free] = [await server({ flavorId: '42', groupId, hints }), await server({ flavorId: '42', groupId: gone }), await server({ flavorId: '42' })];
    const entries = [member, last, free].map((view) => ({ is: 'unknown' as const, id: view.id, name: view.name, detail: 'as found', entry: { desired: hostOf(view).ledger.get(view.id), sequence: 9, state: 'running', source: 'ledger' } as never }));
    await compute.stop();
    await t.admin.query('TRUNCATE compute.instances, compute.instance_events CASCADE');
    await t.admin.query('DELETE FROM compute.server_groups WHERE id = $1', [gone]);
    const repository = new AdoptionRepository(t.db);
    const host = hostOf(member);
    await repository.follow({ id: host.id, name: host.name, zone: 'nova', upTo: 10, epoch: 1 }, entries, (entry) => rowFromMemory(entry, new Map()), admin);
    const { rows } = await t.admin.query('SELECT id, group_id, hints, detail FROM compute.instances JOIN (SELECT instance_id, detail FROM compute.instance_events) e ON instance_id = id');
    expect(new Map(rows.map(({ id, ...row }) => [id, row]))).toEqual(new Map([
      [member.id, { group_id: groupId, hints, detail: 'as found' }],
      [last.id, { group_id: null, hints: null, detail: `as found; its server group ${gone} does not exist any more: it is in none` }],
      [free.id, { group_id: null, hints: null, detail: 'as found' }],
    ]));
    expect((await repository.held(host.id)).find(({ instanceId }) => instanceId === member.id)?.group).toEqual({ id: groupId, policy: 'anti-affinity', maxServerPerHost: 2 });
    compute = await new ComputeUnderTest(world, t.db, FAST).start();
  });
});

describe('contradictions', () => {
  it('of flavor and image are refused when a server is made, resized or rebuilt', async () => {
    await open();
    await flavor('shared', { 'hw:cpu_policy': 'shared' });
    const view = await server();
    world.image = { ...world.image, properties: { hw_cpu_policy: 'dedicated' } };
    await expect(client.create({ flavorId: 'shared' })).rejects.toThrow("Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor. What to do: take a flavor that allows dedicated CPUs");
    const ofImage = await server({ flavorId: '42' });
    expect(world.asked.at(-1)).toMatchObject({ needs: { cpuPolicy: 'dedicated', pinned: [0] } });
    await expect(world.bus.ask(resizeServer, { ...as(ofImage.id), flavorId: 'shared' })).rejects.toThrow("Image property 'hw_cpu_policy' is not permitted");
    world.image = { ...world.image, properties: {} };
    await expect(world.bus.ask(rebuildServer, { ...as(ofImage.id), imageId: IMAGE_ID })).rejects.toThrow("An instance's NUMA topology cannot be changed as part of a rebuild.");
    await world.bus.ask(rebuildServer, { ...as(view.id), imageId: IMAGE_ID });
    await client.reaches(view.id, 'ACTIVE');
    expect(await stored(view.id)).toEqual(pinned(2, 2));
  });

  it('of a flavor with itself are refused when its extra specs are written, what is unfinished is not', async () => {
    await open();
    const write = (extraSpecs: Record<string, string>) => world.bus.ask(setFlavorExtraSpecs, { caller: admin, flavorId: 'pinned', extraSpecs });
    await expect(write({ 'hw:cpu_policy': 'own' })).rejects.toThrow("Validation failed; 'own' is not one of: dedicated, shared, mixed. What to do: change hw:cpu_policy, or take it away.");
    await expect(write({ 'hw:mem_page_size': '1GB' })).rejects.toThrow("Page size 1048576 KiB does not divide the flavor's memory of 64 MiB.");
    await expect(write({ 'hw:numa_cpus.0': '0-2' })).rejects.toThrow('CPU number 2 is larger than max 1.');
    await write({ 'hw:numa_nodes': '2', 'hw:numa_cpus.0': '0', 'hw:numa_mem.0': '16' });
    await expect(client.create({ flavorId: 'pinned' })).rejects.toThrow('CPU and memory allocation must be provided for all NUMA nodes. What to do: ');
    await write({ 'hw:numa_cpus.1': '1', 'hw:numa_mem.1': '48' });
    await server();
    expect(world.asked.at(-1)).toMatchObject({ needs: { cells: [{ cpus: [0], memoryMib: 16 }, { cpus: [1], memoryMib: 48 }] } });
    await world.bus.ask(deleteFlavorExtraSpec, { caller: admin, flavorId: 'pinned', key: 'hw:numa_mem.1' });
    await expect(client.create({ flavorId: 'pinned' })).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(flavor('never', { 'hw:cpu_policy': 'shared', 'hw:cpu_thread_policy': 'isolate' })).rejects.toThrow('Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy.');
  });
});
