import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { claimHost, releaseClaim, settleMove, type Contract, type InputOf, type OutputOf } from '#libs/contracts';
import type { SkyError } from '#libs/errors';
import { wish } from '../support/claim-storm.js';
import { celledFleet, unsound } from '../support/fleet-rows.js';
import { KillablePostgres } from '../support/killable-postgres.js';
import { SchedulerProcesses } from '../support/scheduler-processes.js';

/** More of them in soak: SKYLITE_SOAK_KILLS. */
const KILLS = Number(process.env['SKYLITE_SOAK_KILLS'] ?? 4);
const CLIENTS = 24;
const HOSTS = 8;
/** What is done between two kills: enough that the system is at work again. */
const DONE_BETWEEN = 40;

let postgres: KillablePostgres;
let schedulers: SchedulerProcesses;
beforeAll(async () => {
  postgres = await KillablePostgres.start();
  await postgres.ask((admin) => celledFleet({ admin }, HOSTS));
  schedulers = await SchedulerProcesses.start(postgres.schedulerUrl, 2);
});
afterAll(async () => {
  await schedulers?.stop();
  await postgres?.stop();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const upTo = (ms: number): Promise<void> => pause(Math.random() * ms);
const failures = ['timeout', 'unavailable'];

type Answer = OutputOf<typeof claimHost>;
interface Held { hostId: string; generation: number; layout: unknown }

it('claims survive SIGKILL of schedulers and of PostgreSQL at any moment: what was said is so, and nothing else is', async () => {
  /** What the schedulers have said, and what by that has to be in the database at the end. */
  const held = new Map<string, Held>();
  const gone: string[] = [];
  const outstanding: Promise<unknown>[] = [];
  let [done, unanswered, refused, givenUp, moves, working] = [0, 0, 0, 0, 0, true];

  /** As the loops do: until there is an answer; whether an earlier try was done nobody knows. */
  async function persist<C extends Contract>(contract: C, input: () => InputOf<C>): Promise<OutputOf<C>> {
    for (;;) {
      try { return await schedulers.bus.ask(contract, input(), { timeoutMs: 2_000 }); } catch (error) {
        if (!failures.includes((error as SkyError).kind)) throw error;
        unanswered += 1;
        await upTo(100);
      }
    }
  }
  const claim = (ask: InputOf<typeof claimHost>): Promise<Answer> => persist(claimHost, () => ({ ...ask, requestedAt: new Date().toISOString() }));
  const release = async (instanceId: string, generation: number, purpose = 'run'): Promise<void> => { await persist(releaseClaim, () => ({ instanceId: instanceId as never, generation, purpose })); };

  /** A second claim for a move, which is settled or taken back. */
  async function move(ask: InputOf<typeof claimHost>, now: Held): Promise<Held> {
    const generation = now.generation + 1;
    const there = await claim({ ...ask, purpose: 'move', generation, notHosts: [now.hostId as never] });
    if (there.outcome === 'claimed' && Math.random() < 0.5) {
      await persist(settleMove, () => ({ instanceId: ask.instanceId, generation, keepOldAs: null }));
      moves += 1;
      return { hostId: there.hostId, generation, layout: there.layout };
    }
    await release(ask.instanceId, generation, 'move');
    return now;
  }

  async function life(lot: number, mine: string[]): Promise<void> {
    const { ask } = wish(lot);
    const id = ask.instanceId;
    if (Math.random() < 0.15) {
      // Deleted while it is being placed: the claim may arrive after its release.
      outstanding.push(schedulers.bus.ask(claimHost, { ...ask, requestedAt: new Date().toISOString() }, { timeoutMs: 2_000 }).catch(() => undefined));
      await upTo(10);
      await release(id, 1);
      gone.push(id);
      givenUp += 1;
      return;
    }
    const answer = await claim(ask);
    if (answer.outcome === 'refused') {
      refused += 1;
      // Deletion is the only undo: of a try that nobody answered the claim may be there all the same.
      await release(id, 1);
      gone.push(id);
    } else {
      held.set(id, { hostId: answer.hostId, generation: 1, layout: answer.layout });
      mine.push(id);
      if (Math.random() < 0.2) expect(await claim(ask)).toMatchObject({ outcome: 'claimed', hostId: answer.hostId, layout: answer.layout });
      if (Math.random() < 0.3) held.set(id, await move(ask, held.get(id)!));
    }
    if (mine.length > 3 || (answer.outcome === 'refused' && mine.length > 0)) {
      const oldest = mine.shift()!;
      const { generation } = held.get(oldest)!;
      held.delete(oldest);
      await release(oldest, generation);
      gone.push(oldest);
    }
  }
  const client = async (at: number): Promise<void> => {
    const mine: string[] = [];
    for (let round = 0; working; round += 1) {
      await life(at * 31 + round * 7, mine);
      done += 1;
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, at) => client(at).catch((error: unknown) => { working = false; throw error; }));
  const atWork = async (): Promise<void> => {
    const until = done + DONE_BETWEEN;
    while (working && done < until) await pause(20);
  };

  const began = performance.now();
  try {
    for (let kill = 1; kill <= KILLS && working; kill += 1) {
      await atWork();
      await upTo(300);
      // PostgreSQL each third time, so that the short run has it too.
      if (kill % 3 === 0) {
        await postgres.kill();
        await upTo(300);
        await postgres.start();
        expect(await postgres.ask((admin) => unsound({ admin }))).toEqual([]);
      } else {
        const victim = Math.floor(Math.random() * schedulers.count);
        await schedulers.kill(victim);
        await upTo(300);
        await schedulers.run(victim);
      }
      if (kill % 10 === 0) process.stderr.write(`${kill} of ${KILLS} kills, ${done} lives, ${unanswered} questions unanswered, after ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
    }
    await atWork();
  } finally {
    working = false;
  }
  const settled = await Promise.allSettled(clients);
  expect(settled.filter(({ status }) => status === 'rejected')).toEqual([]);
  await Promise.all(outstanding);
  // Losing PostgreSQL ends no scheduler.
  expect(schedulers.died).toBe(0);
  await schedulers.stop();
  await postgres.ask(async (admin) => {
    // What a killed process had asked for may still be under way.
    while ((await admin.query("SELECT FROM pg_stat_activity WHERE application_name LIKE 'skylite%'")).rowCount !== 0) await pause(50);
    expect(await unsound({ admin })).toEqual([]);
    const live = (await admin.query('SELECT instance_id, purpose, generation, host_id, layout FROM scheduler.claims WHERE host_id IS NOT NULL')).rows as { instance_id: string; purpose: string; generation: number; host_id: string; layout: unknown }[];
    const there = new Map(live.map((row) => [row.instance_id, row]));
    const wrong = [
      ...live.filter((row) => row.purpose !== 'run' || !held.has(row.instance_id)).map((row) => `leaked: ${row.purpose} of ${row.instance_id} on ${row.host_id}`),
      ...[...held].filter(([id, { hostId, generation }]) => there.get(id)?.host_id !== hostId || there.get(id)?.generation !== generation).map(([id]) => `lost: ${id}, ${JSON.stringify(held.get(id))} was said, ${JSON.stringify(there.get(id))} is there`),
    ];
    expect(wrong).toEqual([]);
    for (const [id, { layout }] of held) expect(there.get(id)!.layout).toEqual(layout);
    // Whoever is gone is so by a tombstone.
    expect((await admin.query('SELECT count(*)::int AS n FROM scheduler.claims WHERE instance_id = ANY ($1) AND released_at IS NOT NULL AND purpose = $2', [gone, 'run'])).rows[0].n).toBe(gone.length);
    await admin.query('DELETE FROM scheduler.claims');
    expect((await admin.query(`SELECT (SELECT count(*) FROM scheduler.claimed_cpus)::int AS cpus, (SELECT sum(used) FROM scheduler.cell_memory)::int AS memory, (SELECT sum(used) FROM scheduler.host_resources)::int AS resources,
      (SELECT sum(used_vcpus + used_pcpus + used_exact + used_memory_mib + used_instances) FROM scheduler.host_capacity)::int AS plain`)).rows).toEqual([{ cpus: 0, memory: 0, resources: 0, plain: 0 }]);
  });
  expect(Math.min(held.size, gone.length, refused, givenUp, moves, unanswered)).toBeGreaterThan(0);
  process.stderr.write(`${KILLS} kills, ${done} lives: ${held.size} hold a claim, ${refused} were refused, ${givenUp} deleted meanwhile, ${moves} moved; ${unanswered} questions unanswered, ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
}, 120_000 + KILLS * 20_000);
