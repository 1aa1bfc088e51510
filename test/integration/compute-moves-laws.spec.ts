/** The laws of moves: a crash before and after every commit, a question to the scheduler lost or its answer; nothing left behind, nothing twice. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  confirmResize, createServers, deleteServer, migrateServer, revertResize, type Caller, type Contract, type InputOf, type InstanceId, type OutputOf,
} from '#libs/contracts';
import type { Database } from '#libs/db';
import { unavailable } from '#libs/errors';
import type { AskOptions } from '#libs/messaging';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { callerOf } from '../support/compute-world.js';
import { Client, ComputeUnderTest, eventually, request, watched, type WriteHook } from '../support/compute-service.js';
import { MovesWorld } from '../support/moves-world.js';

let t: TestDatabase;
let scheduling: Database;
let world: MovesWorld;
beforeAll(async () => {
  t = await startTestDatabase('compute');
  scheduling = await t.open('scheduler', 4);
  world = await new MovesWorld(t, scheduling).open();
});
afterAll(async () => {
  await world.close();
  await t.stop();
});

/** The same request until it is answered, as the door's clients ask; an answer that came of it before counts. */
async function insist<C extends Contract>(contract: C, input: InputOf<C>): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await world.bus.ask(contract, input);
      return;
    } catch (error) {
      if ((error as { kind?: string }).kind === 'not-found' && contract.subject === deleteServer.subject) return;
      if (attempt > 200) throw error;
      await new Promise((done) => setTimeout(done, 10));
    }
  }
}

type Fault = 'question' | 'answer' | 'twice' | undefined;
/** Meddles with what compute asks of the scheduler's claims. */
function meddle(fault: () => Fault): () => void {
  const original = world.bus.ask.bind(world.bus);
  world.bus.ask = async <C extends Contract>(contract: C, input: InputOf<C>, options?: AskOptions): Promise<OutputOf<C>> => {
    if (!contract.subject.startsWith('svc.scheduler.claims')) return original(contract, input, options);
    const what = fault();
    if (what === 'question') throw unavailable('lost on its way');
    const answer = await original(contract, input, options);
    if (what === 'twice') await original(contract, input, options);
    if (what === 'answer') throw unavailable('the answer was lost');
    return answer;
  };
  return () => { world.bus.ask = original; };
}

/** There and back, there for good, and away. `armed` when the hook is to count. */
async function life(hook: WriteHook, fault: () => Fault = () => undefined, armed: { yes: boolean } = { yes: true }): Promise<void> {
  const undo = meddle(fault);
  let compute = await new ComputeUnderTest(world, watched(t.db, hook)).start();
  let restarting: Promise<void> | undefined;
  const supervisor = setInterval(() => {
    if (hook.dead === true) restarting ??= compute.stop().then(async () => { compute = await new ComputeUnderTest(world, t.db).start(); });
  }, 5);
  const admin = (): Caller => callerOf('p1', { isAdmin: true });
  try {
    const client = new Client(world);
    const wanted = request(client.as, { instanceIds: [randomUUID()] });
    const instanceId = wanted.instanceIds[0] as InstanceId;
    await insist(createServers, wanted);
    const home = (await client.reaches(instanceId, 'ACTIVE', 60_000)).hostName;
    armed.yes = true;
    for (const end of [revertResize, confirmResize]) {
      await insist(migrateServer, { caller: admin(), instanceId, host: null });
      await client.reaches(instanceId, 'VERIFY_RESIZE', 60_000);
      await insist(end, { caller: admin(), instanceId });
      const there = (await client.reaches(instanceId, 'ACTIVE', 60_000)).hostName;
      expect(there === home).toBe(end === revertResize);
      expect(await world.claims(instanceId)).toEqual([['run', there, 1]]);
      expect(world.having(instanceId)).toEqual([there]);
    }
    await insist(deleteServer, { caller: client.as, instanceId });
    await client.finished(instanceId, 60_000);
    await eventually(() => world.hosts.every(({ ledger, guests }) => ledger.size === 0 && guests.size === 0), () => 'something is left on a host');
    expect(await world.claims(instanceId)).toEqual([]);
    const { rows } = await t.admin.query(`SELECT i.id FROM compute.instances i LEFT JOIN compute.migrations m ON m.instance_id = i.id
      WHERE i.reconcile_at IS NOT NULL OR i.lease_owner IS NOT NULL OR i.deleted_at IS NULL OR i.elsewhere <> 0 OR m.finished_at IS NULL OR m.other_host_id IS NOT NULL OR m.transfer_key IS NOT NULL`);
    expect(rows).toEqual([]);
    const { rows: moves } = await t.admin.query('SELECT status FROM compute.migrations WHERE instance_id = $1 ORDER BY id', [instanceId]);
    expect(moves).toEqual([{ status: 'reverted' }, { status: 'confirmed' }]);
    expect(world.broken).toEqual([]);
  } finally {
    clearInterval(supervisor);
    await restarting;
    await compute.stop();
    undo();
    await t.admin.query('TRUNCATE compute.instances, compute.instance_events CASCADE');
    await t.admin.query('DELETE FROM scheduler.claims');
  }
}

const counts = (text: string): boolean => !text.includes('FOR UPDATE SKIP LOCKED') && !text.includes('compute.flavors');

describe('laws of moves', () => {
  it('every claim, settlement and release twice', () => life({}, () => 'twice'));

  it('what goes wrong before and after every commit kills the process: nothing is lost', async () => {
    let total = 0;
    const quiet = { yes: false };
    await life({ before: (text) => { total += quiet.yes && counts(text) ? 1 : 0; } }, () => undefined, quiet);
    expect(total).toBeGreaterThan(15);
    for (let at = 0; at <= total; at += 1) {
      // Right after one commit is nearly right before the next: what is in between are questions, which the test below loses.
      for (const moment of at % 4 === 0 ? ['after', 'before'] as const : ['after'] as const) {
        let count = 0;
        const armed = { yes: false };
        const hook: WriteHook = {
          [moment]: (text: string): void => {
            if (!armed.yes || !counts(text)) return;
            count += 1;
            if (count !== at + 1) return;
            hook.dead = true;
            throw new Error(`crash ${moment} write ${at}`);
          },
        };
        await life(hook, () => undefined, armed);
      }
    }
  });

  it('a question to the scheduler that is lost on its way, or whose answer is', async () => {
    let total = 0;
    await life({}, () => { total += 1; return undefined; });
    for (let at = 0; at < total; at += 1) {
      for (const lost of ['question', 'answer'] as const) {
        let count = 0;
        await life({}, () => { count += 1; return count === at + 1 ? lost : undefined; });
      }
    }
  });
});
