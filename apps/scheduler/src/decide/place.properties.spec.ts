import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NOW, placementCase, type PlacementCase, type TestHost } from '../testing/placement-cases.js';
import { forbids, wrongWith } from '../testing/slow-checker.js';
import { Fleet } from './fleet.js';
import type { Candidate, PlacementPolicy, PlacementRequest } from './request.js';
import { place } from './place.js';

/** `SKYLITE_SOAK_CASES=100000` for the long run. */
const RUNS = { numRuns: Number(process.env.SKYLITE_SOAK_CASES ?? 5_000) };
/** In soak every property gets all of them. */
const FEWER = { numRuns: process.env.SKYLITE_SOAK_CASES === undefined ? Math.ceil(RUNS.numRuns / 4) : RUNS.numRuns };
const POLICIES: PlacementPolicy[] = [{ strategy: 'spread', weights: {} }, { strategy: 'pack', weights: {} }];
/** What a lack of cells shows up as before cells are looked at. */
const CELLS = ['dedicated-cpus', 'thread-policy', 'huge-pages', 'numa'];

const seeds = fc.integer({ min: 0, max: 0x7fff_ffff });

function fleetOf({ hosts, aggregates }: Pick<PlacementCase, 'hosts' | 'aggregates'>): Fleet {
  const fleet = new Fleet();
  fleet.setAggregates(aggregates);
  for (const host of hosts) {
    fleet.put(host);
    fleet.setHeard(host.id, host.heardAt, host.hypervisorUp);
    fleet.setFailures(host.id, host.failures, host.quarantinedUntil);
  }
  return fleet;
}

/** Blockers' names as the slow checker says them. */
const plain = (names: readonly string[]): string[] => [...new Set(names.map((name) => (CELLS.includes(name) ? 'numa' : name)))];

/** The host with a choice written into its row, as the feed will say it. */
function claimedOn(host: TestHost, { amounts }: Candidate): TestHost {
  const { claimed, used } = host.capacity;
  const cells = new Map(claimed!.cells.map((cell) => [cell.id, { ...cell, pages: cell.pages.map((page) => ({ ...page })) }]));
  for (const { id, memoryMib, pages } of amounts.cells) {
    const cell = cells.get(id) ?? { id, memoryMib: 0, pages: [] };
    const page = cell.pages.find(({ kib }) => kib === pages?.kib) ?? { kib: pages?.kib ?? 0, used: 0 };
    cells.set(id, { id, memoryMib: cell.memoryMib + memoryMib, pages: pages === null ? cell.pages : [...cell.pages.filter((one) => one.kib !== pages.kib), { kib: pages.kib, used: page.used + pages.count }] });
  }
  const resources = { ...claimed!.resources };
  for (const [name, amount] of Object.entries(amounts.resources)) resources[name] = (resources[name] ?? 0) + amount;
  return { ...host, capacity: {
    ...host.capacity, used: { vcpus: used.vcpus + amounts.vcpus, memoryMib: used.memoryMib + amounts.memoryMib, diskGib: used.diskGib + amounts.diskGib },
    claimed: { cpus: [...claimed!.cpus, ...amounts.cpus], cells: [...cells.values()], resources },
  } };
}

