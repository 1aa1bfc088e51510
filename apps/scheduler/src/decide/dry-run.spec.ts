import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cell, fleetOf, numaHost, request } from '../testing/numa-hosts.js';
import { placementCase } from '../testing/placement-cases.js';
import { DryRun, inAll, roomOn, takers } from './dry-run.js';
import { Fleet } from './fleet.js';
import { place } from './place.js';
import { DEFAULT_POLICY, type PlacementRequest } from './request.js';

function fleetOfCase(seed: number): { fleet: Fleet; request: PlacementRequest } {
  const { hosts, aggregates, request: asked } = placementCase(seed);
  const fleet = new Fleet();
  for (const host of hosts) {
    fleet.put(host);
    fleet.setHeard(host.id, host.heardAt, host.hypervisorUp);
    fleet.setFailures(host.id, host.failures, host.quarantinedUntil);
  }
  fleet.setAggregates(aggregates);
  return { fleet, request: asked };
}

/** Everything a fleet knows of what is used. */
const used = (fleet: Fleet): unknown => fleet.ids.map((_, host) => [fleet.remember(host), fleet.freeDedicated[host], [...fleet.cellTable.data], fleet.versions[host]]);
const members = ({ group }: PlacementRequest): unknown => group && [...group.members];

function tried(fleet: Fleet, asked: PlacementRequest, count: number, slices = 1): DryRun {
  const run = new DryRun(fleet, DEFAULT_POLICY);
  let turn = 0;
  while (run.slice(asked, count, () => (turn += 1) % slices === 0));
  return run;
}

describe('a dry run', () => {
  it('leaves nothing behind, and agrees with place', () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 4 }), (seed, slices) => {
      const { fleet, request: asked } = fleetOfCase(seed);
      const before = structuredClone([used(fleet), members(asked)]);
      const run = tried(fleet, asked, 12, slices);
      expect([used(fleet), members(asked)]).toEqual(before);
      const rooms = takers(fleet, asked, DEFAULT_POLICY).map((id) => roomOn(fleet, asked, id, DEFAULT_POLICY));
      expect([used(fleet), members(asked)]).toEqual(before);
      const fits = 'candidates' in place(fleet, asked);
      expect([run.count > 0, rooms.length > 0, inAll(asked, rooms) > 0]).toEqual([fits, fits, fits]);
      expect(run.count < 12).toBe(run.trial.explanation !== null);
      expect([...run.trial.placed.values()].reduce((sum, count) => sum + count, 0)).toBe(run.count);
    }), { numRuns: 1_000 });
  });

  it('counts amounts, CPUs of their own, pages and resources', () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 4, 2), cell(1, 4, 2)]), numaHost('b', [cell(0, 4, 2), cell(1, 4, 2)]));
    const pinned = request({ cpuPolicy: 'dedicated' }, { vcpus: 4, memoryMib: 512 });
    expect(tried(fleet, pinned, 100)).toMatchObject({ count: 8, trial: { explanation: { hostsConsidered: 2 } } });
    expect(takers(fleet, pinned, DEFAULT_POLICY).map((id) => roomOn(fleet, pinned, id, DEFAULT_POLICY))).toEqual([4, 4]);
    expect(tried(fleet, pinned, 3)).toMatchObject({ count: 3, trial: { explanation: null } });
  });

  it('goes by groups: so many on one host, or all on one', () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 4, 2)]), numaHost('b', [cell(0, 4, 2), cell(1, 4, 2)]));
    const of = (policy: 'affinity' | 'anti-affinity', there: [string, number][] = []): PlacementRequest => request({ cpuPolicy: 'dedicated' }, { vcpus: 4, memoryMib: 512, group: { id: 'g', policy, maxServerPerHost: 1, members: new Map(there) } });
    const rooms = (asked: PlacementRequest): number => inAll(asked, takers(fleet, asked, DEFAULT_POLICY).map((id) => roomOn(fleet, asked, id, DEFAULT_POLICY)));
    expect([tried(fleet, of('anti-affinity'), 10).count, rooms(of('anti-affinity'))]).toEqual([2, 2]);
    expect([tried(fleet, of('anti-affinity', [[fleet.ids[0]!, 1]]), 10).count, rooms(of('anti-affinity', [[fleet.ids[0]!, 1]]))]).toEqual([1, 1]);
    expect(rooms(of('affinity'))).toBe(4);
    expect([tried(fleet, of('affinity', [[fleet.ids[0]!, 1]]), 10).count, rooms(of('affinity', [[fleet.ids[0]!, 1]]))]).toEqual([2, 2]);
  });
});
