import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cell, fleetOf as numaFleet, numaHost, request as requestOf, yes } from '../testing/numa-hosts.js';
import { Fleet } from './fleet.js';
import type { Amounts, HostRow } from './host-row.js';
import { place } from './place.js';
import type { Explanation, PlacementPolicy, PlacementRequest } from './request.js';

const NOW = 1_000_000;
const TIMEOUT = 10_000;

interface Host extends HostRow { heardAt: number; hypervisorUp: boolean }

const host = (name: string, change: Partial<Omit<Host, 'capacity'>> & { capacity?: Partial<Host['capacity']> } = {}): Host => ({
  id: `id-${name}`, name, zone: 'nova', onlyWhenAsked: false, enabled: true, disabledReason: null, bootId: 'b', generation: 1, heardAt: NOW - 1_000, hypervisorUp: true,
  ...change,
  capacity: { limit: { vcpus: 16, memoryMib: 8192, diskGib: 100 }, used: { vcpus: 0, memoryMib: 0, diskGib: 0 }, largest: { vcpus: 4, memoryMib: 8192 }, version: 1, ...change.capacity },
});

function fleetOf(hosts: Host[]): Fleet {
  const fleet = new Fleet();
  for (const one of hosts) {
    fleet.put(one);
    fleet.setHeard(one.id, one.heardAt, one.hypervisorUp);
  }
  return fleet;
}

const request = (change: Partial<PlacementRequest> = {}): PlacementRequest => ({
  vcpus: 1, memoryMib: 512, diskGib: 5, availabilityZone: null, requestedHost: null, now: NOW, aliveTimeoutMs: TIMEOUT, seed: 1, ...change,
});

const spread: PlacementPolicy = { strategy: 'spread', weights: { ram: 1, cpu: 1, disk: 1 } };
const pack: PlacementPolicy = { ...spread, strategy: 'pack' };

const names = (fleet: Fleet, placement: ReturnType<typeof place>): string[] => ('candidates' in placement ? placement.candidates.map(({ host: at }) => fleet.names[at]!) : []);
const explanationOf = (placement: ReturnType<typeof place>): Explanation => {
  if (!('explanation' in placement)) throw new Error('a host was found');
  return placement.explanation;
};

