import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimHost, releaseClaim, settleMove } from '#libs/contracts';
import type { SkyError } from '#libs/errors';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ClaimsRepository } from '../../apps/scheduler/src/claims/claims.repository.js';
import type { Wanted } from '../../apps/scheduler/src/claims/wanted.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { Sweeper } from '../../apps/scheduler/src/sweeper.js';
import { claim, host, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

let base: TestDatabase;

beforeAll(async () => { base = await startTestDatabase('scheduler'); });
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
});

const usage = async (hostId: string): Promise<Record<string, number>> =>
  (await base.admin.query('SELECT used_vcpus, used_memory_mib, used_disk_gib, used_instances FROM scheduler.host_capacity WHERE host_id = $1', [hostId])).rows[0];

/** Plain SQL, outside the code: usage is the sum of claims, and nothing exceeds a limit. */
async function expectSound(test: TestDatabase): Promise<void> {
  const wrong = await test.admin.query(`
    SELECT h.host_id, h.used_vcpus, h.limit_vcpus, h.used_memory_mib, h.limit_memory_mib, s.* FROM scheduler.host_capacity h
    LEFT JOIN (SELECT host_id AS id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, count(*) AS instances FROM scheduler.claims GROUP BY host_id) s ON s.id = h.host_id
    WHERE h.used_vcpus <> coalesce(s.vcpus, 0) OR h.used_memory_mib <> coalesce(s.memory_mib, 0) OR h.used_disk_gib <> coalesce(s.disk_gib, 0) OR h.used_instances <> coalesce(s.instances, 0)
      OR h.used_vcpus > h.limit_vcpus OR h.used_memory_mib > h.limit_memory_mib OR h.used_disk_gib > h.limit_disk_gib`);
  expect(wrong.rows).toEqual([]);
}

