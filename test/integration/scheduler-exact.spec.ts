import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { GroupWish, Layout } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ClaimsRepository } from '../../apps/scheduler/src/claims/claims.repository.js';
import type { Wanted } from '../../apps/scheduler/src/claims/wanted.js';
import { hostRow, layout, unsound } from '../support/fleet-rows.js';

let test: TestDatabase;
let claims: ClaimsRepository;

beforeAll(async () => {
  test = await startTestDatabase('scheduler');
  claims = new ClaimsRepository(test.db);
});
afterAll(() => test.stop());

/** Of a batch that goes one by one, who was made first comes first. */
let made = 0;
const rising = (): string => (made += 1).toString(16).padStart(8, '0') + randomUUID().slice(8);

/** A claim of a layout: what floats and what is ordinary memory follow from it. */
const want = (hostId: string, it: Layout | null, more: Partial<Wanted> & { group?: GroupWish; resources?: Record<string, number> } = {}): Wanted => {
  const { group = null, resources = {}, ...rest } = more;
  return {
    instanceId: rising(), purpose: 'run', generation: 1, projectId: 'p', hostId, diskGib: 1,
    vcpus: it === null ? 1 : it.cells.reduce((sum, cell) => sum + cell.floating.length, 0),
    memoryMib: it === null ? 512 : it.cells.reduce((sum, cell) => sum + (cell.pageKib === null ? cell.memoryMib : 0), 0),
    exact: { layout: it, resources, group }, ...rest,
  };
};
const take = async (...wanted: Wanted[]): Promise<string> => (await claims.claim(wanted)).taken.map(({ is }) => is).join(' ');
const insert = (of: Wanted): Promise<unknown> => test.admin.query(
  `INSERT INTO scheduler.claims (instance_id, purpose, generation, host_id, project_id, vcpus, memory_mib, disk_gib, layout, resources, group_id, group_policy, group_max) VALUES ($1, $2, $3, $4, 'p', $5, $6, 0, $7, $8, $9, $10, $11)`,
  [of.instanceId, of.purpose, of.generation, of.hostId, of.vcpus, of.memoryMib, of.exact!.layout && JSON.stringify(of.exact!.layout), Object.keys(of.exact!.resources).length > 0 ? JSON.stringify(of.exact!.resources) : null, of.exact!.group?.id ?? null, of.exact!.group?.policy ?? null, of.exact!.group?.maxServerPerHost ?? 1]);
const pinned = (...cpus: number[]): Layout => layout([{ hostCell: 0, memoryMib: 64, pins: cpus }]);
const ofCell = async (hostId: string, pageKib: number, cell = 0): Promise<number> => Number((await test.admin.query('SELECT used FROM scheduler.cell_memory WHERE host_id = $1 AND page_kib = $2 AND cell = $3', [hostId, pageKib, cell])).rows[0].used);
const ofHost = async (hostId: string): Promise<Record<string, number>> =>
  (await test.admin.query('SELECT used_vcpus AS vcpus, used_pcpus AS pcpus, used_memory_mib AS memory, used_instances AS n, used_exact AS exact FROM scheduler.host_capacity WHERE host_id = $1', [hostId])).rows[0];
const cpusOf = async (hostId: string): Promise<number[]> => (await test.admin.query('SELECT cpu FROM scheduler.claimed_cpus WHERE host_id = $1 ORDER BY cpu', [hostId])).rows.map(({ cpu }) => cpu as number);
const expectSound = async (): Promise<void> => { expect(await unsound(test)).toEqual([]); };