describe('what each filter says', () => {
  const refused: [string, Host, Partial<PlacementRequest>, string, string | number, string | number][] = [
    ['requested-host', host('a'), { requestedHost: 'b' }, "No host is named 'b'.", 'b', 'a'],
    ['not-hosts', host('a'), { notHosts: ['id-b', 'id-a'] }, '1 host is where the server is, or may have left something.', 'another host', 'has the server, or something of it'],
    ['availability-zone', host('a', { zone: 'az1' }), { availabilityZone: 'az2' }, "1 host is not in availability zone 'az2'.", 'az2', 'az1'],
    ['availability-zone', host('a', { zone: 'fleet', onlyWhenAsked: true }), {}, '1 host is in a zone that is used only when asked for.', 'a zone for everyone', 'fleet'],
    ['enabled', host('a', { enabled: false, disabledReason: 'new disks' }), {}, '1 host is disabled by an operator.', 'enabled', 'disabled: new disks'],
    ['alive', host('a', { heardAt: NOW - 14_000 }), {}, '1 host is not alive (nearest: silent for 14 s).', 'heard within 10 s, hypervisor answering', 'silent for 14 s'],
    ['alive', host('a', { heardAt: -Infinity }), {}, '1 host is not alive (nearest: never heard).', 'heard within 10 s, hypervisor answering', 'never heard'],
    ['alive', host('a', { hypervisorUp: false }), {}, '1 host is not alive (nearest: its hypervisor does not answer).', 'heard within 10 s, hypervisor answering', 'its hypervisor does not answer'],
    ['vcpus', host('a', { capacity: { used: { vcpus: 14, memoryMib: 0, diskGib: 0 } } }), { vcpus: 3 }, '1 host has less than 3 vCPUs free (most: 2).', 3, 2],
    ['vcpus', host('a'), { vcpus: 5 }, '1 host has less than 5 vCPUs free (most: 4).', 5, 4],
    ['memory', host('a', { capacity: { used: { vcpus: 0, memoryMib: 8000, diskGib: 0 } } }), {}, '1 host has less than 512 MiB of memory free (most: 192).', 512, 192],
    ['disk', host('a', { capacity: { used: { vcpus: 0, memoryMib: 0, diskGib: 120 } } }), {}, '1 host has less than 5 GiB of disk free (most: 0).', 5, -20],
  ];

  it.each(refused)('%s', (name, one, change, reason, needed, free) => {
    const explanation = explanationOf(place(fleetOf([one]), request(change)));
    expect(explanation.filters).toEqual([{ name, refused: 1, reason, hosts: [{ name: 'a', needed, free }] }]);
    expect(explanation.nearest).toMatchObject({ name: 'a', blockers: [{ filter: name, needed, free }] });
  });

  it('counts each host at the first filter that refuses it, nearest first', () => {
    const used = (memoryMib: number): Partial<Host['capacity']> => ({ used: { vcpus: 0, memoryMib, diskGib: 0 } });
    const explanation = explanationOf(place(fleetOf([
      host('off', { enabled: false }), host('dead', { heardAt: 0 }), host('full', { capacity: used(8192) }), host('nearly', { capacity: used(7700) }), host('half', { capacity: used(4096) }),
    ]), request({ memoryMib: 4097 })));
    expect(explanation.hostsConsidered).toBe(5);
    expect(explanation.filters.map(({ name, refused: count }) => [name, count])).toEqual([['enabled', 1], ['alive', 1], ['memory', 3]]);
    expect(explanation.filters[2]).toEqual({
      name: 'memory', refused: 3, reason: '3 hosts have less than 4097 MiB of memory free (most: 4096).',
      hosts: [{ name: 'half', needed: 4097, free: 4096 }, { name: 'nearly', needed: 4097, free: 492 }, { name: 'full', needed: 4097, free: 0 }],
    });
    expect(explanation.nearest?.name).toBe('half');
  });

  it('says so when there is no host at all', () => {
    expect(explanationOf(place(new Fleet(), request()))).toEqual({ hostsConsidered: 0, filters: [{ name: 'enrolled', refused: 0, reason: 'No host has joined this cloud yet.', hosts: [] }], nearest: null });
  });

  it('names at most 20 hosts per filter', () => {
    const explanation = explanationOf(place(fleetOf(Array.from({ length: 50 }, (_, at) => host(`h${at}`, { enabled: false }))), request()));
    expect(explanation.filters[0]).toMatchObject({ refused: 50 });
    expect(explanation.filters[0]!.hosts).toHaveLength(20);
  });
});

describe('zones', () => {
  const fleet = fleetOf([host('a', { zone: 'nova' }), host('s', { zone: 'fleet', onlyWhenAsked: true })]);
  it('without a zone: the ordinary ones', () => { expect(names(fleet, place(fleet, request()))).toEqual(['a']); });
  it('by zone', () => { expect(names(fleet, place(fleet, request({ availabilityZone: 'fleet' })))).toEqual(['s']); });
  it('by host', () => { expect(names(fleet, place(fleet, request({ requestedHost: 's' })))).toEqual(['s']); });
});

it('0 GiB of disk fits where the disk is overcommitted', () => {
  const fleet = fleetOf([host('a', { capacity: { used: { vcpus: 0, memoryMib: 0, diskGib: 120 } } })]);
  expect(names(fleet, place(fleet, request({ diskGib: 0 })))).toEqual(['a']);
});

describe('a burst of 80 small servers on 100 equal hosts', () => {
  const burst = (policy: PlacementPolicy): number => {
    const fleet = fleetOf(Array.from({ length: 100 }, (_, at) => host(`h${at}`)));
    const used = new Set<number>();
    for (let at = 0; at < 80; at += 1) {
      const placement = place(fleet, request({ seed: at * 7919 }), policy);
      if (!('candidates' in placement)) throw new Error('no room');
      fleet.assume(placement.candidates[0]!, request());
      used.add(placement.candidates[0]!.host);
    }
    return used.size;
  };
  it('spreads: every server gets a host of its own', () => { expect(burst(spread)).toBe(80); });
  it('packs: hosts are filled one after the other', () => { expect(burst(pack)).toBe(5); });
});

