// More devices for a claim that stands, and fewer, against a real PostgreSQL.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { claimDevices, claimHost, releaseClaim, releaseDevices, type InputOf, type Layout, type Needs, type OutputOf } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { changeDevice, deviceRows, poolRow, unsoundDevices, vfsOf } from '../support/device-rows.js';
import { unsound } from '../support/fleet-rows.js';
import { claim, host, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

let test: TestDatabase;
let one: Scheduler;
beforeAll(async () => {
  test = await startTestDatabase('scheduler');
  one = await startScheduler(test);
}, 60_000);
afterAll(async () => {
  await stopSchedulers();
  await test.stop();
}, 30_000);

type Server = { instanceId: string; hostId: string; className: string; ids: string[] };
const CELLS = { cells: [0, 1].map((id) => ({ id, cpus: [id * 4, id * 4 + 1, id * 4 + 2, id * 4 + 3], memoryMib: 4096, socket: id, cores: [[id * 4, id * 4 + 1], [id * 4 + 2, id * 4 + 3]], pages: [], distances: id === 0 ? [10, 20] : [20, 10] })), vcpus: 8, memoryMib: 8192, sharedCpus: [0, 4], dedicatedCpus: [1, 2, 3, 5, 6, 7] };

/** A server on a host of its own, which has `count` VFs on each of two cells. */
async function server(count: number, change: { needs?: Partial<Needs>; devices?: number; memoryMib?: number } = {}): Promise<Server> {
  const [zone, className] = [randomUUID(), `net-${randomUUID().slice(0, 8)}`];
  const { id: hostId } = await host(one, zone, CELLS, { capabilities: ['LAYOUT', 'DEVICES', 'LIVE_DEVICES'] });
  const pool = { id: await poolRow(test, className, { vlans: [42] }), className };
  const ids = await deviceRows(test, hostId, [...vfsOf(`mac:${hostId.slice(0, 8)}a`, count, pool, 0), ...vfsOf(`mac:${hostId.slice(0, 8)}b`, count, pool, 1)]);
  await one.app.get(Snapshot).refresh();
  const needs = { ...change.needs, ...(change.devices && { devices: [{ className, count: change.devices, numaPolicy: null, vlan: null }] }) };
  const taken = await one.bus.ask(claimHost, claim({ availabilityZone: zone, vcpus: 1, memoryMib: change.memoryMib ?? 512, ...(Object.keys(needs).length > 0 && { needs: needs as Needs }) }));
  if (taken.outcome !== 'claimed') throw new Error(JSON.stringify(taken));
  const { rows: [row] } = await test.admin.query<{ instance_id: string }>('SELECT instance_id FROM scheduler.claims WHERE host_id = $1', [hostId]);
  return { instanceId: row!.instance_id, hostId, className, ids };
}

type Need = InputOf<typeof claimDevices>['need'];
const attach = ({ instanceId, hostId, className }: Server, attachment: string, need: Partial<Need> = {}, on = hostId): Promise<OutputOf<typeof claimDevices>> =>
  one.bus.ask(claimDevices, { instanceId: instanceId as never, hostId: on as never, attachment, need: { className, count: 1, ...need } });
const detach = ({ instanceId, hostId }: Server, attachment: string, on = hostId): Promise<OutputOf<typeof releaseDevices>> => one.bus.ask(releaseDevices, { instanceId: instanceId as never, hostId: on as never, attachment });
const layoutOf = async ({ instanceId }: Server): Promise<Layout | null> => (await test.admin.query<{ layout: Layout | null }>("SELECT layout FROM scheduler.claims WHERE instance_id = $1 AND purpose = 'run'", [instanceId])).rows[0]!.layout;
const standing = async (id: string): Promise<string> => (await test.admin.query('SELECT scheduler.device_standing(d) AS it FROM scheduler.devices d WHERE id = $1', [id])).rows[0].it;
const given = (answer: OutputOf<typeof claimDevices>): NonNullable<Layout['devices']> => (answer.outcome === 'claimed' ? answer.layout.devices ?? [] : []);
const reason = (answer: OutputOf<typeof claimDevices>): string => (answer.outcome === 'refused' ? answer.explanation.filters.map((filter) => `${filter.name}: ${filter.reason} ${filter.hosts.map(({ free }) => free).join()}`).join('; ') : 'claimed');
afterEach(async () => { expect([...await unsound(test), ...await unsoundDevices(test)]).toEqual([]); });

describe('more devices for a server that is there', () => {
  it('of its own host, once for each attachment, in places that nobody has', async () => {
    const it = await server(2, { devices: 1 });
    const [a, b] = [randomUUID(), randomUUID()];
    const first = given(await attach(it, a, { count: 2, tag: 'data', vlan: 42 }));
    expect(first.map(({ attachment, place, need, tag, vlan, generation }) => ({ attachment, place, need, tag, vlan, generation }))).toEqual([
      { place: undefined, need: 0, generation: 1, vlan: null, tag: undefined, attachment: undefined },
      ...[1, 2].map((place) => ({ attachment: a, place, need: 1, tag: 'data', vlan: 42, generation: 1 })),
    ]);
    expect(given(await attach(it, a, { count: 2 }))).toEqual(first);
    expect(given(await attach(it, b)).at(-1)).toMatchObject({ attachment: b, place: 3, need: 2 });
    expect(reason(await attach(it, randomUUID()))).toMatch(/^devices: 1 host has not enough devices free: 1 net-\w+ needed \(most: 0 net-\w+\)\. 0 net-\w+ \(pool pool-\S+: 0 free, 4 in use, 0 quarantined, 0 being scrubbed\)$/);
    // What leaves is its host's to clean; the others keep their places, and the next one has the lowest that is free.
    await detach(it, a);
    expect((await layoutOf(it))?.devices?.map(({ place }) => place)).toEqual([undefined, 3]);
    expect(await Promise.all(first.slice(1).map(({ deviceId }) => standing(deviceId)))).toEqual(['scrubbing', 'scrubbing']);
    for (const { deviceId } of first.slice(1)) await changeDevice(test, deviceId, 'clean_at = generation');
    expect(given(await attach(it, randomUUID())).at(-1)).toMatchObject({ place: 1, generation: 2 });
  });

  it('a claim that comes after its release is refused, and so is one for another host', async () => {
    const it = await server(1);
    const a = randomUUID();
    await attach(it, a);
    await detach(it, a);
    expect(await layoutOf(it)).toBeNull();
    await expect(attach(it, a)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('was detached before') });
    expect(await detach(it, a)).toEqual({ layout: null });
    await expect(attach(it, randomUUID(), {}, randomUUID())).rejects.toMatchObject({ kind: 'stale' });
    const b = randomUUID();
    await attach(it, b);
    await one.bus.ask(releaseClaim, { instanceId: it.instanceId as never, generation: 1 });
    await expect(attach(it, randomUUID())).rejects.toMatchObject({ kind: 'stale' });
    await expect(detach(it, b)).rejects.toMatchObject({ kind: 'stale' });
  });

  it('near to the cells that it has, when that is asked; the CPUs that it has stay its own whatever the operator thinks of them by now', async () => {
    const it = await server(1, { needs: { cpuPolicy: 'dedicated', pinned: [0] } });
    const cell = (await layoutOf(it))!.cells[0]!.hostCell;
    const a = randomUUID();
    expect(given(await attach(it, a, { numaPolicy: 'required' }))).toMatchObject([{ numaNode: cell }]);
    expect(reason(await attach(it, randomUUID(), { numaPolicy: 'required' }))).toMatch(/^device-numa: .* 0 net-\w+ near enough, 1 in the wrong cell/);
    await test.admin.query("UPDATE scheduler.hosts SET dedicated_cpus = '{}' WHERE id = $1", [it.hostId]);
    expect(given(await attach(it, randomUUID(), { numaPolicy: 'preferred' }))).toHaveLength(2);
    await detach(it, a);
    await test.admin.query("UPDATE scheduler.hosts SET dedicated_cpus = '{1,2,3,5,6,7}' WHERE id = $1", [it.hostId]);
  });

  it('its memory is there once from then on, at whatever ratio', async () => {
    const it = await server(1);
    await test.admin.query('UPDATE scheduler.host_capacity SET largest_memory_mib = 400 WHERE host_id = $1', [it.hostId]);
    expect(reason(await attach(it, randomUUID()))).toMatch(/^memory: 1 host has less than 512 MiB of memory free \(most: 400\)/);
    expect(await layoutOf(it)).toBeNull();
  });

  it('many at once get one each, or a refusal', async () => {
    const it = await server(2);
    const answers = await Promise.all(Array.from({ length: 6 }, () => attach(it, randomUUID()).catch((error: unknown) => error as Error)));
    expect(answers.filter((answer) => 'outcome' in answer && answer.outcome === 'claimed')).toHaveLength(4);
    expect(new Set((await layoutOf(it))?.devices?.map(({ place }) => place))).toEqual(new Set([0, 1, 2, 3]));
  });
});
