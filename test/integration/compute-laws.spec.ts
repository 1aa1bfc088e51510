/** The laws of the instance loop: every step twice; a crash before and after every commit and every question; nothing left behind. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServers, deleteServer, stopServer, type Contract, type InputOf, type InstanceId, type OutputOf } from '#libs/contracts';
import { unavailable } from '#libs/errors';
import type { AskOptions, Bus } from '#libs/messaging';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, ComputeUnderTest, eventually, request, watched, type WriteHook } from '../support/compute-service.js';
import { ComputeWorld } from '../support/compute-world.js';

/** Asks again, as the door and its clients do, until there is an answer that is not "try again". */
async function insist<C extends Contract>(bus: Bus, contract: C, input: InputOf<C>, fine: string[] = []): Promise<OutputOf<C> | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await bus.ask(contract, input);
    } catch (error) {
      const { kind } = error as { kind?: string };
      if (kind !== undefined && fine.includes(kind)) return undefined;
      if (attempt > 100) throw error;
      await new Promise((done) => setTimeout(done, 10));
    }
  }
}

/** What the world's bus does to questions that compute asks: `lose` the question or the answer, or ask `twice`. */
function meddleWith(world: ComputeWorld, meddle: { fault(): 'question' | 'answer' | undefined; twice: boolean }): () => void {
  const original = world.bus.ask.bind(world.bus);
  world.bus.ask = async <C extends Contract>(contract: C, input: InputOf<C>, options?: AskOptions): Promise<OutputOf<C>> => {
    if (!contract.subject.startsWith('svc.scheduler.claims')) return original(contract, input, options);
    const fault = meddle.fault();
    if (fault === 'question') throw unavailable('lost on its way');
    const answer = await original(contract, input, options);
    if (meddle.twice) await original(contract, input, options);
    if (fault === 'answer') throw unavailable('the answer was lost');
    return answer;
  };
  return () => { world.bus.ask = original; };
}

/** A server's whole life, with what the hook and the meddling do to it. Gives how many writes and questions there were. */
async function life(t: TestDatabase, hook: WriteHook, meddle: { fault(): 'question' | 'answer' | undefined; twice: boolean }): Promise<void> {
  const world = new ComputeWorld(2, 20);
  const undo = meddleWith(world, meddle);
  let compute = new ComputeUnderTest(world, watched(t.db, hook));
  await compute.start();
  // What died is started again, with nothing of its memory.
  let restarting: Promise<void> | undefined;
  const supervisor = setInterval(() => {
    if (hook.dead === true) restarting ??= compute.stop().then(async () => { compute = await new ComputeUnderTest(world, t.db).start(); });
  }, 5);
  try {
    const client = new Client(world);
    const wanted = request(client.as, { instanceIds: [randomUUID()] });
    const id = wanted.instanceIds[0] as InstanceId;
    await insist(world.bus, createServers, wanted);
    await client.reaches(id, 'ACTIVE', 60_000);
    await insist(world.bus, stopServer, { caller: client.as, instanceId: id }, ['conflict']);
    await client.reaches(id, 'SHUTOFF', 60_000);
    await insist(world.bus, deleteServer, { caller: client.as, instanceId: id }, ['not-found']);
    await client.finished(id, 60_000);
    await eventually(() => world.hosts.every(({ ledger, domains }) => ledger.size === 0 && domains.size === 0), () => 'something is left on a host');
    expect({ claims: world.claims.size, broken: world.broken }).toEqual({ claims: 0, broken: [] });
    const { rows } = await t.admin.query('SELECT id, step FROM compute.instances WHERE reconcile_at IS NOT NULL OR lease_owner IS NOT NULL OR deleted_at IS NULL');
    expect(rows).toEqual([]);
    const { rows: events } = await t.admin.query("SELECT kind, count(*)::int FROM compute.instance_events WHERE instance_id = $1 AND kind IN ('create', 'assigned', 'launched', 'delete', 'deleted') GROUP BY kind ORDER BY kind", [id]);
    expect(events).toEqual(['assigned', 'create', 'delete', 'deleted', 'launched'].map((kind) => ({ kind, count: 1 })));
  } finally {
    clearInterval(supervisor);
    await restarting;
    await compute.stop();
    undo();
    await world.close();
  }
}

const calm = { fault: () => undefined, twice: false };

describe('laws of the instance loop', () => {
  let t: TestDatabase;
  beforeAll(async () => { t = await startTestDatabase('compute'); });
  afterAll(() => t.stop());

  it('every write and every claim, twice', () => life(t, { twice: true }, { fault: () => undefined, twice: true }));

  it.each(['fails', 'kills the process'])('what goes wrong before and after every commit %s: nothing is lost', async (how) => {
    let total = 0;
    const counts = (text: string): boolean => !text.includes('FOR UPDATE SKIP LOCKED') && !text.includes('compute.flavors');
    await life(t, { before: (text) => { total += counts(text) ? 1 : 0; } }, calm);
    expect(total).toBeGreaterThan(6);
    for (let at = 0; at <= total; at += 1) {
      for (const when of ['before', 'after'] as const) {
        let count = 0;
        const hook: WriteHook = {
          [when]: (text: string): void => {
            count += counts(text) ? 1 : 0;
            if (count !== at + 1 || !counts(text)) return;
            hook.dead = how !== 'fails';
            throw new Error(`crash ${when} write ${at}`);
          },
        };
        await life(t, hook, calm);
      }
    }
  });

  it('a claim or release that is lost on its way, or whose answer is', async () => {
    for (let at = 0; at < 2; at += 1) {
      for (const lost of ['question', 'answer'] as const) {
        let count = 0;
        await life(t, {}, { fault: () => { count += 1; return count === at + 1 ? lost : undefined; }, twice: false });
      }
    }
  });

  it('several replicas share the work', async () => {
    const world = new ComputeWorld(3, 50);
    const replicas = await Promise.all([1, 2, 3].map(async () => new ComputeUnderTest(world, await t.open('compute')).start()));
    try {
      const client = new Client(world);
      const made = await Promise.all(Array.from({ length: 30 }, () => client.create()));
      await Promise.all(made.map(({ id }) => client.reaches(id, 'ACTIVE', 60_000)));
      // One goes without a word; what it had leased is taken up by the others.
      await (replicas.shift() as ComputeUnderTest).stop();
      await Promise.all(made.map(({ id }) => client.delete(id)));
      await Promise.all(made.map(({ id }) => client.finished(id, 60_000)));
      expect({ claims: world.claims.size, broken: world.broken }).toEqual({ claims: 0, broken: [] });
    } finally {
      for (const replica of replicas) await replica.stop();
      await world.close();
    }
  });
});