describe('a burst of 80 pinned servers on 20 hosts of two cells', () => {
  // Each of a quarter of a cell: one host takes eight.
  const ask = requestOf({ cpuPolicy: 'dedicated', pinned: [0, 1, 2, 3] });
  const burst = (policy: PlacementPolicy): { hosts: number; broken: number } => {
    const fleet = numaFleet(...Array.from({ length: 20 }, (_, at) => numaHost(`h${at}`, [cell(0, 8, 2), cell(1, 8, 2)])));
    for (let at = 0; at < 80; at += 1) fleet.assume(yes(fleet, { ...ask, seed: at * 7919 }, policy), ask);
    const free = Array.from({ length: fleet.size }, (_, host) => fleet.hostCells[host]!.cells.map((one) => one.cores.flatMap((core) => fleet.hostCells[host]!.freeOf(core)).length)).flat();
    return { hosts: fleet.freeDedicated.slice(0, fleet.size).filter((left) => left < 32).length, broken: free.filter((left) => left > 0 && left < 16).length };
  };
  it('spreads over all hosts, and fills one cell of each', () => { expect(burst(spread)).toEqual({ hosts: 20, broken: 0 }); });
  it('packs into as few as can be, and breaks no cell', () => { expect(burst(pack)).toEqual({ hosts: 10, broken: 0 }); });
});

describe('the choice', () => {
  it('prefers the emptier host, or the fuller one, as configured', () => {
    const fleet = fleetOf([host('full', { capacity: { used: { vcpus: 8, memoryMib: 6000, diskGib: 50 } } }), host('empty'), host('half', { capacity: { used: { vcpus: 2, memoryMib: 3000, diskGib: 20 } } })]);
    expect(names(fleet, place(fleet, request(), spread))).toEqual(['empty', 'half', 'full']);
    expect(names(fleet, place(fleet, request(), pack))).toEqual(['full', 'half', 'empty']);
  });

  it('compares what would be left, not what is free now', () => {
    const big = { limit: { vcpus: 160, memoryMib: 81_920, diskGib: 1000 }, used: { vcpus: 16, memoryMib: 8192, diskGib: 100 }, largest: { vcpus: 40, memoryMib: 81_920 } };
    const fleet = fleetOf([host('small'), host('big', { capacity: big })]);
    expect(names(fleet, place(fleet, request({ vcpus: 4, memoryMib: 4096, diskGib: 50 }), spread))[0]).toBe('big');
  });

  it('counts only what has weight', () => {
    const fleet = fleetOf([host('ram', { capacity: { used: { vcpus: 0, memoryMib: 4000, diskGib: 0 } } }), host('cpu', { capacity: { used: { vcpus: 8, memoryMib: 0, diskGib: 0 } } })]);
    expect(names(fleet, place(fleet, request(), { strategy: 'spread', weights: { ram: 0, cpu: 1, disk: 0 } }))[0]).toBe('ram');
    expect(names(fleet, place(fleet, request(), { strategy: 'spread', weights: { ram: 1, cpu: 0, disk: 0 } }))[0]).toBe('cpu');
    expect(names(fleet, place(fleet, request(), { strategy: 'spread', weights: { ram: 0, cpu: 0, disk: 0 } }))).toHaveLength(2);
  });

  it('between equals the seed decides, evenly', () => {
    const fleet = fleetOf(Array.from({ length: 10 }, (_, at) => host(`h${at}`)));
    const chosen = new Map<string, number>();
    for (let seed = 0; seed < 5_000; seed += 1) {
      const [first] = names(fleet, place(fleet, request({ seed })));
      chosen.set(first!, (chosen.get(first!) ?? 0) + 1);
    }
    expect(chosen.size).toBe(10);
    for (const count of chosen.values()) expect(count).toBeGreaterThan(350);
    expect(place(fleet, request({ seed: 42 }))).toEqual(place(fleet, request({ seed: 42 })));
  });
});