describe('claims', () => {
  let scheduler: Scheduler;
  beforeAll(async () => { scheduler = await startScheduler(base); });
  afterAll(() => scheduler.stop());

  it('the same question has the same answer, also on a full host, from another scheduler, and at the same moment', async () => {
    const one = await host(scheduler, 'az-same');
    const ask = claim({ availabilityZone: 'az-same', memoryMib: 4096 });
    const expected = { outcome: 'claimed', hostId: one.id, hostName: one.name, availabilityZone: 'az-same', layout: null };
    const other = await startScheduler(base);
    const answers = await Promise.all([scheduler, scheduler, other, scheduler, other].map(({ bus }) => bus.ask(claimHost, ask)));
    for (const answer of answers) expect(answer).toMatchObject(expected);
    expect(await usage(one.id)).toEqual({ used_vcpus: 1, used_memory_mib: 4096, used_disk_gib: 1, used_instances: 1 });
    await other.stop();
  });

  it('a release frees once, leaves a tombstone, and is idempotent; late claims are stale, later generations are not', async () => {
    const one = await host(scheduler, 'az-release');
    const ask = claim({ availabilityZone: 'az-release', generation: 3 });
    await scheduler.bus.ask(claimHost, ask);
    const release = (generation: number): Promise<{ released: boolean }> => scheduler.bus.ask(releaseClaim, { instanceId: ask.instanceId, generation });
    expect(await release(2)).toEqual({ released: false });
    expect((await usage(one.id)).used_instances).toBe(1);
    const both = await Promise.all([release(3), release(3), release(3)]);
    expect(both.filter(({ released }) => released)).toHaveLength(1);
    expect(await usage(one.id)).toEqual({ used_vcpus: 0, used_memory_mib: 0, used_disk_gib: 0, used_instances: 0 });
    await expect(scheduler.bus.ask(claimHost, ask)).rejects.toMatchObject({ kind: 'stale' });
    await expect(scheduler.bus.ask(claimHost, { ...ask, generation: 2 })).rejects.toMatchObject({ kind: 'stale' });
    await scheduler.bus.ask(claimHost, { ...ask, generation: 4 });
    await expect(scheduler.bus.ask(claimHost, { ...ask, generation: 3 })).rejects.toMatchObject({ kind: 'stale' });
    await expect(scheduler.bus.ask(claimHost, { ...ask, generation: 5 })).rejects.toMatchObject({ kind: 'conflict' });
    expect(await release(9)).toEqual({ released: true });
    expect(await release(9)).toEqual({ released: false });
    await expect(scheduler.bus.ask(claimHost, { ...ask, generation: 9 })).rejects.toMatchObject({ kind: 'stale' });
    expect((await base.admin.query('SELECT released_from FROM scheduler.claims WHERE instance_id = $1', [ask.instanceId])).rows).toEqual([{ released_from: one.id }]);
  });

  it('releasing nothing leaves a tombstone; it is swept after ten days', async () => {
    await host(scheduler, 'az-tomb');
    const ask = claim({ availabilityZone: 'az-tomb' });
    expect(await scheduler.bus.ask(releaseClaim, { instanceId: ask.instanceId, generation: 1 })).toEqual({ released: false });
    await expect(scheduler.bus.ask(claimHost, ask)).rejects.toMatchObject({ kind: 'stale' });
    await base.admin.query("UPDATE scheduler.claims SET released_at = now() - interval '9 days 23 hours' WHERE instance_id = $1", [ask.instanceId]);
    await scheduler.app.get(Sweeper).sweep();
    await expect(scheduler.bus.ask(claimHost, ask)).rejects.toMatchObject({ kind: 'stale' });
    await base.admin.query("UPDATE scheduler.claims SET released_at = now() - interval '10 days 1 hour' WHERE instance_id = $1", [ask.instanceId]);
    await scheduler.app.get(Sweeper).sweep();
    await expect(scheduler.bus.ask(claimHost, ask)).resolves.toMatchObject({ outcome: 'claimed' });
  });

  it('a claim that waits for a release of the same instance is stale when that commits, and a release frees a claim it waited for', async () => {
    const one = await host(scheduler, 'az-wait');
    const hand = await base.open('scheduler', 1);
    const held = await hand.pool.connect();
    const ask = claim({ availabilityZone: 'az-wait' });
    await held.query('BEGIN');
    await held.query('INSERT INTO scheduler.claims (instance_id, generation, released_at) VALUES ($1, 1, now())', [ask.instanceId]);
    const late = scheduler.bus.ask(claimHost, ask);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await held.query('COMMIT');
    await expect(late).rejects.toMatchObject({ kind: 'stale' });

    const other = claim();
    await held.query('BEGIN');
    await held.query("INSERT INTO scheduler.claims (instance_id, generation, host_id, project_id, vcpus, memory_mib) VALUES ($1, 1, $2, 'p', 1, 1)", [other.instanceId, one.id]);
    const release = scheduler.bus.ask(releaseClaim, { instanceId: other.instanceId, generation: 1 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await held.query('COMMIT');
    held.release();
    await expect(release).resolves.toEqual({ released: true });
    expect((await usage(one.id)).used_instances).toBe(0);
  });

  describe('a server that moves', () => {
    /** Its claims: purpose, generation and host (null: a tombstone). */
    const claims = async (instanceId: string): Promise<unknown[]> =>
      (await base.admin.query('SELECT purpose, generation, host_id FROM scheduler.claims WHERE instance_id = $1 ORDER BY purpose', [instanceId])).rows
        .map(({ purpose, generation, host_id }) => [purpose, generation, host_id]);
    const none = { used_vcpus: 0, used_memory_mib: 0, used_disk_gib: 0, used_instances: 0 };
    /** Placed on the one host, and claimed for a move with twice the memory that has to go to the other. */
    async function moving(zone: string): Promise<{ from: string; to: string; ask: ReturnType<typeof claim>; settle(generation: number, keepOldAs?: string | null): Promise<unknown> }> {
      const one = await host(scheduler, zone);
      const run = claim({ availabilityZone: zone });
      await scheduler.bus.ask(claimHost, run);
      const other = await host(scheduler, zone);
      const ask = { ...run, generation: 2, memoryMib: 1024, purpose: 'move' as const, notHosts: [one.id as never] };
      const expected = { outcome: 'claimed', hostId: other.id, hostName: other.name, availabilityZone: zone, layout: null };
      expect(await scheduler.bus.ask(claimHost, ask)).toMatchObject(expected);
      expect(await scheduler.bus.ask(claimHost, ask)).toMatchObject(expected);
      return { from: one.id, to: other.id, ask, settle: (generation, keepOldAs = null) => scheduler.bus.ask(settleMove, { instanceId: run.instanceId, generation, keepOldAs }) };
    }

    it('holds two claims, which both count, also on one host; each is released by its own name', async () => {
      const one = await host(scheduler, 'az-both');
      const run = claim({ availabilityZone: 'az-both' });
      await scheduler.bus.ask(claimHost, run);
      await expect(scheduler.bus.ask(claimHost, { ...run, generation: 2, memoryMib: 3585, purpose: 'move' })).resolves.toMatchObject({ outcome: 'refused' });
      await scheduler.bus.ask(claimHost, { ...run, generation: 2, memoryMib: 3584, purpose: 'move' });
      expect(await usage(one.id)).toEqual({ used_vcpus: 2, used_memory_mib: 4096, used_disk_gib: 2, used_instances: 2 });
      const release = (purpose: string, generation: number): Promise<unknown> => scheduler.bus.ask(releaseClaim, { instanceId: run.instanceId, generation, purpose });
      expect(await release('move', 2)).toEqual({ released: true });
      await expect(scheduler.bus.ask(claimHost, { ...run, generation: 2, purpose: 'move' })).rejects.toMatchObject({ kind: 'stale' });
      expect(await claims(run.instanceId)).toEqual([['move', 2, null], ['run', 1, one.id]]);
      expect(await release('run', 2)).toEqual({ released: true });
      expect(await usage(one.id)).toEqual(none);
    });

    it('is told why it cannot go where it is', async () => {
      const one = await host(scheduler, 'az-alone');
      const run = claim({ availabilityZone: 'az-alone' });
      await scheduler.bus.ask(claimHost, run);
      const answer = await scheduler.bus.ask(claimHost, { ...run, generation: 2, purpose: 'move', requestedHost: one.name, notHosts: [one.id as never] });
      expect(answer).toMatchObject({ outcome: 'refused', explanation: { filters: [{ name: 'requested-host' }, { name: 'not-hosts', refused: 1, reason: '1 host is where the server is, or may have left something.' }] } });
    });

    it('settled: the claim of the move is the one it runs on, the old one is free, and a repeat changes nothing', async () => {
      const { from, to, ask, settle } = await moving('az-settle');
      await Promise.all([settle(2), settle(2), settle(2)]);
      await settle(2);
      expect(await claims(ask.instanceId)).toEqual([['move', 2, null], ['run', 2, to]]);
      expect(await usage(from)).toEqual(none);
      expect(await usage(to)).toEqual({ used_vcpus: 1, used_memory_mib: 1024, used_disk_gib: 1, used_instances: 1 });
      await expect(scheduler.bus.ask(claimHost, ask)).rejects.toMatchObject({ kind: 'stale' });
      await expect(settle(3)).rejects.toMatchObject({ kind: 'stale' });
      // And on it goes.
      await scheduler.bus.ask(claimHost, { ...ask, generation: 3, notHosts: [to as never] });
      await settle(3);
      expect(await claims(ask.instanceId)).toEqual([['move', 3, null], ['run', 3, from]]);
      await expectSound(base);
    });

    it('off a lost host: the old claim stays counted under its own name until that is released, even where there is no room for it', async () => {
      const { from, to, ask, settle } = await moving('az-lost');
      // The host shrank below what it has.
      await base.admin.query('UPDATE scheduler.host_capacity SET limit_memory_mib = 100 WHERE host_id = $1', [from]);
      await settle(2, 'lost:m1');
      await settle(2, 'lost:m1');
      expect(await claims(ask.instanceId)).toEqual([['lost:m1', 1, from], ['move', 2, null], ['run', 2, to]]);
      expect((await usage(from)).used_memory_mib).toBe(512);
      expect(await scheduler.bus.ask(releaseClaim, { instanceId: ask.instanceId, generation: 1, purpose: 'lost:m1' })).toEqual({ released: true });
      expect(await usage(from)).toEqual(none);
      expect((await usage(to)).used_instances).toBe(1);
    });

    it('a move that was released is not settled', async () => {
      const { from, ask, settle } = await moving('az-gone');
      await scheduler.bus.ask(releaseClaim, { instanceId: ask.instanceId, generation: 2, purpose: 'move' });
      await expect(settle(2)).rejects.toMatchObject({ kind: 'stale' });
      expect(await claims(ask.instanceId)).toEqual([['move', 2, null], ['run', 1, from]]);
      await expect(settle(2, 'run')).rejects.toMatchObject({ kind: 'bad-request' });
    });
  });

  it('a batch that a stale snapshot sent to one host takes what fits, in order', async () => {
    const one = await host(scheduler, 'az-batch');
    const want = (vcpus: number, memoryMib: number, diskGib: number): Wanted => ({ instanceId: randomUUID(), purpose: 'run', generation: 1, projectId: 'p', hostId: one.id, vcpus, memoryMib, diskGib, exact: null });
    const take = async (...wanted: Wanted[]): Promise<string> => (await scheduler.app.get(ClaimsRepository).claim(wanted)).taken.map(({ is }) => is).join(' ');
    expect(await take(want(1, 1500, 0), want(1, 1500, 0), want(1, 1500, 0))).toBe('claimed claimed lost');
    expect(await take(want(1, 1, 25), want(1, 1, 25), want(1, 1, 0))).toBe('claimed lost claimed');
    expect(await take(want(4, 1, 0), want(4, 1, 0), want(4, 1, 0), want(4, 1, 0))).toBe('claimed claimed claimed lost');
    expect(await take(want(5, 1, 0), want(1, 5000, 0), want(1, 1, 41))).toBe('lost lost lost');
    expect(await usage(one.id)).toEqual({ used_vcpus: 16, used_memory_mib: 3005, used_disk_gib: 25, used_instances: 7 });
  });

  it('a claim and a release that race leave either a tombstone or a newer claim, never a zombie', async () => {
    await host(scheduler, 'az-race', { vcpus: 64, memoryMib: 1_000_000, diskGib: 4000 });
    const other = await startScheduler(base);
    const asks = Array.from({ length: 300 }, () => claim({ availabilityZone: 'az-race', memoryMib: 1, vcpus: 1, diskGib: 0 }));
    await Promise.all(asks.flatMap((ask) => [
      scheduler.bus.ask(claimHost, ask).catch((error: { kind: string }) => expect(error.kind).toBe('stale')),
      other.bus.ask(releaseClaim, { instanceId: ask.instanceId, generation: 1 }),
    ]));
    const live = await base.admin.query("SELECT count(*)::int AS n FROM scheduler.claims WHERE host_id IS NOT NULL AND instance_id = ANY ($1)", [asks.map((ask) => ask.instanceId)]);
    expect(live.rows[0].n).toBe(0);
    await other.stop();
  });

  it('a burst becomes few statements and does not overcommit a host within one', async () => {
    const one = await host(scheduler, 'az-burst');
    const before = (await base.admin.query('SELECT version::int AS v FROM scheduler.host_capacity WHERE host_id = $1', [one.id])).rows[0].v;
    const answers = await Promise.all(Array.from({ length: 30 }, () => scheduler.bus.ask(claimHost, claim({ availabilityZone: 'az-burst' }))));
    // 4096 MiB take 8 of 512.
    expect(answers.filter(({ outcome }) => outcome === 'claimed')).toHaveLength(8);
    expect(await usage(one.id)).toEqual({ used_vcpus: 8, used_memory_mib: 4096, used_disk_gib: 8, used_instances: 8 });
    expect((await base.admin.query('SELECT version::int AS v FROM scheduler.host_capacity WHERE host_id = $1', [one.id])).rows[0].v - before).toBeLessThan(4);
    const refused = answers.find((answer) => answer.outcome === 'refused');
    const memory = refused?.outcome === 'refused' ? refused.explanation.filters.find((filter) => filter.name === 'memory') : undefined;
    expect(memory).toEqual({ name: 'memory', refused: 1, reason: '1 host has less than 512 MiB of memory free (most: 0).', hosts: [{ name: one.name, needed: 512, free: 0 }] });
  });

  it('no is said only from a snapshot newer than the question: room that another scheduler just freed is found', async () => {
    await host(scheduler, 'az-fresh');
    const other = await startScheduler(base);
    for (let round = 0; round < 20; round += 1) {
      const full = claim({ availabilityZone: 'az-fresh', memoryMib: 4096 });
      await scheduler.bus.ask(claimHost, full);
      await other.bus.ask(releaseClaim, { instanceId: full.instanceId, generation: 1 });
      const next = claim({ availabilityZone: 'az-fresh', memoryMib: 4096 });
      await expect(scheduler.bus.ask(claimHost, next)).resolves.toMatchObject({ outcome: 'claimed' });
      await other.bus.ask(releaseClaim, { instanceId: next.instanceId, generation: 1 });
    }
    await expect(scheduler.bus.ask(claimHost, claim({ availabilityZone: 'az-fresh', memoryMib: 9999, requestedAt: new Date(Date.now() + 60_000).toISOString() }))).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(scheduler.bus.ask(claimHost, claim({ availabilityZone: 'az-fresh', memoryMib: 9999, requestedAt: new Date(Date.now() + 5).toISOString() }))).resolves.toMatchObject({ outcome: 'refused' });
    await other.stop();
  });

  it('connections that die under a burst lose nothing: asked again, everyone has exactly one claim', async () => {
    const one = await host(scheduler, 'az-broken', { vcpus: 64, memoryMib: 100_000, diskGib: 1000 });
    const asks = Array.from({ length: 150 }, () => claim({ availabilityZone: 'az-broken', memoryMib: 10, diskGib: 0 }));
    let breaking = true;
    const breaker = (async () => {
      for (let round = 0; breaking && round < 20; round += 1) {
        await base.admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_scheduler' AND datname = current_database()");
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const persist = async (ask: (typeof asks)[number]): Promise<void> => {
      for (let tries = 0; ; tries += 1) {
        try {
          expect(await scheduler.bus.ask(claimHost, ask)).toMatchObject({ outcome: 'claimed', hostId: one.id });
          return;
        } catch (error) {
          if ((error as SkyError).kind !== 'unavailable' || tries > 200) throw error;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    };
    await Promise.all(asks.map(persist));
    breaking = false;
    await breaker;
    expect(await usage(one.id)).toEqual({ used_vcpus: 150, used_memory_mib: 1500, used_disk_gib: 0, used_instances: 150 });
    const snapshot = scheduler.app.get(Snapshot);
    await snapshot.refresh();
    expect(snapshot.fleet.usedVcpus[snapshot.fleet.indexOf(one.id)]).toBe(150);
  });

  it('absurd numbers are refused with words', async () => {
    await expect(scheduler.bus.ask(claimHost, claim({ memoryMib: 2 ** 40 }))).rejects.toMatchObject({ kind: 'bad-request' });
  });

  it('PostgreSQL itself refuses what the code must never do', async () => {
    const one = await host(scheduler, 'az-guard');
    const insert = (memory: number): Promise<unknown> => base.admin.query("INSERT INTO scheduler.claims (instance_id, generation, host_id, project_id, vcpus, memory_mib, disk_gib) VALUES ($1, 1, $2, 'p', 1, $3, 0)", [randomUUID(), one.id, memory]);
    await insert(4000);
    await expect(insert(97)).rejects.toMatchObject({ constraint: 'host_capacity_room' });
    await expect(base.admin.query('UPDATE scheduler.host_capacity SET used_memory_mib = 0 WHERE host_id = $1', [one.id])).rejects.toMatchObject({ constraint: 'host_capacity_usage' });
    await expect(base.admin.query('UPDATE scheduler.claims SET memory_mib = memory_mib + 97 WHERE host_id = $1', [one.id])).rejects.toMatchObject({ constraint: 'host_capacity_room' });
    await base.admin.query('DELETE FROM scheduler.claims WHERE host_id = $1', [one.id]);
    expect((await usage(one.id)).used_memory_mib).toBe(0);
  });
});

describe('four schedulers, 32 clients, a fleet nearly full', () => {
  let test: TestDatabase;
  beforeAll(async () => { test = await startTestDatabase('scheduler'); });
  afterAll(() => test.stop());

  it.each(['spread', 'pack'] as const)('%s: nothing is overcommitted, nothing is counted twice, no room is refused', async (weigher) => {
    await test.admin.query('DELETE FROM scheduler.claims');
    await test.admin.query('DELETE FROM scheduler.host_beats');
    await test.admin.query('DELETE FROM scheduler.host_capacity');
    await test.admin.query('DELETE FROM scheduler.hosts');
    const HOSTS = 12;
    const ROOM = 10;
    await test.admin.query(`INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, public_nkey, simulated, cpu_ratio, ram_ratio, disk_ratio)
      SELECT gen_random_uuid(), 'cell1', 'n' || n, 'nova', 'k' || n, true, 1, 1, 1 FROM generate_series(1, ${HOSTS}) n`);
    await test.admin.query(`INSERT INTO scheduler.host_capacity (host_id, limit_vcpus, limit_memory_mib, limit_disk_gib, largest_vcpus, largest_memory_mib) SELECT id, ${ROOM}, 1000, 1000, ${ROOM}, 1000 FROM scheduler.hosts`);
    await test.admin.query('INSERT INTO scheduler.host_beats (host_id, hypervisor_up, last_seen_at) SELECT id, true, now() FROM scheduler.hosts');
    const schedulers = await Promise.all([1, 2, 3, 4].map(() => startScheduler(test, { weigher })));
    const held: { instanceId: string }[] = [];
    let claimed = 0;
    let refused = 0;
    let cameBack = 0;
    // Each client holds what it got for a while; together they want slightly more than there is.
    const client = async (at: number): Promise<void> => {
      const mine: string[] = [];
      for (let round = 0; round < 40; round += 1) {
        const { bus } = schedulers[(at + round) % 4]!;
        const ask = claim({ vcpus: 1 + ((at + round) % 3), memoryMib: 10, diskGib: 0 });
        // As the instance loop does: come back when told to.
        const answer = await bus.ask(claimHost, ask).catch((error: SkyError) => {
          if (error.kind !== 'unavailable') throw error;
          cameBack += 1;
          return bus.ask(claimHost, ask);
        });
        if (answer.outcome === 'claimed') {
          claimed += 1;
          mine.push(ask.instanceId);
        } else {
          refused += 1;
        }
        if (mine.length > 2 || (answer.outcome === 'refused' && mine.length > 0)) {
          const instanceId = mine.shift()!;
          const release = (): Promise<{ released: boolean }> => schedulers[(at + round + 1) % 4]!.bus.ask(releaseClaim, { instanceId: instanceId as never, generation: 1 });
          const both = await Promise.all([release(), release()]);
          expect(both.filter(({ released }) => released)).toHaveLength(1);
        }
      }
      held.push(...mine.map((instanceId) => ({ instanceId })));
    };
    let watching = true;
    const watch = (async () => {
      while (watching) {
        await expectSound(test);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const settled = await Promise.allSettled(Array.from({ length: 32 }, (_, at) => client(at)));
    watching = false;
    await watch;
    expect(settled.filter(({ status }) => status === 'rejected')).toEqual([]);
    await expectSound(test);
    expect(cameBack).toBeLessThan(5);
    expect(claimed).toBeGreaterThan(300);
    expect(refused).toBeGreaterThan(0);
    // Every claim that is held is live, and no other.
    const live = (await test.admin.query('SELECT instance_id FROM scheduler.claims WHERE host_id IS NOT NULL')).rows.map((row) => row.instance_id as string);
    expect(new Set(live)).toEqual(new Set(held.map(({ instanceId }) => instanceId)));
    // Quiet again: what is free by SQL can be had to the last vCPU, and not one more.
    const free = (await test.admin.query('SELECT sum(limit_vcpus - used_vcpus)::int AS n FROM scheduler.host_capacity')).rows[0].n as number;
    const last = await Promise.all(Array.from({ length: free + 5 }, (_, at) => schedulers[at % 4]!.bus.ask(claimHost, claim({ vcpus: 1, memoryMib: 1, diskGib: 0 }))));
    expect(last.filter(({ outcome }) => outcome === 'claimed')).toHaveLength(free);
    await expectSound(test);
    await Promise.all(schedulers.map((one) => one.stop()));
  });
});
