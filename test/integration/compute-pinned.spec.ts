/** Servers with CPUs, cells and pages of their own, from the flavor to the host: real compute and scheduler services, scripted hosts. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { confirmResize, createFlavor, createServerGroup, revertResize, type HostInventory, type InstanceId, type Layout } from '#libs/contracts';
import { eventually } from '../support/compute-service.js';
import { admin, as, client, expectGone, migrations, open, resize, server, sql, useMoves, world } from '../support/moves-test.js';
import type { MovingHost } from '../support/moves-world.js';

useMoves();

/** Two cells of four cores with two threads each; on each, two cores are for guests of their own and 256 pages of 2 MiB. */
const cell = (id: number): HostInventory['cells'][number] => ({
  id, socket: id, cpus: [0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => cpu + 8 * id), cores: [0, 2, 4, 6].map((cpu) => [cpu + 8 * id, cpu + 1 + 8 * id]),
  memoryMib: 16_384, pages: [{ kib: 2048, total: 256 }], distances: id === 0 ? [10, 20] : [20, 10],
});
const shape = { cells: [cell(0), cell(1)], sharedCpus: [0, 1, 2, 3, 8, 9, 10, 11], dedicatedCpus: [4, 5, 6, 7, 12, 13, 14, 15], memoryMib: 32_768 };

async function start(): Promise<void> {
  await open({ shape, capabilities: ['REBUILD', 'DISK_TRANSFER', 'RESIZE_IN_PLACE', 'LAYOUT'] });
  const flavors: [string, number, Record<string, string>][] = [
    ['pinned', 2, { 'hw:cpu_policy': 'dedicated' }], ['pinned4', 4, { 'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'require' }],
    ['two-cells', 4, { 'hw:numa_nodes': '2', 'hw:cpu_policy': 'dedicated', 'hw:mem_page_size': '2MB' }], ['twelve', 12, { 'hw:cpu_policy': 'dedicated' }],
  ];
  for (const [id, vcpus, extraSpecs] of flavors) {
    await world.bus.ask(createFlavor, { caller: admin(), flavor: { id, name: id, vcpus, ramMib: 512, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs } });
  }
}
const layoutOf = async (id: string): Promise<Layout | null> => (await sql<{ layout: Layout | null }>('SELECT layout FROM compute.instances WHERE id = $1', [id]))[0]?.layout ?? null;
const claimedFor = (id: string): Promise<{ purpose: string; layout: Layout | null }[]> => sql('SELECT purpose, layout FROM scheduler.claims WHERE instance_id = $1 AND host_id IS NOT NULL ORDER BY purpose', [id]);
const told = (host: MovingHost, id: string): Layout | null | undefined => host.ledger.get(id)?.layout;
const cpusOf = (layout: Layout | null): number[] => (layout?.cells ?? []).flatMap(({ pins }) => pins.map(({ host }) => host)).sort((a, b) => a - b);

describe('a server with CPUs of its own', () => {
  it('has the claimed ones in its row and on its host, wherever it goes, and leaves none behind', async () => {
    await start();
    const { view, home, away } = await server({ flavorId: 'pinned' });
    const first = await layoutOf(view.id);
    expect(cpusOf(first)).toHaveLength(2);
    expect(shape.dedicatedCpus).toEqual(expect.arrayContaining(cpusOf(first)));
    expect([await claimedFor(view.id), told(home, view.id)]).toEqual([[{ purpose: 'run', layout: first }], first]);
    await resize(view, 'pinned4');
    await client().reaches(view.id, 'VERIFY_RESIZE');
    const second = await layoutOf(view.id);
    expect(cpusOf(second)).toHaveLength(4);
    expect([await claimedFor(view.id), told(home, view.id), told(away, view.id)]).toEqual([[{ purpose: 'move', layout: second }, { purpose: 'run', layout: first }], first, second]);
    await world.bus.ask(revertResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect([await layoutOf(view.id), await claimedFor(view.id), told(home, view.id)]).toEqual([first, [{ purpose: 'run', layout: first }], first]);
    await resize(view, 'pinned4');
    await client().reaches(view.id, 'VERIFY_RESIZE');
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect(await claimedFor(view.id)).toEqual([{ purpose: 'run', layout: await layoutOf(view.id) }]);
    await client().delete(view.id);
    await expectGone(view.id);
    expect(await sql('SELECT * FROM scheduler.claimed_cpus')).toEqual([]);
  });

  it('has its own cells and pages', async () => {
    await start();
    const { view, home } = await server({ flavorId: 'two-cells' });
    expect(told(home, view.id)?.cells.map(({ memoryMib, pageKib, pins, floating }) => [memoryMib, pageKib, pins.map(({ guest }) => guest), floating])).toEqual([[256, 2048, [0, 1], []], [256, 2048, [2, 3], []]]);
    expect(told(home, view.id)).toMatchObject({ numa: true });
    expect(await sql('SELECT sum(used)::int AS kib FROM scheduler.cell_memory WHERE page_kib = 2048')).toEqual([{ kib: 512 * 1024 }]);
  });

  it('never shares them: when all are taken the next one is refused, and says by what', async () => {
    await start();
    const views = await Promise.all(Array.from({ length: 4 }, () => server({ flavorId: 'pinned4' })));
    const taken = await Promise.all(views.map(async ({ view }) => `${view.hostName}: ${cpusOf(await layoutOf(view.id)).join()}`));
    expect(new Set(taken).size).toBe(4);
    const { id } = await client().create({ flavorId: 'pinned' });
    const failed = await client().reaches(id, 'ERROR');
    expect(failed.fault?.message).toMatch(/^No valid host was found\. 2 hosts were considered\..*dedicated/);
    const large = await client().create({ flavorId: 'twelve' });
    expect((await client().reaches(large.id, 'ERROR')).fault?.message).toContain('No valid host was found.');
  });
});

describe('a server beside others', () => {
  it('keeps its group’s rule and its hints, at first and when it moves', async () => {
    await start();
    const groupId = randomUUID();
    await world.bus.ask(createServerGroup, { caller: admin(), groupId, name: 'apart', policy: 'anti-affinity', maxServerPerHost: null });
    const [first, second] = [await server({ groupId }), await server({ groupId })];
    expect(second.view.hostName).not.toBe(first.view.hostName);
    const third = await client().create({ groupId });
    await client().reaches(third.id, 'ERROR');
    const away = await server({ hints: { sameHost: [], differentHost: [first.view.id as InstanceId] } });
    expect(away.view.hostName).toBe(second.view.hostName);
    const beside = await server({ hints: { sameHost: [first.view.id as InstanceId], differentHost: [] } });
    expect(beside.view.hostName).toBe(first.view.hostName);
    // The other host has a member already: it is taken back.
    await resize(first.view);
    await eventually(async () => (await migrations(first.view))[0]?.status === 'error', () => 'it was not taken back');
    await client().reaches(first.view.id, 'ACTIVE');
    expect((await client().get(first.view.id)).hostName).toBe(first.view.hostName);
  });
});