// --- properties: an independent, slow reading of the rules, host by host ---

const amounts = (min: number, max: number): fc.Arbitrary<Amounts> => {
  const any = fc.integer({ min, max });
  return fc.record({ vcpus: any, memoryMib: any, diskGib: any });
};

const anyHost = (name: string): fc.Arbitrary<Host> => fc.record({
  zone: fc.constantFrom('az1', 'az2', 'fleet'), enabled: fc.boolean(), silent: fc.constantFrom(0, 9_999, 10_000, 10_001, Infinity), hypervisorUp: fc.boolean(),
  limit: amounts(4, 14),
  used: amounts(0, 7),
  largest: amounts(2, 9),
}).map(({ zone, enabled, silent, hypervisorUp, limit, used, largest }) => host(name, {
  zone, onlyWhenAsked: zone === 'fleet', enabled, heardAt: NOW - silent, hypervisorUp, capacity: { limit, used, largest },
}));

// Mostly healthy, so that resources get to decide.
const anyFleet = fc.integer({ min: 0, max: 9 }).chain((size) => fc.tuple(...Array.from({ length: size }, (_, at) => fc.oneof(
  { weight: 1, arbitrary: anyHost(`h${at}`) },
  { weight: 4, arbitrary: anyHost(`h${at}`).map((one) => ({ ...one, enabled: true, heardAt: NOW, hypervisorUp: true })) },
)))) as fc.Arbitrary<Host[]>;

const anyRequest: fc.Arbitrary<PlacementRequest> = fc.record({
  vcpus: fc.integer({ min: 1, max: 6 }), memoryMib: fc.integer({ min: 1, max: 6 }), diskGib: fc.integer({ min: 0, max: 6 }),
  availabilityZone: fc.constantFrom(null, null, null, 'az1', 'az2', 'fleet', 'none'), requestedHost: fc.constantFrom(null, null, null, null, null, 'h0', 'h1', 'hx'), seed: fc.integer(),
}).map((one) => request(one));

/** Everything that forbids this host, in one plain reading of the rules. */
function forbids(one: Host, ask: PlacementRequest): string[] {
  const wrong: string[] = [];
  const { limit, used, largest } = one.capacity;
  if (ask.requestedHost !== null && one.name !== ask.requestedHost) wrong.push('requested-host');
  if (ask.availabilityZone !== null ? one.zone !== ask.availabilityZone : one.onlyWhenAsked && one.name !== ask.requestedHost) wrong.push('availability-zone');
  if (!one.enabled) wrong.push('enabled');
  if (!one.hypervisorUp || ask.now - one.heardAt > ask.aliveTimeoutMs) wrong.push('alive');
  if (used.vcpus + ask.vcpus > limit.vcpus || ask.vcpus > largest.vcpus) wrong.push('vcpus');
  if (used.memoryMib + ask.memoryMib > limit.memoryMib || ask.memoryMib > largest.memoryMib) wrong.push('memory');
  if (ask.diskGib > 0 && used.diskGib + ask.diskGib > limit.diskGib) wrong.push('disk');
  return wrong;
}

/** The host with exactly one thing put right. */
function without(one: Host, filter: string, ask: PlacementRequest): Host {
  const { limit, used, largest } = one.capacity;
  const roomier = (key: 'vcpus' | 'memoryMib' | 'diskGib'): Host => ({ ...one, capacity: {
    ...one.capacity, limit: { ...limit, [key]: Math.max(limit[key], used[key] + ask[key]) }, largest: key === 'diskGib' ? largest : { ...largest, [key]: Math.max(largest[key], ask[key]) },
  } });
  switch (filter) {
    case 'requested-host': return { ...one, name: ask.requestedHost! };
    case 'availability-zone': return { ...one, zone: ask.availabilityZone ?? 'az1', onlyWhenAsked: false };
    case 'enabled': return { ...one, enabled: true };
    case 'alive': return { ...one, heardAt: ask.now, hypervisorUp: true };
    case 'vcpus': return roomier('vcpus');
    case 'memory': return roomier('memoryMib');
    case 'disk': return roomier('diskGib');
    default: throw new Error(`unknown filter ${filter}`);
  }
}

