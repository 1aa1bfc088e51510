import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { adoptClaims, claimHost, Needs, releaseClaim, settleMove, type GroupWish, type HostInventory, type Layout } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { layout, unsound } from '../support/fleet-rows.js';
import { claim, host, report, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

let test: TestDatabase;
let scheduler: Scheduler;
beforeAll(async () => {
  test = await startTestDatabase('scheduler');
  scheduler = await startScheduler(test);
});
afterAll(async () => {
  await stopSchedulers();
  await test.stop();
});

/** Two cells of 8 CPUs: of each the first two are shared, the others dedicated; 1 GiB of 2 MiB pages in each. */
const twoCells = (change: Partial<HostInventory> = {}): Partial<HostInventory> => ({
  vcpus: 16, memoryMib: 16_384, diskGib: 1000, sharedCpus: [0, 1, 8, 9], dedicatedCpus: [2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15],
  cells: [0, 1].map((id) => ({
    id, socket: id, cpus: Array.from({ length: 8 }, (_, at) => id * 8 + at), memoryMib: 8192,
    cores: Array.from({ length: 4 }, (_, at) => [id * 8 + at * 2, id * 8 + at * 2 + 1]), pages: [{ kib: 2048, total: 512 }], distances: id === 0 ? [10, 20] : [20, 10],
  })),
  cpuFlags: ['avx2'], traits: ['HW_CPU_X86_AVX2'], resources: { CUSTOM_KEY: 2 }, ...change,
});
const CAPABLE = { capabilities: ['ECHO', 'LAYOUT'] };
async function celledHost(zone: string, change: Partial<HostInventory> = {}): Promise<{ id: string; name: string }> {
  const one = await host(scheduler, zone);
  await report(scheduler, one.id, 'boot-2', { ...twoCells(change), generation: 2 }, CAPABLE).catch(() => undefined);
  await report(scheduler, one.id, 'boot-1', { ...twoCells(change), generation: 3 }, CAPABLE);
  await scheduler.app.get(Snapshot).refresh();
  return one;
}
const needs = (change: Partial<Needs> = {}): Needs => Needs.parse(change);
const dedicated = (count: number, change: Partial<Needs> = {}): Needs => needs({ cpuPolicy: 'dedicated', pinned: Array.from({ length: count }, (_, at) => at), ...change });
const cpusOf = (of: Layout | null): number[] => (of?.cells ?? []).flatMap(({ pins }) => pins.map((pin) => pin.host)).concat(of?.idleCpus ?? [], of?.emulatorCpu ?? []).sort((a, b) => a - b);
const ask = async (change: Parameters<typeof claim>[0]): Promise<{ instanceId: string; hostId: string; layout: Layout | null; why: string }> => {
  const asked = claim(change);
  const answer = await scheduler.bus.ask(claimHost, asked);
  return { instanceId: asked.instanceId, hostId: answer.outcome === 'claimed' ? answer.hostId : '', layout: answer.outcome === 'claimed' ? answer.layout : null, why: answer.outcome === 'refused' ? answer.explanation.filters.map(({ name, reason }) => `${name}: ${reason}`).join(' ') : '' };
};
const row = async (instanceId: string): Promise<Record<string, unknown>> => (await test.admin.query("SELECT vcpus, pcpus, memory_mib, layout, resources, group_id FROM scheduler.claims WHERE instance_id = $1 AND purpose = 'run'", [instanceId])).rows[0];
const expectSound = async (): Promise<void> => { expect(await unsound(test)).toEqual([]); };

describe('a claim with needs', () => {
  it('is answered with the exact CPUs, cells and pages, which are what is claimed', async () => {
    const one = await celledHost('az-exact');
    const pinned = await ask({ availabilityZone: 'az-exact', vcpus: 4, memoryMib: 1024, needs: dedicated(4, { emulatorThreads: 'isolate', pageSize: 2048 }) });
    expect(pinned.hostId).toBe(one.id);
    expect(cpusOf(pinned.layout)).toHaveLength(5);
    expect(await row(pinned.instanceId)).toMatchObject({ vcpus: 0, pcpus: 5, memory_mib: 0, layout: pinned.layout });
    const cells = await ask({ availabilityZone: 'az-exact', vcpus: 4, memoryMib: 2048, needs: needs({ cells: [{ cpus: [0, 1], memoryMib: 1024 }, { cpus: [2, 3], memoryMib: 1024 }] }) });
    expect(cells.layout!.cells.map(({ hostCell, floating }) => [hostCell, floating.length])).toEqual([[expect.any(Number), 2], [expect.any(Number), 2]]);
    expect(await row(cells.instanceId)).toMatchObject({ vcpus: 4, pcpus: 0, memory_mib: 2048 });
    const key = await ask({ availabilityZone: 'az-exact', needs: needs({ resources: { CUSTOM_KEY: 2 } }) });
    expect(await row(key.instanceId)).toMatchObject({ resources: { CUSTOM_KEY: 2 }, layout: null });
    expect((await ask({ availabilityZone: 'az-exact', needs: needs({ resources: { CUSTOM_KEY: 1 } }) })).why).toMatch(/^resources: /);
    const plain = await ask({ availabilityZone: 'az-exact' });
    expect(await row(plain.instanceId)).toEqual({ vcpus: 1, pcpus: 0, memory_mib: 512, layout: null, resources: null, group_id: null });
    await expectSound();
  });

  it('of one burst no two get one CPU, all dedicated CPUs are given, and who gets none is told why', async () => {
    await celledHost('az-burst');
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask({ availabilityZone: 'az-burst', vcpus: 2, memoryMib: 64, needs: dedicated(2) })));
    const got = answers.filter(({ hostId }) => hostId !== '');
    expect(got).toHaveLength(6);
    expect(got.flatMap((one) => cpusOf(one.layout)).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15]);
    expect(answers.find(({ why }) => why !== '')!.why).toMatch(/dedicated/);
    // The pinned ones are released, and all of it can be had again, by another scheduler as well.
    await Promise.all(got.map(({ instanceId }) => scheduler.bus.ask(releaseClaim, { instanceId: instanceId as never, generation: 1 })));
    const other = await startScheduler(test);
    const again = await Promise.all(Array.from({ length: 12 }, (_, at) => [scheduler, other][at % 2]!.bus.ask(claimHost, claim({ availabilityZone: 'az-burst', memoryMib: 64, needs: dedicated(1) }))));
    expect(again.filter(({ outcome }) => outcome === 'claimed')).toHaveLength(12);
    await expectSound();
    await other.stop();
  });

  it('connections that die under a burst lose and leak nothing: asked again, everyone has exactly one claim, with the layout it was told', async () => {
    const zone = 'az-broken';
    for (let at = 0; at < 5; at += 1) await celledHost(zone);
    const asks = Array.from({ length: 60 }, (_, at) => claim({ availabilityZone: zone, memoryMib: 16, diskGib: 0, needs: at % 2 === 0 ? dedicated(1) : needs({ pageSize: 2048 }), group: at % 10 === 0 ? { id: randomUUID(), policy: 'affinity', maxServerPerHost: 1 } : null }));
    let breaking = true;
    const breaker = (async () => {
      for (let round = 0; breaking && round < 15; round += 1) {
        await test.admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_scheduler' AND datname = current_database()");
        await new Promise((resolve) => setTimeout(resolve, 10 + round * 2));
      }
    })();
    const persist = async (one: (typeof asks)[number]): Promise<unknown> => {
      for (let tries = 0; ; tries += 1) {
        try { return await scheduler.bus.ask(claimHost, one); } catch (error) {
          if ((error as { kind?: string }).kind !== 'unavailable' || tries > 200) throw error;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    };
    const told = await Promise.all(asks.map(persist));
    breaking = false;
    await breaker;
    expect((await Promise.all(asks.map(persist))).map((one) => ({ ...(one as object), explanation: null }))).toEqual(told.map((one) => ({ ...(one as object), explanation: null })));
    const live = await test.admin.query('SELECT instance_id, layout FROM scheduler.claims WHERE host_id IS NOT NULL AND instance_id = ANY ($1)', [asks.map(({ instanceId }) => instanceId)]);
    expect(live.rows).toHaveLength(60);
    for (const [at, one] of told.entries()) expect(live.rows.find((row) => row.instance_id === asks[at]!.instanceId).layout).toEqual((one as { layout: Layout }).layout);
    await expectSound();
  });

  it('is refused where the agent, a trait or dedicated CPUs lack, in words', async () => {
    await host(scheduler, 'az-plain');
    await celledHost('az-traits');
    expect((await ask({ availabilityZone: 'az-plain', needs: dedicated(1) })).why).toMatch(/agent|dedicated/);
    const traits = { required: ['HW_CPU_X86_AVX512F'], forbidden: [] };
    expect((await ask({ availabilityZone: 'az-traits', needs: needs({ traits }) })).why).toMatch(/^availability-zone: .*traits: .*HW_CPU_X86_AVX512F/);
    expect((await ask({ availabilityZone: 'az-traits', needs: needs({ traits: { required: ['HW_CPU_X86_AVX2', 'CUSTOM_SKYLITE_LAYOUT'], forbidden: [] } }) })).hostId).not.toBe('');
  });

  it('keeps its CPUs and pages through a move, and gives the old ones back', async () => {
    const [one, two] = [await celledHost('az-move'), await celledHost('az-move')];
    const wish = { availabilityZone: 'az-move', vcpus: 2, memoryMib: 64, needs: dedicated(2, { pageSize: 'large' }) } as const;
    const run = await ask(wish);
    const other = run.hostId === one.id ? two.id : one.id;
    const move = await ask({ ...wish, instanceId: run.instanceId as never, generation: 2, purpose: 'move', notHosts: [run.hostId as never] });
    expect(move.hostId).toBe(other);
    await scheduler.bus.ask(settleMove, { instanceId: run.instanceId as never, generation: 2, keepOldAs: null });
    expect(await row(run.instanceId)).toMatchObject({ pcpus: 2, layout: move.layout });
    await scheduler.app.get(Snapshot).refresh();
    const { fleet } = scheduler.app.get(Snapshot);
    expect([run.hostId, other].map((id) => fleet.freeDedicated[fleet.indexOf(id)])).toEqual([12, 10]);
    await expectSound();
  });

  it('an inventory that shrinks is never refused: what is claimed stays, nothing new comes, and what came back is free again', async () => {
    const one = await celledHost('az-shrink');
    const first = await ask({ availabilityZone: 'az-shrink', vcpus: 6, memoryMib: 512, needs: dedicated(6, { pageSize: 2048 }) });
    const small = (generation: number, cpus: number[], total: number): Promise<unknown> => report(scheduler, one.id, 'boot-1', { ...twoCells({ dedicatedCpus: cpus, resources: {} }), generation, cells: twoCells().cells!.map((cell) => ({ ...cell, pages: total === 0 ? [] : [{ kib: 2048, total }] })) }, CAPABLE);
    await small(4, [], 0);
    await scheduler.app.get(Snapshot).refresh();
    expect((await ask({ availabilityZone: 'az-shrink', vcpus: 1, needs: dedicated(1) })).why).not.toBe('');
    expect((await test.admin.query('SELECT limit_pcpus, used_pcpus FROM scheduler.host_capacity WHERE host_id = $1', [one.id])).rows).toEqual([{ limit_pcpus: 0, used_pcpus: 6 }]);
    expect((await test.admin.query('SELECT amount, used FROM scheduler.cell_memory WHERE host_id = $1 AND page_kib = 2048', [one.id])).rows).toEqual([{ amount: '0', used: String(512 * 1024) }]);
    await small(5, twoCells().dedicatedCpus!, 512);
    await scheduler.app.get(Snapshot).refresh();
    const next = await ask({ availabilityZone: 'az-shrink', vcpus: 6, memoryMib: 512, needs: dedicated(6, { pageSize: 2048 }) });
    expect(cpusOf(next.layout).filter((cpu) => cpusOf(first.layout).includes(cpu))).toEqual([]);
    await expectSound();
  });

  it('hosts that are adopted bring what they have, also what two share; when one leaves it is the other\'s', async () => {
    const one = await celledHost('az-adopt');
    const it = layout([{ hostCell: 0, memoryMib: 64, pageKib: 2048, pins: [2, 3] }]);
    const { incarnation } = await test.open('scheduler', 1);
    const held = (instanceId: string, of: Layout | null) => ({ instanceId: instanceId as never, generation: 1, projectId: 'p', vcpus: 2, memoryMib: 64, diskGib: 1, layout: of });
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    const adopt = (): Promise<unknown> => scheduler.bus.ask(adoptClaims, { hostId: one.id as never, incarnation, epoch: 1, requestId: 'r', userId: 'u', statement: 's', last: true, claims: [held(ids[0]!, it), held(ids[1]!, it), held(ids[2]!, null)] });
    await adopt();
    await adopt();
    expect(await row(ids[0]!)).toMatchObject({ vcpus: 0, pcpus: 2, memory_mib: 0 });
    expect(await row(ids[2]!)).toMatchObject({ vcpus: 2, pcpus: 0, memory_mib: 64 });
    // A move of it began before its claim was booked; of another one nothing is changed.
    const moving = [held(randomUUID(), null), { ...held(ids[2]!, null), generation: 9, memoryMib: 32 }].map((claimed) => ({ ...claimed, moving: true }));
    await scheduler.bus.ask(adoptClaims, { hostId: one.id as never, incarnation, epoch: 1, requestId: 'r', userId: 'u', statement: 's', last: true, claims: moving });
    expect([await row(moving[0]!.instanceId), await row(ids[2]!)]).toMatchObject([{ vcpus: 2, memory_mib: 64 }, { memory_mib: 64 }]);
    await scheduler.bus.ask(releaseClaim, { instanceId: ids[0] as never, generation: 1 });
    expect((await test.admin.query('SELECT cpu, instance_id FROM scheduler.claimed_cpus WHERE host_id = $1 ORDER BY cpu', [one.id])).rows).toEqual([{ cpu: 2, instance_id: ids[1] }, { cpu: 3, instance_id: ids[1] }]);
    await expectSound();
  });
});

