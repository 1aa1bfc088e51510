import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimHost, Needs, releaseClaim, type GroupWish, type InputOf } from '#libs/contracts';
import type { SkyError } from '#libs/errors';
import { metrics } from '#libs/observability';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ClaimsRepository } from '../../apps/scheduler/src/claims/claims.repository.js';
import { celledFleet, unsound } from '../support/fleet-rows.js';
import { claim, startScheduler, stopSchedulers } from '../support/scheduler.js';

/** More of them in soak: SKYLITE_ADVERSARY_ROUNDS. */
const ROUNDS = Number(process.env['SKYLITE_ADVERSARY_ROUNDS'] ?? 25);
const CLIENTS = 64;
const HOSTS = 10;

let test: TestDatabase;
beforeAll(async () => { test = await startTestDatabase('scheduler'); }, 60_000);
afterAll(async () => {
  await stopSchedulers();
  await test.stop();
}, 30_000);

type Ask = InputOf<typeof claimHost>;

const GROUPS: GroupWish[] = [
  ...Array.from({ length: 6 }, (): GroupWish => ({ id: randomUUID(), policy: 'anti-affinity', maxServerPerHost: 1 })),
  ...Array.from({ length: 3 }, (): GroupWish => ({ id: randomUUID(), policy: 'anti-affinity', maxServerPerHost: 2 })),
  ...Array.from({ length: 6 }, (): GroupWish => ({ id: randomUUID(), policy: 'affinity', maxServerPerHost: 1 })),
  { id: randomUUID(), policy: 'soft-anti-affinity', maxServerPerHost: 1 },
];

/** One of the kinds of servers there are, by lot. */
function wish(lot: number): Ask {
  const pinned = (count: number, change: Partial<Needs> = {}): Needs => Needs.parse({ cpuPolicy: 'dedicated', pinned: Array.from({ length: count }, (_, at) => at), ...change });
  const group = lot % 3 === 0 ? { group: GROUPS[lot % GROUPS.length]! } : {};
  switch (lot % 8) {
    case 0: return claim({ vcpus: 2, memoryMib: 256, diskGib: 0, needs: pinned(2), ...group });
    case 1: return claim({ vcpus: 3, memoryMib: 64, diskGib: 0, needs: pinned(3, { emulatorThreads: 'isolate', pageSize: 'large' }), ...group });
    case 2: return claim({ vcpus: 2, memoryMib: 128, diskGib: 0, needs: Needs.parse({ pageSize: 2048 }), ...group });
    case 3: return claim({ vcpus: 2, memoryMib: 512, diskGib: 0, needs: Needs.parse({ cells: [{ cpus: [0], memoryMib: 256 }, { cpus: [1], memoryMib: 256 }] }), ...group });
    case 4: return claim({ vcpus: 1, memoryMib: 64, diskGib: 0, needs: pinned(1, { threadPolicy: 'isolate' }), ...group });
    case 5: return claim({ vcpus: 1, memoryMib: 64, diskGib: 0, needs: Needs.parse({ resources: { CUSTOM_KEY: 1 } }), ...group });
    default: return claim({ vcpus: 1 + (lot % 3), memoryMib: 128, diskGib: 0, ...group });
  }
}

const conflicts = async (): Promise<number> => ((await metrics.getSingleMetric('skylite_scheduler_claim_conflicts_total')?.get())?.values[0]?.value as number | undefined) ?? 0;

