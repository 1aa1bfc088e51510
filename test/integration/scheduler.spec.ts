import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimHost, hostBeat, joinHost, listHosts, listZones, updateHost, type OutputOf } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Liveness } from '../../apps/scheduler/src/snapshot/liveness.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { eventually } from '../support/compute-service.js';
import { admin, claim, host, joining, nkey, report, startScheduler, stopSchedulers, tokens, type Scheduler } from '../support/scheduler.js';

let base: TestDatabase;

beforeAll(async () => { base = await startTestDatabase('scheduler'); });
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
});

describe('enrolment', () => {
  let scheduler: Scheduler;
  beforeAll(async () => { scheduler = await startScheduler(base); });
  afterAll(() => scheduler.stop());

  it('one token, one host: of twenty that join at once with it, one gets in', async () => {
    const [token] = await tokens(scheduler);
    const settled = await Promise.allSettled(Array.from({ length: 20 }, () => scheduler.bus.ask(joinHost, joining(token!))));
    expect(settled.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    for (const one of settled) if (one.status === 'rejected') expect(one.reason).toMatchObject({ kind: 'forbidden', message: expect.stringContaining('unknown, used or expired') });
    expect((await base.admin.query('SELECT count(*)::int AS n FROM scheduler.hosts')).rows[0].n).toBe(1);
  });

  it('a lost answer: the same host gets the same again, also at the same moment', async () => {
    const [token] = await tokens(scheduler);
    const join = joining(token!);
    const answers = await Promise.all([1, 2, 3].map(() => scheduler.bus.ask(joinHost, join)));
    expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(answers[0]).toEqual({ hostId: join.hostId, cellId: 'cell1', cloudId: base.db.cloudId, natsUrls: ['nats://127.0.0.1:1'], natsUserJwt: `jwt ${join.publicNkey} ${join.hostId}`, availabilityZone: 'nova' });
    await expect(scheduler.bus.ask(joinHost, { ...join, publicNkey: nkey() })).rejects.toMatchObject({ kind: 'forbidden' });
  });

  it('names are unique, a refused join leaves the token usable, a known host may come again', async () => {
    const [first, second] = await tokens(scheduler, 2);
    const one = joining(first!);
    await scheduler.bus.ask(joinHost, one);
    await expect(scheduler.bus.ask(joinHost, joining(second!, { name: one.name }))).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining(`'${one.name}' is taken`) });
    await expect(scheduler.bus.ask(joinHost, joining(second!, { simulated: true }))).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(scheduler.bus.ask(joinHost, joining(second!, { protocol: { min: 7, max: 9 } }))).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining('7 to 9') });
    await scheduler.bus.ask(joinHost, { ...one, token: second! });
    await expect(scheduler.bus.ask(joinHost, joining(second!))).rejects.toMatchObject({ kind: 'forbidden' });
  });

  it('two with different tokens and one name at the same moment: one conflict', async () => {
    const two = await tokens(scheduler, 2);
    const settled = await Promise.allSettled(two.map((token) => scheduler.bus.ask(joinHost, joining(token, { name: 'twins' }))));
    expect(settled.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(settled.find((one) => one.status === 'rejected')).toMatchObject({ reason: { kind: 'conflict' } });
  });

  it('expired and unknown tokens are told apart by nobody; nothing but hashes is stored', async () => {
    const [token] = await tokens(scheduler);
    await base.admin.query("UPDATE scheduler.enrol_tokens SET expires_at = now() - interval '1 second' WHERE used_at IS NULL");
    const words = await Promise.all([token!, 'skyenrol_nonsense'].map((text) => scheduler.bus.ask(joinHost, joining(text)).catch((error: Error) => error.message)));
    expect(words[0]).toBe(words[1]);
    const rows = (await base.admin.query('SELECT * FROM scheduler.enrol_tokens')).rows;
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it('ten thousand tokens are one statement; who made them is booked; only admins may', async () => {
    const many = await tokens(scheduler, 10_000, { availabilityZone: 'many' });
    expect(new Set(many).size).toBe(10_000);
    expect((await base.admin.query("SELECT message, user_id FROM scheduler.host_events WHERE kind = 'tokens-created' AND message LIKE '10000 %'")).rows).toEqual([{ message: '10000 for zone many', user_id: 'u-admin' }]);
    await expect(tokens(scheduler, 1, { caller: { ...admin, isAdmin: false } })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(tokens(scheduler, 1, { availabilityZone: 'a:b' })).rejects.toMatchObject({ kind: 'bad-request' });
  });
});

/** Of schedulers that shall soon find a host silent, but not while a slow machine is at a few statements. */
const ALIVE_MS = 2_500;

describe('hosts', () => {
  let scheduler: Scheduler;
  beforeAll(async () => { scheduler = await startScheduler(base, { aliveTimeoutMs: ALIVE_MS }); });
  afterAll(() => scheduler.stop());

  it('reports, is alive, is listed with its zone, falls silent, is heard again', async () => {
    const one = await host(scheduler, 'az-life', { generation: 3 });
    const view = async (): Promise<OutputOf<typeof listHosts>['hosts'][number]> => (await scheduler.bus.ask(listHosts, { name: one.name })).hosts[0]!;
    expect(await view()).toMatchObject({
      id: one.id, alive: true, hypervisorUp: true, enabled: true, virtType: 'qemu', bootId: 'boot-1', epoch: 1, availabilityZone: 'az-life', capabilities: ['console'],
      used: { vcpus: 0, memoryMib: 0, diskGib: 0, instances: 0 }, ratios: { cpu: 4, ram: 1, disk: 1 },
    });
    const zone = async (): Promise<unknown> => (await scheduler.bus.ask(listZones, {})).zones.find(({ name }) => name === 'az-life');
    expect(await zone()).toMatchObject({ available: true, onlyWhenAsked: false, hosts: [{ name: one.name, alive: true }] });
    await eventually(async () => !(await view()).alive, () => 'it is alive');
    expect(await view()).toMatchObject({ alive: false, hypervisorUp: true });
    expect(await zone()).toMatchObject({ available: false });
    // A foreign session's beat keeps nobody alive.
    scheduler.bus.hint(hostBeat, { bootId: 'boot-0', hypervisorUp: true, inventoryGeneration: 3 }, { hostId: one.id });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await view()).alive).toBe(false);
    scheduler.bus.hint(hostBeat, { bootId: 'boot-1', hypervisorUp: true, inventoryGeneration: 3 }, { hostId: one.id });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await view()).alive).toBe(true);
    scheduler.bus.hint(hostBeat, { bootId: 'boot-1', hypervisorUp: false, inventoryGeneration: 3 }, { hostId: one.id });
    // What changed is stored, once, by the batch.
    await eventually(async () => (await base.admin.query('SELECT 1 FROM scheduler.host_beats WHERE host_id = $1 AND NOT hypervisor_up', [one.id])).rowCount === 1, () => 'it is not stored');
    expect(await view()).toMatchObject({ alive: false, hypervisorUp: false });
  });

  it('one session per host: another boot waits until the first is silent, then the first one is out', async () => {
    const one = await host(scheduler, 'az-session');
    const refused = await report(scheduler, one.id, 'boot-2').then(() => undefined, (error: { retryAfterS?: number }) => error);
    expect(refused).toMatchObject({ kind: 'conflict', message: expect.stringContaining('Another session') });
    expect([1, 2, Math.ceil(ALIVE_MS / 1_000)]).toContain(refused?.retryAfterS);
    // Both at once, until the silence is long enough: one of them.
    let settled: string[] = [];
    await eventually(async () => {
      settled = (await Promise.allSettled([report(scheduler, one.id, 'boot-2'), report(scheduler, one.id, 'boot-3')])).map(({ status }) => status).sort();
      return settled.includes('fulfilled');
    }, () => 'nobody is let in');
    expect(settled).toEqual(['fulfilled', 'rejected']);
    await expect(report(scheduler, one.id, 'boot-1')).rejects.toMatchObject({ kind: 'conflict' });
    expect((await base.admin.query("SELECT count(*)::int AS n FROM scheduler.host_events WHERE host_id = $1 AND kind = 'session-began'", [one.id])).rows[0].n).toBe(2);
  });

  it('older generations of a boot are answered and not stored; smaller inventories are stored and overcommit visibly', async () => {
    const one = await host(scheduler, 'az-shrink', { generation: 5 });
    await scheduler.bus.ask(claimHost, claim({ availabilityZone: 'az-shrink', memoryMib: 4000 }));
    expect(await report(scheduler, one.id, 'boot-1', { generation: 4, memoryMib: 99 })).toEqual({ epoch: 1, incarnation: 1, protocol: 1 });
    const limit = async (): Promise<unknown> => (await base.admin.query('SELECT limit_memory_mib, used_memory_mib FROM scheduler.host_capacity WHERE host_id = $1', [one.id])).rows[0];
    expect(await limit()).toEqual({ limit_memory_mib: 4096, used_memory_mib: 4000 });
    await report(scheduler, one.id, 'boot-1', { generation: 6, memoryMib: 2048, reservedMemoryMib: 48 });
    expect(await limit()).toEqual({ limit_memory_mib: 2000, used_memory_mib: 4000 });
    await expect(scheduler.bus.ask(claimHost, claim({ availabilityZone: 'az-shrink', memoryMib: 1 }))).resolves.toMatchObject({
      outcome: 'refused', explanation: { filters: expect.arrayContaining([expect.objectContaining({ name: 'memory', refused: 1, hosts: [{ name: one.name, needed: 1, free: -2000 }] })]) },
    });
  });

  it('speaks of protocols, and of hosts it does not know', async () => {
    const one = await host(scheduler, 'az-protocol');
    await expect(report(scheduler, one.id, 'boot-1', { generation: 2 }, { protocol: { min: 5, max: 6 } })).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringMatching(/protocol 5 to 6, this control plane 1/) });
    await expect(report(scheduler, randomUUID())).rejects.toMatchObject({ kind: 'not-found' });
    await expect(report(scheduler, one.id, 'boot-1', {}, { simulated: true })).rejects.toMatchObject({ kind: 'bad-request' });
  });

  it('a disabled host keeps what it runs and takes nothing new; the reason and the operator are kept', async () => {
    const one = await host(scheduler, 'az-disable');
    await expect(scheduler.bus.ask(updateHost, { caller: { ...admin, isAdmin: false }, hostId: one.id as never, enabled: false, disabledReason: null })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(scheduler.bus.ask(updateHost, { caller: admin, hostId: randomUUID() as never, enabled: false, disabledReason: null })).rejects.toMatchObject({ kind: 'not-found' });
    expect(await scheduler.bus.ask(updateHost, { caller: admin, hostId: one.id as never, enabled: false, disabledReason: 'new disks' })).toMatchObject({ enabled: false, disabledReason: 'new disks' });
    await expect(scheduler.bus.ask(claimHost, claim({ availabilityZone: 'az-disable' }))).resolves.toMatchObject({ outcome: 'refused', explanation: { filters: expect.arrayContaining([expect.objectContaining({ name: 'enabled', refused: 1, hosts: [{ name: one.name, needed: 'enabled', free: 'disabled: new disks' }] })]) } });
    expect((await base.admin.query("SELECT kind, message, user_id, request_id FROM scheduler.host_events WHERE host_id = $1 AND kind = 'disabled'", [one.id])).rows).toEqual([{ kind: 'disabled', message: 'new disks', user_id: 'u-admin', request_id: 'req-1' }]);
    expect(await scheduler.bus.ask(updateHost, { caller: admin, hostId: one.id as never, enabled: true, disabledReason: 'ignored' })).toMatchObject({ enabled: true, disabledReason: null });
    await expect(scheduler.bus.ask(claimHost, claim({ availabilityZone: 'az-disable' }))).resolves.toMatchObject({ outcome: 'claimed', hostId: one.id });
  });

  it('after a start, silence of hosts refuses nobody until it has been listened to; a host that was alive lately counts', async () => {
    const one = await host(scheduler, 'az-start');
    const old = await host(scheduler, 'az-old');
    await base.admin.query("UPDATE scheduler.host_beats SET last_seen_at = now() - interval '1 hour' WHERE host_id = $1", [old.id]);
    const fresh = await startScheduler(base, { aliveTimeoutMs: ALIVE_MS });
    await expect(fresh.bus.ask(claimHost, claim({ availabilityZone: 'az-start' }))).resolves.toMatchObject({ outcome: 'claimed', hostId: one.id });
    await expect(fresh.bus.ask(claimHost, claim({ availabilityZone: 'az-old' }))).rejects.toMatchObject({ kind: 'unavailable', retryAfterS: expect.any(Number) });
    await eventually(() => fresh.app.get(Liveness).certainty().certain, () => 'it listens still');
    await expect(fresh.bus.ask(claimHost, claim({ availabilityZone: 'az-old' }))).resolves.toMatchObject({ outcome: 'refused' });
    // The bus was away: again nothing is known of anybody for one timeout.
    fresh.bus.setConnected(false);
    fresh.bus.setConnected(true);
    expect(fresh.app.get(Liveness).certainty()).toMatchObject({ certain: false });
    await expect(fresh.bus.ask(claimHost, claim({ availabilityZone: 'az-old' }))).rejects.toMatchObject({ kind: 'unavailable' });
    await fresh.stop();
  });
});