describe('company', () => {
  const group = (policy: GroupWish['policy'], maxServerPerHost = 1): GroupWish => ({ id: randomUUID(), policy, maxServerPerHost });

  it('hints: on the host of these, never on the hosts of those; servers that are nowhere refuse same_host', async () => {
    const zone = 'az-hints';
    const hosts = [await host(scheduler, zone), await host(scheduler, zone), await host(scheduler, zone)];
    const first = await ask({ availabilityZone: zone });
    const hints = (sameHost: string[], differentHost: string[]): { hints: never } => ({ hints: { sameHost, differentHost } as never });
    expect((await ask({ availabilityZone: zone, ...hints([first.instanceId], []) })).hostId).toBe(first.hostId);
    const apart = await Promise.all(Array.from({ length: 6 }, () => ask({ availabilityZone: zone, memoryMib: 64, ...hints([], [first.instanceId]) })));
    for (const { hostId } of apart) expect(hosts.map(({ id }) => id).filter((id) => id !== first.hostId)).toContain(hostId);
    expect((await ask({ availabilityZone: zone, ...hints([randomUUID()], []) })).why).toMatch(/same-host/);
  });

  it('groups: a burst of members keeps the rule, from two schedulers at once, and the rest are told why', async () => {
    const zone = 'az-groups';
    for (let at = 0; at < 3; at += 1) await host(scheduler, zone);
    const other = await startScheduler(test);
    const burst = async (wish: GroupWish, count: number, through = [scheduler, other]): Promise<{ hosts: string[]; whys: string[] }> => {
      const answers = await Promise.all(Array.from({ length: count }, (_, at) => through[at % through.length]!.bus.ask(claimHost, claim({ availabilityZone: zone, memoryMib: 16, diskGib: 0, group: wish }))));
      return { hosts: answers.flatMap((one) => (one.outcome === 'claimed' ? [one.hostId] : [])), whys: answers.flatMap((one) => (one.outcome === 'refused' ? [one.explanation.filters.map(({ name }) => name).join(' ')] : [])) };
    };
    const apart = await burst(group('anti-affinity', 2), 9);
    expect(apart.hosts).toHaveLength(6);
    expect(apart.whys).toEqual(Array(3).fill('anti-affinity availability-zone'));
    const together = await burst(group('affinity'), 6);
    expect(together.hosts).toHaveLength(6);
    expect(new Set(together.hosts).size).toBe(1);
    const soft = await burst(group('soft-anti-affinity'), 6, [scheduler]);
    expect(new Set(soft.hosts).size).toBe(3);
    expect(new Set((await burst(group('soft-affinity'), 4, [scheduler])).hosts).size).toBe(1);
    await expectSound();
    await other.stop();
  });
});