describe('any fleet, any request', () => {
  it('a yes passes the independent checker, on every candidate; a no means that trying everything finds nothing', () => {
    const seen = { yes: 0, no: 0, layouts: 0 };
    fc.assert(fc.property(seeds, (seed) => {
      const one = placementCase(seed);
      const placement = place(fleetOf(one), one.request, POLICIES[seed % 2]);
      const fitting = one.hosts.filter((host) => forbids(host, one.request, one.aggregates).length === 0).map(({ id }) => id);
      if ('explanation' in placement) {
        seen.no += 1;
        expect(fitting).toEqual([]);
        return;
      }
      seen.yes += 1;
      if (placement.candidates[0]!.layout) seen.layouts += 1;
      expect(placement.candidates.map(({ host }) => one.hosts[host]!.id).sort()).toEqual(fitting);
      for (const candidate of placement.candidates) expect(wrongWith(one.hosts[candidate.host]!, one.request, candidate)).toEqual([]);
    }), RUNS);
    expect(Math.min(seen.yes, seen.no, seen.layouts)).toBeGreaterThan(RUNS.numRuns / 10);
  });

  it('what is assumed is what the feed will say: a batch on one fleet places as on fleets read anew each time', () => {
    fc.assert(fc.property(seeds, (seed) => {
      let { hosts } = placementCase(seed);
      const { aggregates, request } = placementCase(seed);
      const fleet = fleetOf({ hosts, aggregates });
      for (let step = 0; step < 4; step += 1) {
        const asked: PlacementRequest = { ...placementCase(seed + step).request, sameHosts: null, differentHosts: [], group: request.group ?? null };
        const placement = place(fleet, asked);
        expect(JSON.stringify(placement)).toBe(JSON.stringify(place(fleetOf({ hosts, aggregates }), asked)));
        if (!('candidates' in placement)) continue;
        const [candidate] = placement.candidates as [Candidate];
        const before = asked.group?.members.get(hosts[candidate.host]!.id) ?? 0;
        fleet.assume(candidate, asked);
        if (asked.group) expect(asked.group.members.get(hosts[candidate.host]!.id)).toBe(before + 1);
        hosts = hosts.map((host, at) => (at === candidate.host ? claimedOn(host, candidate) : host));
      }
    }), { numRuns: process.env.SKYLITE_SOAK_CASES === undefined ? Math.ceil(FEWER.numRuns / 2) : RUNS.numRuns });
  });
});

describe('a no', () => {
  it('counts every host once, at a filter that forbids it, and says of the nearest exactly what forbids it', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const one = placementCase(seed);
      const placement = place(fleetOf(one), one.request);
      if ('candidates' in placement) return;
      const { filters, nearest } = placement.explanation;
      expect(filters.reduce((sum, { refused }) => sum + refused, 0)).toBe(one.hosts.length);
      for (const filter of filters) {
        expect(filter.reason).toMatch(/^[A-Z0-9].*\.$/);
        for (const row of filter.hosts) expect(forbids(one.hosts.find(({ name }) => name === row.name)!, one.request, one.aggregates)).toContain(plain([filter.name])[0]);
      }
      const host = one.hosts.find(({ name }) => name === nearest!.name)!;
      expect(plain(nearest!.blockers.map(({ filter }) => filter))).toEqual(forbids(host, one.request, one.aggregates));
    }), FEWER);
  });

  it('turns into a yes when exactly the blockers of the nearest host are removed, and not when one is left', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const one = placementCase(seed);
      const placement = place(fleetOf(one), one.request);
      if ('candidates' in placement) return;
      const { name, blockers } = placement.explanation.nearest!;
      const { id } = one.hosts.find((host) => host.name === name)!;
      const removed = plain(blockers.map(({ filter }) => filter));
      const again = (names: string[]): ReturnType<typeof place> => {
        const repaired = names.reduce((now, filter) => repair(now, id, filter), one);
        return place(fleetOf(repaired), repaired.request);
      };
      expect(again(removed)).toHaveProperty('candidates');
      if (removed.some((filter) => ENTANGLED.includes(filter))) return;
      for (const left of removed) expect(again(removed.filter((filter) => filter !== left))).toHaveProperty('explanation');
    }), FEWER);
  });
});

/** Repairs of these change the request or bring other hosts into question, or are part of each other's. */
const ENTANGLED = ['requested-host', 'not-hosts', 'same-host', 'different-host', 'affinity', 'anti-affinity', 'tenant', 'aggregate-extra-specs', 'image-properties', 'numa', 'agent', 'traits', 'architecture', 'resources'];