describe('the feed', () => {
  it('never skips a row whose transaction committed after a later one was read', async () => {
    const scheduler = await startScheduler(base);
    const [slow, fast] = [await host(scheduler, 'az-feed'), await host(scheduler, 'az-feed')];
    const snapshot = scheduler.app.get(Snapshot);
    const reason = (id: string): string | null => snapshot.fleet.disabledReasons[snapshot.fleet.indexOf(id)]!;
    const hand = await base.open('scheduler', 1);
    const held = await hand.pool.connect();
    await held.query('BEGIN');
    await held.query("UPDATE scheduler.hosts SET disabled_reason = 'slow' WHERE id = $1", [slow.id]);
    await base.admin.query("UPDATE scheduler.hosts SET disabled_reason = 'fast' WHERE id = $1", [fast.id]);
    await snapshot.refresh();
    await snapshot.refresh();
    expect([reason(slow.id), reason(fast.id)]).toEqual([null, 'fast']);
    await held.query('COMMIT');
    held.release();
    await snapshot.refresh();
    expect(reason(slow.id)).toBe('slow');
    await scheduler.stop();
  });

  it('what other replicas change is seen within a poll; what memory has wrong a full read repairs', async () => {
    const [here, there] = [await startScheduler(base), await startScheduler(base)];
    const one = await host(there, 'az-poll');
    const snapshot = here.app.get(Snapshot);
    for (let tries = 0; snapshot.fleet.indexOf(one.id) < 0 && tries < 1_000; tries += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    const at = snapshot.fleet.indexOf(one.id);
    expect(snapshot.fleet.limitMemoryMib[at]).toBe(4096);
    snapshot.fleet.usedMemoryMib[at] = 4096;
    snapshot.distrust();
    await snapshot.refresh();
    expect(snapshot.fleet.usedMemoryMib[snapshot.fleet.indexOf(one.id)]).toBe(0);
    await Promise.all([here.stop(), there.stop()]);
  });
});