const RUNS = { numRuns: 3_000 };

describe('properties', () => {
  it('a yes passes the independent checker; a no means that an exhaustive search finds none', () => {
    let yes = 0;
    fc.assert(fc.property(anyFleet, anyRequest, fc.constantFrom(spread, pack), (hosts, ask, policy) => {
      const fleet = fleetOf(hosts);
      const placement = place(fleet, ask, policy);
      const fitting = hosts.filter((one) => forbids(one, ask).length === 0).map((one) => one.name);
      if ('candidates' in placement) {
        yes += 1;
        const chosen = names(fleet, placement);
        expect(new Set(chosen).size).toBe(chosen.length);
        expect(chosen).toHaveLength(Math.min(5, fitting.length));
        for (const one of chosen) expect(fitting).toContain(one);
      } else {
        expect(fitting).toEqual([]);
      }
    }), RUNS);
    expect(yes).toBeGreaterThan(RUNS.numRuns / 10);
  });

  it('the explanation counts every host once and names exactly what forbids the nearest', () => {
    fc.assert(fc.property(anyFleet, anyRequest, (hosts, ask) => {
      const placement = place(fleetOf(hosts), ask);
      if ('candidates' in placement || hosts.length === 0) return;
      const { explanation } = placement;
      expect(explanation.filters.reduce((sum, filter) => sum + filter.refused, 0)).toBe(hosts.length);
      for (const filter of explanation.filters) {
        const first = hosts.filter((one) => forbids(one, ask)[0] === filter.name).map((one) => one.name);
        expect(filter.refused).toBe(first.length);
        expect(new Set(filter.hosts.map((row) => row.name))).toEqual(new Set(first));
      }
      const nearest = hosts.find((one) => one.name === explanation.nearest!.name)!;
      expect(explanation.nearest!.blockers.map((blocker) => blocker.filter)).toEqual(forbids(nearest, ask));
    }), RUNS);
  });

  it('removing exactly the reported blockers of the nearest host makes it fit, and removing fewer does not', () => {
    fc.assert(fc.property(anyFleet, anyRequest, (hosts, ask) => {
      const placement = place(fleetOf(hosts), ask);
      if ('candidates' in placement || hosts.length === 0) return;
      const { name, blockers } = placement.explanation.nearest!;
      const repaired = (leaveOut: number): Host[] => hosts.map((one) => (one.name !== name ? one
        : blockers.reduce((better, blocker, at) => (at === leaveOut ? better : without(better, blocker.filter, ask)), one)));
      expect(place(fleetOf(repaired(-1)), ask)).toHaveProperty('candidates');
      // Renaming a host to the one asked for also brings it into its zone: those two go together.
      if (blockers.some((blocker) => blocker.filter === 'requested-host')) return;
      blockers.forEach((_, at) => expect(place(fleetOf(repaired(at)), ask)).toHaveProperty('explanation'));
    }), RUNS);
  });
});

it('of the best so many those that are preferred come alone, and none of them hinders nothing', () => {
  const fleet = fleetOf(Array.from({ length: 40 }, (_, at) => host(`h${at}`, { capacity: { used: { vcpus: 0, memoryMib: at * 200, diskGib: 0 } } })));
  const prefer = (among: number, ...preferred: number[]): string[] => names(fleet, place(fleet, request(), { ...spread, candidates: 2, prefer: { among, hosts: (id) => preferred.includes(Number(id.slice(4))) } }));
  expect(prefer(32, 30, 7, 9)).toEqual(['h7', 'h9']);
  expect(prefer(32, 30)).toEqual(['h30']);
  expect(prefer(32, 35)).toEqual(['h0', 'h1']);
});