describe('a claim of exactly this', () => {
  it('takes CPUs, pages, memory of cells and resources, answers how the host stands, and gives all back', async () => {
    const host = await hostRow(test, { dedicated: [4, 5, 6, 7, 8], cells: [{ memoryMib: 1024, pages: { 2048: 100 } }, { memoryMib: 1024, pages: { 2048: 100, 1048576: 2 } }], resources: { CUSTOM_KEY: 3 } });
    const it = layout([{ hostCell: 0, memoryMib: 100, pins: [4, 5], floating: 1 }, { hostCell: 1, memoryMib: 64, pageKib: 2048, pins: [6] }], { emulatorCpu: 7, emulatorThreads: 'isolate', idleCpus: [8] });
    const one = want(host, it, { resources: { CUSTOM_KEY: 2 } });
    const { taken, hosts } = await claims.claim([one]);
    expect(taken).toEqual([{ is: 'claimed', hostId: host, hostName: host, availabilityZone: 'nova', layout: it }]);
    expect(hosts[0]!.capacity).toMatchObject({
      used: { vcpus: 1, memoryMib: 100, diskGib: 1 },
      claimed: { cpus: [4, 5, 6, 7, 8], cells: [{ id: 0, memoryMib: 100, pages: [] }, { id: 1, memoryMib: 0, pages: [{ kib: 2048, used: 32 }] }], resources: { CUSTOM_KEY: 2 } },
    });
    expect(await ofHost(host)).toEqual({ vcpus: 1, pcpus: 5, memory: 100, n: 1, exact: 1 });
    await expectSound();
    // Asked again, whatever is chosen now: the same, and nothing more is counted.
    expect((await claims.claim([want(host, pinned(4), { instanceId: one.instanceId })])).taken).toEqual(taken);
    expect((await claims.claim([{ ...one, hostId: null }])).taken).toEqual(taken);
    expect((await claims.claim([{ ...one, hostId: null, exact: null }])).taken).toEqual(taken);
    expect(await ofHost(host)).toEqual({ vcpus: 1, pcpus: 5, memory: 100, n: 1, exact: 1 });
    expect(await claims.release([{ instanceId: one.instanceId, purpose: 'run', generation: 1 }])).toHaveLength(1);
    expect(await ofHost(host)).toEqual({ vcpus: 0, pcpus: 0, memory: 0, n: 0, exact: 0 });
    expect(await cpusOf(host)).toEqual([]);
    expect(await take(one)).toBe('stale');
    expect(await take({ ...one, generation: 2 })).toBe('claimed');
    expect(await take({ ...one, generation: 3 })).toBe('held');
    await expectSound();
  });

  it('of a batch each takes what the others left: by CPU, page, memory of a cell, resource', async () => {
    const host = await hostRow(test, { dedicated: [0, 1, 2, 3], cells: [{ memoryMib: 200, pages: { 2048: 64 } }], resources: { CUSTOM_KEY: 1 } });
    expect(await take(want(host, pinned(0, 1)), want(host, pinned(1, 2)), want(host, pinned(2)), want(host, pinned(9)), want(host, pinned(3, 3)))).toBe('claimed lost claimed lost lost');
    const pages = (mib: number): Wanted => want(host, layout([{ hostCell: 0, memoryMib: mib, pageKib: 2048, floating: 1 }]));
    expect(await take(pages(100), pages(30), pages(28), want(host, layout([{ hostCell: 0, memoryMib: 2, pageKib: 1048576, floating: 1 }])), want(host, layout([{ hostCell: 5, memoryMib: 2, floating: 1 }])))).toBe('claimed lost claimed lost lost');
    expect(await take(want(host, pinned(3)), want(host, layout([{ hostCell: 0, memoryMib: 9, floating: 1 }])), want(host, layout([{ hostCell: 0, memoryMib: 8, floating: 1 }])))).toBe('claimed lost claimed');
    expect(await take(want(host, null, { resources: { CUSTOM_KEY: 1 } }), want(host, null, { resources: { CUSTOM_KEY: 1 } }), want(host, null, { resources: { CUSTOM_OTHER: 1 } }))).toBe('claimed lost lost');
    await expectSound();
  });

  it('plain and exact claims share a batch and a host', async () => {
    const host = await hostRow(test, { dedicated: [0, 1], vcpus: 2, cells: [{ memoryMib: 1000 }] });
    const plain = (): Wanted => ({ ...want(host, null), exact: null });
    expect(await take(want(host, pinned(0)), plain(), want(host, pinned(0)), plain(), want(host, pinned(1)), plain())).toBe('claimed claimed lost claimed claimed lost');
    expect(await ofHost(host)).toEqual({ vcpus: 2, pcpus: 2, memory: 1152, n: 4, exact: 2 });
    await expectSound();
  });

  it('a move takes its CPUs, pages and group along, and nothing counts twice', async () => {
    const cells = [{ memoryMib: 1000, pages: { 2048: 100 } }];
    const from = await hostRow(test, { dedicated: [0, 1], cells, resources: { CUSTOM_KEY: 1 } });
    const to = await hostRow(test, { dedicated: [0, 1], cells, resources: { CUSTOM_KEY: 1 } });
    const group: GroupWish = { id: randomUUID(), policy: 'anti-affinity', maxServerPerHost: 1 };
    const it = layout([{ hostCell: 0, memoryMib: 100, pins: [0] }, { hostCell: 0, memoryMib: 64, pageKib: 2048, pins: [1] }]);
    const more = { group, resources: { CUSTOM_KEY: 1 } };
    const run = want(from, it, more);
    expect(await take(run)).toBe('claimed');
    expect(await take(want(to, it, { ...more, instanceId: run.instanceId, purpose: 'move', generation: 2 }))).toBe('claimed');
    await expectSound();
    // The destination's operator took the CPUs away in the meantime: what is claimed stays.
    await test.admin.query("UPDATE scheduler.hosts SET dedicated_cpus = '{}' WHERE id = $1", [to]);
    await test.admin.query('UPDATE scheduler.host_capacity SET limit_pcpus = 0, limit_memory_mib = 0 WHERE host_id = $1', [to]);
    await test.admin.query('UPDATE scheduler.cell_memory SET amount = 0 WHERE host_id = $1', [to]);
    expect(await claims.settleMove(run.instanceId, 2, 'lost:m')).toBe('settled');
    expect((await test.admin.query('SELECT purpose, host_id, pcpus, resources, group_id FROM scheduler.claims WHERE instance_id = $1 ORDER BY purpose', [run.instanceId])).rows).toEqual([
      { purpose: 'lost:m', host_id: from, pcpus: 2, resources: { CUSTOM_KEY: 1 }, group_id: group.id }, { purpose: 'move', host_id: null, pcpus: 0, resources: null, group_id: null },
      { purpose: 'run', host_id: to, pcpus: 2, resources: { CUSTOM_KEY: 1 }, group_id: group.id }]);
    expect(await ofCell(to, 2048)).toBe(64 * 1024);
    expect((await test.admin.query('SELECT purpose FROM scheduler.claimed_cpus WHERE host_id = $1', [to])).rows).toEqual([{ purpose: 'run' }, { purpose: 'run' }]);
    await claims.release([{ instanceId: run.instanceId, purpose: 'lost:m', generation: 1 }, { instanceId: randomUUID(), purpose: 'run', generation: 1 }]);
    expect([await ofHost(from), await cpusOf(from), await ofCell(from, 4)]).toEqual([{ vcpus: 0, pcpus: 0, memory: 0, n: 0, exact: 0 }, [], 0]);
    // It shrank: visibly overcommitted, and takes nothing new.
    expect(await take(want(to, pinned(0)))).toBe('lost');
    await claims.release([{ instanceId: run.instanceId, purpose: 'run', generation: 2 }]);
    expect([await cpusOf(to), await ofCell(to, 2048)]).toEqual([[], 0]);
    await expectSound();
  });

  it('a move is settled also off a CPU that adoption found two guests on', async () => {
    const [from, to] = [await hostRow(test, { dedicated: [0], cells: [{ memoryMib: 1000 }] }), await hostRow(test, { dedicated: [0], cells: [{ memoryMib: 1000 }] })];
    const [one, two] = [want(from, pinned(0)), want(from, pinned(0))];
    await insert(one);
    await test.admin.query("BEGIN; SET LOCAL skylite.adopting = 'on'");
    await test.admin.query(`INSERT INTO scheduler.claims (instance_id, purpose, generation, host_id, project_id, vcpus, memory_mib, layout) VALUES ($1, 'run', 1, $2, 'p', 0, 64, $3)`, [two.instanceId, from, JSON.stringify(pinned(0))]);
    await test.admin.query('COMMIT');
    expect(await take(want(to, pinned(0), { instanceId: two.instanceId, purpose: 'move', generation: 2 }))).toBe('claimed');
    expect(await claims.settleMove(two.instanceId, 2, 'lost:m')).toBe('settled');
    expect([await cpusOf(from), await cpusOf(to)]).toEqual([[0], [0]]);
    await claims.release([{ instanceId: two.instanceId, purpose: 'lost:m', generation: 1 }]);
    expect([await cpusOf(from), (await ofHost(from))['pcpus']]).toEqual([[0], 1]);
    await expectSound();
  });

  it('what an older scheduler released is claimed again, whatever it left in the tombstone', async () => {
    const host = await hostRow(test, { dedicated: [0], cells: [{ memoryMib: 1000 }] });
    const one = want(host, pinned(0));
    expect(await take(one)).toBe('claimed');
    await test.admin.query('UPDATE scheduler.claims SET released_at = now(), released_from = host_id, host_id = NULL, vcpus = 0, memory_mib = 0, disk_gib = 0 WHERE instance_id = $1', [one.instanceId]);
    expect(await cpusOf(host)).toEqual([]);
    expect(await take({ ...want(host, null), instanceId: one.instanceId, generation: 2, exact: null })).toBe('claimed');
    expect(await ofHost(host)).toMatchObject({ vcpus: 1, pcpus: 0, exact: 0 });
    await expectSound();
  });

  it('PostgreSQL itself refuses what no code may do', async () => {
    const host = await hostRow(test, { dedicated: [0, 1], cells: [{ memoryMib: 100, pages: { 2048: 2 } }], resources: { CUSTOM_KEY: 1 } });
    await insert(want(host, pinned(0)));
    await expect(insert(want(host, pinned(0)))).rejects.toMatchObject({ constraint: 'claimed_cpus_pkey' });
    await expect(insert(want(host, pinned(7)))).rejects.toMatchObject({ constraint: 'claimed_cpus_dedicated' });
    await expect(insert(want(host, pinned(1, 2)))).rejects.toMatchObject({ constraint: 'host_capacity_room' });
    await expect(insert({ ...want(host, pinned(1)), memoryMib: 32 })).rejects.toMatchObject({ constraint: 'claims_live' });
    await expect(insert({ ...want(host, pinned(1)), vcpus: 1 })).rejects.toMatchObject({ constraint: 'claims_live' });
    await expect(insert(want(host, layout([{ hostCell: 0, memoryMib: 37, floating: 1 }])))).rejects.toMatchObject({ constraint: 'cell_memory_room' });
    await expect(insert(want(host, layout([{ hostCell: 1, memoryMib: 1, floating: 1 }])))).rejects.toMatchObject({ constraint: 'cell_memory_room' });
    await expect(insert(want(host, layout([{ hostCell: 0, memoryMib: 3, pageKib: 2048, floating: 1 }])))).rejects.toMatchObject({ constraint: 'cell_memory_check' });
    await expect(insert(want(host, null, { resources: { CUSTOM_KEY: 2 } }))).rejects.toMatchObject({ constraint: 'host_resources_room' });
    for (const sql of ['DELETE FROM scheduler.claimed_cpus', 'TRUNCATE scheduler.claimed_cpus', 'UPDATE scheduler.claimed_cpus SET cpu = 1', "INSERT INTO scheduler.claimed_cpus VALUES (gen_random_uuid(), 1, gen_random_uuid(), 'run')"]) {
      await expect(test.admin.query(sql)).rejects.toMatchObject({ constraint: 'claimed_cpus_usage' });
    }
    await expect(test.admin.query('UPDATE scheduler.cell_memory SET used = 0 WHERE used > 0')).rejects.toMatchObject({ constraint: 'cell_memory_usage' });
    await expect(test.admin.query('DELETE FROM scheduler.cell_memory WHERE used > 0')).rejects.toMatchObject({ constraint: 'cell_memory_usage' });
    await expect(test.admin.query('UPDATE scheduler.host_resources SET used = 1')).rejects.toMatchObject({ constraint: 'host_resources_usage' });
    await expect(test.admin.query('UPDATE scheduler.host_capacity SET used_pcpus = 0 WHERE used_pcpus > 0')).rejects.toMatchObject({ constraint: 'host_capacity_usage' });
    await expect(test.admin.query('UPDATE scheduler.claims SET layout = $2 WHERE host_id = $1', [host, JSON.stringify(pinned(0, 0))])).rejects.toMatchObject({ constraint: 'claimed_cpus_pkey' });
    await test.admin.query('UPDATE scheduler.claims SET layout = $2 WHERE host_id = $1', [host, JSON.stringify(pinned(1))]);
    expect(await cpusOf(host)).toEqual([1]);
    await test.admin.query('DELETE FROM scheduler.claims WHERE host_id = $1', [host]);
    expect([await cpusOf(host), await ofCell(host, 4)]).toEqual([[], 0]);
    await expectSound();
  });
});

