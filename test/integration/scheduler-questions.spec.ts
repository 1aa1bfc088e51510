/** Placement's views and questions over real PostgreSQL: what is claimed shows, what is asked leaves nothing. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { changeAggregate, claimHost, createAggregate, fitPlacement, getPlacementRules, getProjectUsage, listAllocations, listProviders, placementCapacity, releaseClaim, updateHost, type ResourceProvider } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { admin, claim, host, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

let base: TestDatabase;
let scheduler: Scheduler;
let a: { id: string; name: string };
let b: { id: string; name: string };
beforeAll(async () => {
  base = await startTestDatabase('scheduler');
  scheduler = await startScheduler(base);
  a = await host(scheduler, 'nova', { traits: ['CUSTOM_A'], resources: { CUSTOM_FPGA: 2 }, sharedCpus: [0, 1], dedicatedCpus: [2, 3], cells: [{ id: 0, cpus: [0, 1, 2, 3], memoryMib: 4096, socket: 0, cores: [], pages: [], distances: [] }] });
  b = await host(scheduler, 'east');
});
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
});

const provider = async (id: string): Promise<ResourceProvider> => (await scheduler.bus.ask(listProviders, { id: id as never })).providers[0]!;
const used = ({ inventories }: ResourceProvider): Record<string, number> => Object.fromEntries(Object.entries(inventories).map(([name, inventory]) => [name, inventory.used]));
const fit = { projectId: 'p', vcpus: 1, memoryMib: 1024, diskGib: 1 };

describe('placement asked from outside', () => {
  it('shows hosts as providers, page by page, with their aggregates', async () => {
    const uuid = randomUUID();
    const { id } = await scheduler.bus.ask(createAggregate, { caller: admin, uuid, name: 'g', availabilityZone: null });
    await scheduler.bus.ask(changeAggregate, { caller: admin, id, change: { do: 'add-host', host: a.name } });
    expect(await provider(a.id)).toMatchObject({
      name: a.name, aggregates: [uuid], traits: expect.arrayContaining(['CUSTOM_A', 'CUSTOM_SKYLITE_CONSOLE']),
      inventories: { VCPU: { total: 2, allocationRatio: 4, used: 0 }, PCPU: { total: 2, allocationRatio: 1 }, MEMORY_MB: { total: 4096 }, DISK_GB: { total: 40 }, CUSTOM_FPGA: { total: 2 } },
    });
    const first = await scheduler.bus.ask(listProviders, { limit: 1 });
    expect(first.providers.map(({ name }) => name)).toEqual([a.name]);
    const second = await scheduler.bus.ask(listProviders, { limit: 1, after: first.next! });
    expect(second.providers.map(({ name }) => name)).toEqual([b.name]);
    expect((await scheduler.bus.ask(listProviders, { after: second.next! })).providers).toEqual([]);
    await scheduler.bus.ask(updateHost, { caller: admin, hostId: b.id as never, enabled: false });
    expect((await provider(b.id)).traits).toContain('COMPUTE_STATUS_DISABLED');
    await scheduler.bus.ask(updateHost, { caller: admin, hostId: b.id as never, enabled: true });
  });

  it('shows device classes as resources: what there is, and what nobody can have now', async () => {
    const db = await base.open('scheduler', 1);
    const pool = randomUUID();
    await db.pool.query("INSERT INTO scheduler.device_classes (name, match) VALUES ('fast-net', '{}')");
    await db.pool.query("INSERT INTO scheduler.device_pools (id, name, class_name, mode, match, policy) VALUES ($1, 'net1', 'fast-net', 'vfs', '{}', '{}')", [pool]);
    for (const [identity, role, clean] of [['mac:1', 'keeper', 0], ['mac:1/vf:0', 'offered', 0], ['mac:1/vf:1', 'offered', 0], ['mac:1/vf:2', 'offered', null], ['mac:1/vf:3', 'withheld', 0], ['slot:audio', 'companion', 0]]) {
      await db.pool.query("INSERT INTO scheduler.devices (host_id, identity, unit, facts, pool_id, class_name, pool_role, clean_at) VALUES ($1, $2, $2, '{\"kind\":\"vf\",\"mates\":[]}', $3, 'fast-net', $4, $5)", [a.id, identity, pool, role, clean]);
    }
    expect((await provider(a.id)).inventories['CUSTOM_DEVICE_FAST_NET']).toEqual({ total: 3, reserved: 1, minUnit: 1, maxUnit: 2, stepSize: 1, allocationRatio: 1, used: 0 });
    expect(Object.keys((await provider(b.id)).inventories)).not.toContain('CUSTOM_DEVICE_FAST_NET');
    await db.pool.query('DELETE FROM scheduler.devices WHERE host_id = $1', [a.id]);
    await db.pool.query('DELETE FROM scheduler.device_pools');
    await db.pool.query('DELETE FROM scheduler.device_classes');
  });

  it('shows claims as allocations and as usage of their project, until they are released', async () => {
    const asked = claim({ projectId: 'q', requestedHost: a.name, needs: { resources: { CUSTOM_FPGA: 1 } } });
    expect(await scheduler.bus.ask(claimHost, asked)).toMatchObject({ outcome: 'claimed', hostId: a.id });
    const expected = { VCPU: 1, MEMORY_MB: 512, DISK_GB: 1, CUSTOM_FPGA: 1 };
    for (const by of [{ instanceId: asked.instanceId }, { hostId: a.id as never }]) {
      expect((await scheduler.bus.ask(listAllocations, by)).allocations).toMatchObject([{ instanceId: asked.instanceId, hostId: a.id, purpose: 'run', projectId: 'q', resources: expected, at: expect.any(String) }]);
    }
    await expect(scheduler.bus.ask(listAllocations, {})).rejects.toMatchObject({ kind: 'bad-request' });
    expect(await scheduler.bus.ask(getProjectUsage, { projectId: 'q' })).toEqual({ usages: expected, consumers: 1 });
    expect(used(await provider(a.id))).toMatchObject(expected);
    await scheduler.bus.ask(releaseClaim, { instanceId: asked.instanceId, generation: 1 });
    expect(await scheduler.bus.ask(getProjectUsage, { projectId: 'q' })).toEqual({ usages: {}, consumers: 0 });
  });

  it('says how many fit and where, and nothing is claimed', async () => {
    await scheduler.app.get(Snapshot).refresh();
    expect(await scheduler.bus.ask(fitPlacement, { ...fit, count: 3 })).toMatchObject({ fits: 3, most: 8, explanation: null });
    const all = await scheduler.bus.ask(fitPlacement, { ...fit, count: 20 });
    expect(all).toMatchObject({ fits: 8, most: 8, explanation: { hostsConsidered: 2, filters: [{ name: 'memory', refused: 2 }] } });
    expect(all.hosts.map(({ name, count }) => [name, count]).sort()).toEqual([[a.name, 4], [b.name, 4]].sort());
    expect(await scheduler.bus.ask(fitPlacement, { ...fit, count: 20, availabilityZone: 'east' })).toMatchObject({ fits: 4, hosts: [{ name: b.name, count: 4 }] });
    expect(await scheduler.bus.ask(fitPlacement, { ...fit, count: 2, requestedHost: a.name, needs: { resources: { CUSTOM_FPGA: 2 } } })).toMatchObject({ fits: 1, most: 1, explanation: { filters: expect.arrayContaining([expect.objectContaining({ name: 'resources' })]) } });
    expect(used(await provider(a.id))).toMatchObject({ VCPU: 0, MEMORY_MB: 0 });
    // The fleet is as before: the same answer again.
    expect(await scheduler.bus.ask(fitPlacement, { ...fit, count: 20 })).toMatchObject({ fits: 8 });
  });

  it('goes by the members of a group that are there, and by hints', async () => {
    const group = { id: randomUUID(), policy: 'anti-affinity' as const, maxServerPerHost: 1 };
    const member = claim({ group });
    const { hostId } = await scheduler.bus.ask(claimHost, member) as { hostId: string };
    const other = hostId === a.id ? b : a;
    expect(await scheduler.bus.ask(fitPlacement, { ...fit, count: 5, group })).toMatchObject({ fits: 1, most: 1, hosts: [{ id: other.id, count: 1 }] });
    expect(await scheduler.bus.ask(fitPlacement, { ...fit, count: 1, hints: { sameHost: [member.instanceId], differentHost: [] } })).toMatchObject({ fits: 1, hosts: [{ id: hostId }] });
    expect(await scheduler.bus.ask(fitPlacement, { ...fit, count: 1, hints: { sameHost: [], differentHost: [member.instanceId] } })).toMatchObject({ fits: 1, hosts: [{ id: other.id }] });
    await scheduler.bus.ask(releaseClaim, { instanceId: member.instanceId, generation: 1 });
  });

  it('counts what is left for each wish, zone by zone', async () => {
    const { capacity } = await scheduler.bus.ask(placementCapacity, { projectId: 'p', wishes: [{ vcpus: 1, memoryMib: 1024, diskGib: 0 }, { vcpus: 1, memoryMib: 512, diskGib: 40 }, { vcpus: 1, memoryMib: 9000, diskGib: 0 }] });
    expect(capacity).toEqual([[4, 4], [1, 1], [0, 0]].map(([east, nova]) => ({ zones: [{ name: 'east', fits: east }, { name: 'nova', fits: nova }] })));
  });

  it('tells the rules in force', async () => {
    const packing = await startScheduler(base, { weigher: 'pack', weights: { ram: 3 } });
    const rules = await packing.bus.ask(getPlacementRules, {});
    expect(rules).toMatchObject({ strategy: 'pack', weighers: expect.arrayContaining([{ name: 'ram', kind: 'load', multiplier: 3 }, { name: 'softAffinity', kind: 'merit', multiplier: 4 }]) });
    expect(rules.filters.map(({ name }) => name)).toEqual(expect.arrayContaining(['alive', 'memory', 'numa']));
    await packing.stop();
  });
});