describe('four schedulers, 64 clients, a fleet nearly full of pinned, paged and grouped servers', () => {
  it.each(['spread', 'pack'] as const)('%s: no rule is broken at any moment, nothing is lost or leaked, and what is free can be had', async (weigher) => {
    await test.admin.query('DELETE FROM scheduler.claims');
    for (const table of ['host_beats', 'host_capacity', 'hosts']) await test.admin.query(`DELETE FROM scheduler.${table}`);
    await celledFleet(test, HOSTS);
    const schedulers = await Promise.all([1, 2, 3, 4].map(() => startScheduler(test, { weigher })));
    const before = await conflicts();
    const held = new Set<string>();
    let [claimed, refused, cameBack] = [0, 0, 0];
    const client = async (at: number): Promise<void> => {
      const mine: string[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const { bus } = schedulers[(at + round) % 4]!;
        const ask = wish(at * 31 + round * 7);
        // As the instance loop does: comes back when told to, and asks twice now and then.
        const persist = async (): Promise<Awaited<ReturnType<typeof bus.ask<typeof claimHost>>>> => {
          for (;;) {
            try { return await bus.ask(claimHost, { ...ask, requestedAt: new Date().toISOString() }); } catch (error) {
              if ((error as SkyError).kind !== 'unavailable') throw error;
              cameBack += 1;
            }
          }
        };
        const [answer, again] = await Promise.all([persist(), ...(round % 5 === 0 ? [persist()] : [])]);
        if (answer!.outcome === 'claimed') {
          if (again?.outcome === 'claimed') expect({ ...again, explanation: null }).toEqual({ ...answer, explanation: null });
          claimed += 1;
          mine.push(ask.instanceId);
        } else { refused += 1; if (again?.outcome === 'claimed') mine.push(ask.instanceId); }
        if (mine.length > 2 || (answer!.outcome === 'refused' && mine.length > 0)) {
          const instanceId = mine.shift()!;
          expect(await schedulers[(at + round + 1) % 4]!.bus.ask(releaseClaim, { instanceId: instanceId as never, generation: 1 })).toEqual({ released: true });
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
    const began = performance.now();
    const settled = await Promise.allSettled(Array.from({ length: CLIENTS }, (_, at) => client(at)));
    const seconds = (performance.now() - began) / 1000;
    watching = false;
    await watch;
    expect(settled.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(await unsound(test)).toEqual([]);
    const lost = (await conflicts()) - before;
    const live = (await test.admin.query('SELECT instance_id FROM scheduler.claims WHERE host_id IS NOT NULL')).rows.map((row) => row.instance_id as string);
    expect(new Set(live)).toEqual(held);
    expect(claimed).toBeGreaterThan((CLIENTS * ROUNDS) / 5);
    expect(refused).toBeGreaterThan(0);
    process.stdout.write(`${weigher}: ${claimed} claimed, ${refused} refused, ${lost} conflicts, ${cameBack} came back, ${seconds.toFixed(1)} s\n`);
    // Quiet again: every dedicated CPU that is free by SQL can be had, and not one more.
    const free = (await test.admin.query('SELECT sum(limit_pcpus - used_pcpus)::int AS n FROM scheduler.host_capacity')).rows[0].n as number;
    const last = await Promise.all(Array.from({ length: free + 4 }, (_, at) => schedulers[at % 4]!.bus.ask(claimHost, claim({ vcpus: 1, memoryMib: 1, diskGib: 0, needs: Needs.parse({ cpuPolicy: 'dedicated', pinned: [0] }) }))));
    expect(last.filter(({ outcome }) => outcome === 'claimed')).toHaveLength(free);
    expect(await unsound(test)).toEqual([]);
    // All goes: nothing is left of anything.
    const claims = new ClaimsRepository(test.db);
    await claims.release((await test.admin.query('SELECT instance_id FROM scheduler.claims WHERE host_id IS NOT NULL')).rows.map((row) => ({ instanceId: row.instance_id as string, purpose: 'run', generation: 1 })));
    expect((await test.admin.query(`SELECT (SELECT count(*) FROM scheduler.claimed_cpus)::int AS cpus, (SELECT sum(used) FROM scheduler.cell_memory)::int AS memory, (SELECT sum(used) FROM scheduler.host_resources)::int AS resources,
      (SELECT sum(used_vcpus + used_pcpus + used_exact + used_memory_mib + used_instances) FROM scheduler.host_capacity)::int AS plain`)).rows).toEqual([{ cpus: 0, memory: 0, resources: 0, plain: 0 }]);
    await Promise.all(schedulers.map((one) => one.stop()));
  }, 120_000);
});