describe('rules of groups', () => {
  const rule = (policy: GroupWish['policy'], maxServerPerHost = 1): GroupWish => ({ id: randomUUID(), policy, maxServerPerHost });

  it('anti-affinity: so many of a host and no more; one server that moves on a host counts once', async () => {
    const [one, two] = [await hostRow(test), await hostRow(test)];
    const group = rule('anti-affinity', 2);
    const member = (host: string, more: Partial<Wanted> = {}): Wanted => want(host, null, { group, ...more });
    const first = member(one);
    expect(await take(first, member(one), member(one), member(two))).toBe('claimed claimed lost claimed');
    expect(await take(member(one, { instanceId: first.instanceId, purpose: 'move', generation: 2 }))).toBe('claimed');
    await expect(insert(member(one))).rejects.toMatchObject({ constraint: 'claims_group_rule' });
    await claims.release([{ instanceId: first.instanceId, purpose: 'run', generation: 1 }]);
    expect(await take(member(one))).toBe('lost');
    await claims.release([{ instanceId: first.instanceId, purpose: 'move', generation: 2 }]);
    expect(await take(member(one))).toBe('claimed');
    await expectSound();
  });

  it('affinity: all on one host; one alone may move; who moves keeps others from coming; a fenced host binds nobody', async () => {
    const [one, two] = [await hostRow(test), await hostRow(test)];
    const group = rule('affinity');
    const member = (host: string, more: Partial<Wanted> = {}): Wanted => want(host, null, { group, ...more });
    const first = member(one);
    expect(await take(first)).toBe('claimed');
    expect(await take(member(two, { instanceId: first.instanceId, purpose: 'move', generation: 2 }))).toBe('claimed');
    expect(await take(member(one), member(two))).toBe('lost lost');
    await claims.settleMove(first.instanceId, 2, null);
    expect(await take(member(one), member(two))).toBe('lost claimed');
    await expect(insert(member(one))).rejects.toMatchObject({ constraint: 'claims_group_rule' });
    await test.admin.query('UPDATE scheduler.hosts SET fenced_at = now() WHERE id = $1', [two]);
    expect(await take(member(one, { instanceId: first.instanceId, purpose: 'move', generation: 3 }))).toBe('claimed');
    await test.admin.query('UPDATE scheduler.hosts SET fenced_at = NULL WHERE id = $1', [two]);
    await test.admin.query('DELETE FROM scheduler.claims WHERE group_id = $1', [group.id]);
  });

  it('affinity that is torn already: it goes on where members stand, and nowhere else', async () => {
    const [one, two, three] = [await hostRow(test), await hostRow(test), await hostRow(test)];
    const group = rule('affinity');
    const member = (host: string, more: Partial<Wanted> = {}): Wanted => want(host, null, { group, ...more });
    const left = member(one);
    expect(await take(left)).toBe('claimed');
    await test.admin.query('UPDATE scheduler.hosts SET fenced_at = now() WHERE id = $1', [one]);
    expect(await take(member(two))).toBe('claimed');
    await test.admin.query('UPDATE scheduler.hosts SET fenced_at = NULL WHERE id = $1', [one]);
    expect(await take(member(one), member(two), member(three))).toBe('claimed claimed lost');
    expect(await take(member(three), member(three))).toBe('lost lost');
    // A resize where it is, and a way back together.
    expect(await take(member(one, { instanceId: left.instanceId, purpose: 'move', generation: 2 }))).toBe('claimed');
    await claims.settleMove(left.instanceId, 2, null);
    expect(await take(member(two, { instanceId: left.instanceId, purpose: 'move', generation: 3 }))).toBe('claimed');
    await test.admin.query('DELETE FROM scheduler.claims WHERE group_id = $1', [group.id]);
  });

  it.each(['affinity', 'anti-affinity'] as const)('%s: members that come at the same moment through many connections', async (policy) => {
    const hosts = await Promise.all([hostRow(test, { vcpus: 1000, memoryMib: 1_000_000 }), hostRow(test, { vcpus: 1000, memoryMib: 1_000_000 }), hostRow(test, { vcpus: 1000, memoryMib: 1_000_000 })]);
    const others = [new ClaimsRepository(await test.open('scheduler', 4)), new ClaimsRepository(await test.open('scheduler', 4))];
    for (let round = 0; round < 6; round += 1) {
      const group = rule(policy);
      const taken = await Promise.all(Array.from({ length: 24 }, async (_, at) => (await others[at % 2]!.claim([want(hosts[at % 3]!, null, { group }), want(hosts[(at + 1) % 3]!, null, { group: rule(policy) })])).taken[0]!.is));
      const won = taken.filter((is) => is === 'claimed').length;
      expect(won).toBe(policy === 'affinity' ? 8 : 3);
      expect(await unsound(test)).toEqual([]);
    }
  });

  it('soft rules bind nobody', async () => {
    const host = await hostRow(test);
    const group = rule('soft-anti-affinity');
    expect(await take(want(host, null, { group }), want(host, null, { group }))).toBe('claimed claimed');
  });
});
