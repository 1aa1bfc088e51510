import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimHost, releaseClaim, type InputOf, type OutputOf } from '#libs/contracts';
import type { SkyError } from '#libs/errors';
import { metrics } from '#libs/observability';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ClaimsRepository } from '../../apps/scheduler/src/claims/claims.repository.js';
import { GROUPS, onePinned, wish } from '../support/claim-storm.js';
import { celledFleet, unsound } from '../support/fleet-rows.js';
import { RoomJudge } from '../support/room-judge.js';
import { startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

/** More of them in soak: SKYLITE_SOAK_CLAIMS, one half with each weigher. */
const CLAIMS = Number(process.env['SKYLITE_SOAK_CLAIMS'] ?? 1_000) / 2;
const SAY_EVERY = 5_000;
const CLIENTS = 64;
const HOSTS = 10;

let test: TestDatabase;
beforeAll(async () => { test = await startTestDatabase('scheduler'); });
afterAll(async () => {
  await stopSchedulers();
  await test.stop();
});

type Ask = InputOf<typeof claimHost>;
type Answer = OutputOf<typeof claimHost>;

const conflicts = async (): Promise<number> => ((await metrics.getSingleMetric('skylite_scheduler_claim_conflicts_total')?.get())?.values[0]?.value as number | undefined) ?? 0;

describe('four schedulers, 64 clients, a fleet nearly full of pinned, paged and grouped servers', () => {
  it.each(['spread', 'pack'] as const)('%s: no rule is broken at any moment, nothing is lost or leaked, nobody is refused while there is room, and what is free can be had', async (weigher) => {
    await test.admin.query('DELETE FROM scheduler.claims');
    for (const table of ['host_beats', 'host_capacity', 'hosts']) await test.admin.query(`DELETE FROM scheduler.${table}`);
    await celledFleet(test, HOSTS);
    const judge = new RoomJudge(GROUPS);
    const schedulers = await Promise.all([1, 2, 3, 4].map(() => startScheduler(test, { weigher, aliveTimeoutMs: 3_600_000 }, (db) => judge.watch(db))));
    const before = await conflicts();
    const began = performance.now();
    const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(1)} s`;
    const held = new Set<string>();
    const wrong: string[] = [];
    let [claimed, refused, cameBack] = [0, 0, 0];
    /** As the loops do: comes back when told to, or when nobody answered; then (`unsure`) nobody knows what became of an earlier try. */
    const persist = async <T>(once: () => Promise<T>): Promise<{ answer: T; unsure: boolean }> => {
      for (let tries = 0; ; tries += 1) {
        try { return { answer: await once(), unsure: tries > 0 }; } catch (error) {
          if (!['unavailable', 'timeout'].includes((error as SkyError).kind)) throw error;
          cameBack += 1;
        }
      }
    };
    const claimOn = async ({ bus }: Scheduler, ask: Ask): Promise<{ answer: Answer; unsure: boolean; requestedAt: string }> => {
      let requestedAt = '';
      return { ...await persist(() => bus.ask(claimHost, { ...ask, requestedAt: requestedAt = new Date().toISOString() })), requestedAt };
    };
    const release = ({ bus }: Scheduler, instanceId: string): Promise<{ answer: { released: boolean }; unsure: boolean }> => persist(() => bus.ask(releaseClaim, { instanceId: instanceId as never, generation: 1 }));
    const client = async (at: number): Promise<void> => {
      const mine: string[] = [];
      for (let round = 0; claimed < CLAIMS; round += 1) {
        const scheduler = schedulers[(at + round) % 4]!;
        const { kind, ask, group } = wish(at * 31 + round * 7);
        // Asks twice now and then.
        const [first, again] = await Promise.all([claimOn(scheduler, ask), ...(round % 5 === 0 ? [claimOn(scheduler, ask)] : [])]);
        for (const one of [first, again]) {
          if (one?.answer.outcome !== 'refused') continue;
          const fault = judge.wrong(kind, group, one.requestedAt, one.answer.explanation);
          if (fault !== null) wrong.push(fault);
        }
        const answer = first!.answer;
        if (answer.outcome === 'claimed') {
          if (again?.answer.outcome === 'claimed') expect({ ...again.answer, explanation: null }).toEqual({ ...answer, explanation: null });
          claimed += 1;
          if (claimed % SAY_EVERY === 0) process.stderr.write(`${weigher}: ${claimed} of ${CLAIMS} claimed, ${refused} refused, ${wrong.length} of them wrongly, after ${seconds()}\n`);
          mine.push(ask.instanceId);
        } else {
          refused += 1;
          if (again?.answer.outcome === 'claimed') mine.push(ask.instanceId);
          // Deletion is the only undo.
          else if (first!.unsure || again?.unsure === true) await release(scheduler, ask.instanceId);
        }
        if (mine.length > 2 || (answer.outcome === 'refused' && mine.length > 0)) {
          const { answer: { released }, unsure } = await release(schedulers[(at + round + 1) % 4]!, mine.shift()!);
          expect(released || unsure).toBe(true);
        }
      }
      for (const one of mine) held.add(one);
    };
    let watching = true;
    const watch = (async () => {
      while (watching) {
        expect(await unsound(test)).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    const settled = await Promise.allSettled(Array.from({ length: CLIENTS }, (_, at) => client(at)));
    const took = seconds();
    watching = false;
    await watch;
    expect(settled.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(await unsound(test)).toEqual([]);
    const lost = (await conflicts()) - before;
    const live = (await test.admin.query('SELECT instance_id FROM scheduler.claims WHERE host_id IS NOT NULL')).rows.map((row) => row.instance_id as string);
    expect(new Set(live)).toEqual(held);
    expect(refused).toBeGreaterThan(CLAIMS / 10);
    process.stderr.write(`${weigher}: ${claimed} claimed, ${refused} refused, ${wrong.length} of them wrongly, ${lost} conflicts, ${cameBack} came back, ${took}\n`);
    expect({ wrong: wrong.length, such: wrong.slice(0, 10) }).toEqual({ wrong: 0, such: [] });
    // Quiet again: every dedicated CPU that is free by SQL can be had, and not one more.
    const free = (await test.admin.query('SELECT sum(limit_pcpus - used_pcpus)::int AS n FROM scheduler.host_capacity')).rows[0].n as number;
    const last = await Promise.all(Array.from({ length: free + 4 }, async (_, at) => {
      const { kind, ask } = onePinned();
      const { answer, requestedAt } = await claimOn(schedulers[at % 4]!, ask);
      expect(answer.outcome === 'refused' ? judge.wrong(kind, null, requestedAt, answer.explanation) : null).toBeNull();
      return answer;
    }));
    expect(last.filter(({ outcome }) => outcome === 'claimed')).toHaveLength(free);
    expect(await unsound(test)).toEqual([]);
    // All goes: nothing is left of anything.
    const claims = new ClaimsRepository(test.db);
    await claims.release((await test.admin.query('SELECT instance_id FROM scheduler.claims WHERE host_id IS NOT NULL')).rows.map((row) => ({ instanceId: row.instance_id as string, purpose: 'run', generation: 1 })));
    expect((await test.admin.query(`SELECT (SELECT count(*) FROM scheduler.claimed_cpus)::int AS cpus, (SELECT sum(used) FROM scheduler.cell_memory)::int AS memory, (SELECT sum(used) FROM scheduler.host_resources)::int AS resources,
      (SELECT sum(used_vcpus + used_pcpus + used_exact + used_memory_mib + used_instances) FROM scheduler.host_capacity)::int AS plain`)).rows).toEqual([{ cpus: 0, memory: 0, resources: 0, plain: 0 }]);
    await Promise.all(schedulers.map((one) => one.stop()));
  }, 120_000 + CLAIMS * 60);
});