/** The case with exactly one thing put right for the named host. */
function repair(one: PlacementCase, id: string, filter: string): PlacementCase {
  const { request } = one;
  const { needs } = request;
  const withHost = (change: (host: TestHost) => TestHost): PlacementCase => ({ ...one, hosts: one.hosts.map((host) => (host.id === id ? change(host) : host)) });
  const make = (host: TestHost): NonNullable<TestHost['make']> => host.make ?? { version: 1, architecture: '', cells: [], sharedCpus: null, dedicatedCpus: [], cpuFlags: [], traits: [], resources: {} };
  const made = (change: (make: NonNullable<TestHost['make']>) => Partial<TestHost['make']>): PlacementCase => withHost((host) => ({ ...host, make: { ...make(host), ...change(make(host)) } }));
  const roomier = (key: 'vcpus' | 'memoryMib' | 'diskGib', amount: number): PlacementCase => withHost((host) => ({ ...host, capacity: {
    ...host.capacity, limit: { ...host.capacity.limit, [key]: host.capacity.used[key] + amount }, largest: key === 'diskGib' ? host.capacity.largest : { ...host.capacity.largest, [key]: Math.max(amount, host.capacity.largest[key]) },
  } }));
  switch (filter) {
    case 'requested-host': return { ...one, hosts: one.hosts.map((host) => (host.id === id ? { ...host, name: request.requestedHost! } : { ...host, name: `${host.name}-other` })) };
    case 'not-hosts': return { ...one, request: { ...request, notHosts: request.notHosts!.filter((host) => host !== id) } };
    case 'same-host': return { ...one, request: { ...request, sameHosts: [id] } };
    case 'different-host': return { ...one, request: { ...request, differentHosts: [] } };
    case 'affinity': return { ...one, request: { ...request, group: { ...request.group!, members: new Map([[id, 1]]) } } };
    case 'anti-affinity': return { ...one, request: { ...request, group: { ...request.group!, members: new Map() } } };
    case 'availability-zone': return withHost((host) => ({ ...host, zone: request.availabilityZone ?? host.zone, onlyWhenAsked: false }));
    case 'enabled': return withHost((host) => ({ ...host, enabled: true }));
    case 'alive': return withHost((host) => ({ ...host, heardAt: NOW, hypervisorUp: true }));
    case 'quarantine': return withHost((host) => ({ ...host, quarantinedUntil: NOW }));
    case 'tenant': return { ...one, aggregates: one.aggregates.map((row) => ({ ...row, metadata: Object.fromEntries(Object.entries(row.metadata).filter(([key]) => !key.startsWith('filter_tenant_id'))) })) };
    case 'aggregate-extra-specs': return { ...one, aggregates: [...one.aggregates, { id: 'new', hostIds: [id], metadata: { ssd: 'true', level: '9', os_distro: `ubuntu,${needs!.imageProperties.os_distro ?? ''}` } }] };
    case 'image-properties': return { ...one, aggregates: one.aggregates.map((row) => ('os_distro' in row.metadata ? { ...row, metadata: { ...row.metadata, os_distro: `${row.metadata.os_distro},${needs!.imageProperties.os_distro}` } } : row)) };
    case 'architecture': return made(() => ({ architecture: needs!.architecture! }));
    case 'traits': return made(({ traits }) => ({ traits: [...traits, ...needs!.traits.required].filter((trait) => !needs!.traits.forbidden.includes(trait)) }));
    case 'agent': return made(({ traits }) => ({ traits: [...traits, 'CUSTOM_SKYLITE_LAYOUT'] }));
    case 'vcpus': return roomier('vcpus', request.vcpus);
    case 'memory': return roomier('memoryMib', request.memoryMib);
    case 'disk': return roomier('diskGib', request.diskGib);
    case 'resources': return made(({ resources }) => ({ resources: { ...resources, CUSTOM_FPGA: 99 } }));
    case 'numa': return made(({ cells, dedicatedCpus, sharedCpus }) => {
      // As many fresh cells as could be asked for, with whole cores, shared CPUs, memory and pages enough.
      const fresh = [7, 8, 9].map((cell) => ({
        id: cell, cpus: Array.from({ length: 24 }, (_, at) => cell * 1_000 + at), cores: Array.from({ length: 12 }, (_, at) => [cell * 1_000 + 2 * at, cell * 1_000 + 2 * at + 1]), socket: 0, distances: [],
        memoryMib: 50_000, pages: [{ kib: 2048, total: 2_000 }, { kib: 1_048_576, total: 10 }, { kib: 64, total: 200_000 }],
      }));
      return { cells: [...cells, ...fresh], dedicatedCpus: [...dedicatedCpus, ...fresh.flatMap(({ cpus }) => cpus.slice(0, 16))], sharedCpus: sharedCpus === null ? null : [...sharedCpus, ...fresh.flatMap(({ cpus }) => cpus.slice(16))] };
    });
    default: throw new Error(`unknown filter ${filter}`);
  }
}
