import { expect, it } from '@jest/globals';
import { buildEnded } from '#libs/contracts';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { cell, fleetOf, numaHost, request, takers } from '../testing/numa-hosts.js';
import { BuildOutcomes } from './build-outcomes.js';
import type { Liveness } from './liveness.js';
import type { Snapshot } from './snapshot.js';

it('a host on which builds keep failing is left out for a while, and a second one of a small fleet is not', async () => {
  const names = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222', '33333333-3333-4333-8333-333333333333'];
  const fleet = fleetOf(...names.map((id, at) => numaHost(`h${at}`, [cell(0, 4, 1)], { row: { id } })));
  let now = 1_000_000;
  const bus = new InMemoryBus();
  const outcomes = new BuildOutcomes({ fleet } as Snapshot, { clock: { now: () => now } } as unknown as Liveness, bus, createLogger('test', 'silent'));
  outcomes.onModuleInit();
  const fail = async (at: number, times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) bus.hint(buildEnded, { hostId: names[at] as never, good: false });
    // Hints in memory are heard before any timer.
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  const left = (): string[] => takers(fleet, request(null, { now })).sort();
  try {
    await fail(0, 2);
    expect(left()).toEqual(['h0', 'h1', 'h2']);
    expect(takers(fleet, request(null, { now })).at(-1)).toBe('h0');
    await fail(0, 1);
    expect(left()).toEqual(['h1', 'h2']);
    await fail(1, 5);
    expect(left()).toEqual(['h1', 'h2']);
    now += 60_000;
    for (const id of names) fleet.setHeard(id, now, true);
    expect(left()).toEqual(['h0', 'h1', 'h2']);
    outcomes.ended(names[0]!, true);
    expect(fleet.recentFailures[0]).toBe(0);
  } finally {
    await outcomes.onApplicationShutdown();
    await bus.close();
  }
});
