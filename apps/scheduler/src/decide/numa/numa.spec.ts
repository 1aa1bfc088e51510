import { describe, expect, it } from '@jest/globals';
import type { Needs } from '#libs/contracts';
import { cell, fleetOf, no, numaHost, request, takers, yes } from '../../testing/numa-hosts.js';

const all = (vcpus: number): number[] => Array.from({ length: vcpus }, (_, cpu) => cpu);
const dedicated = (change: Partial<Needs> = {}, vcpus = 4): Partial<Needs> => ({ cpuPolicy: 'dedicated', pinned: all(vcpus), ...change });
/** Guest cells of these CPUs and MiB. */
const cells = (...list: [number[], number][]): Needs['cells'] => list.map(([cpus, memoryMib]) => ({ cpus, memoryMib }));

describe("Nova, admin/cpu-topologies: 'Customizing instance NUMA placement policies'", () => {
  // 3 dedicated CPUs in each of two cells.
  const small = fleetOf(numaHost('a', [cell(0, 4, 1), cell(1, 4, 1)], { shared: 1 }));
  const nodes: [string, Partial<Needs>, number[][] | null][] = [
    ['without a topology all CPUs come from one node', dedicated(), null],
    ['hw:numa_nodes=1 restricts the CPUs to one node', dedicated({ cells: cells([[0, 1, 2, 3], 4096]) }), null],
    ['hw:numa_nodes=2 spreads them over two', dedicated({ cells: cells([[0, 1], 2048], [[2, 3], 2048]) }), [[0, 1], [2, 3]]],
    ['three nodes do not fit on two', dedicated({ cells: cells([[0, 1], 2048], [[2], 1024], [[3], 1024]) }), null],
  ];
  it.each(nodes)('%s', (_what, needs, expected) => {
    if (expected === null) expect(no(small, request(needs)).filters).toHaveLength(1);
    else expect(yes(small, request(needs)).layout!.cells.map(({ pins }) => pins.map(({ guest }) => guest))).toEqual(expected);
  });

  it('the 1:2 example: 2 CPUs and 2048 MiB on one node, 4 CPUs and 4096 MiB on the other, whichever it is', () => {
    const asymmetric = dedicated({ cells: cells([[0, 1], 2048], [[2, 3, 4, 5], 4096]) }, 6);
    const ask = request(asymmetric, { vcpus: 6, memoryMib: 6144 });
    const { layout, amounts } = yes(fleetOf(numaHost('a', [cell(0, 4, 1), cell(1, 2, 1)])), ask);
    expect(layout!.cells.map(({ hostCell, memoryMib, pins }) => [hostCell, memoryMib, pins.length])).toEqual([[1, 2048, 2], [0, 4096, 4]]);
    expect(amounts).toEqual({ vcpus: 0, memoryMib: 6144, diskGib: 1, cpus: [0, 1, 2, 3, 100, 101], resources: {}, cells: [{ id: 1, memoryMib: 2048, pages: null }, { id: 0, memoryMib: 4096, pages: null }] });
  });

  it('shared CPUs with a topology float over the shared CPUs of their cells', () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 2, 1), cell(1, 4, 1)], { shared: 2 }));
    const { layout, amounts } = yes(fleet, request({ cells: cells([[0, 1], 2048], [[2, 3], 2048]) }));
    expect(layout).toMatchObject({ numa: true, cells: [{ pins: [], floating: [0, 1] }, { pins: [], floating: [2, 3] }] });
    expect(amounts).toMatchObject({ vcpus: 4, memoryMib: 4096, cpus: [] });
  });

  it('no more CPUs of one guest float over a cell than it has shared ones', () => {
    expect(no(fleetOf(numaHost('a', [cell(0, 8, 1)], { shared: 3 })), request({ cells: cells([[0, 1, 2, 3], 4096]) })).filters[0]!.reason)
      .toBe('1 host has no cells that take one cell with 4 shared CPUs and 4096 MiB (nearest: cell 0: 3 of 4 shared CPUs).');
  });
});

describe("Nova, admin/cpu-topologies: 'Customizing instance CPU thread pinning policies'", () => {
  const smt = numaHost('smt', [cell(0, 4, 2)]);
  const plain = numaHost('plain', [cell(0, 8, 1)]);
  const policies: [Needs['threadPolicy'], string[]][] = [['require', ['smt']], ['isolate', ['plain', 'smt']], ['prefer', ['plain', 'smt']]];
  it.each(policies)('%s is met by hosts %j', (threadPolicy, hosts) => {
    expect(takers(fleetOf(smt, plain), request(dedicated({ threadPolicy }))).sort()).toEqual(hosts);
  });

  const chosen: [string, Needs['threadPolicy'], number, number[], number[], number[]][] = [
    ['prefer takes siblings', 'prefer', 4, [], [0, 1, 2, 3], []],
    ['prefer takes what is left over for an odd one', 'prefer', 3, [0], [2, 3, 1], []],
    ['prefer does without siblings where there are none', 'prefer', 3, [0, 2, 4], [6, 7, 1], []],
    ['require takes siblings only', 'require', 4, [0], [2, 3, 4, 5], []],
    ['isolate takes one CPU of a core and keeps its sibling empty', 'isolate', 3, [0], [2, 4, 6], [3, 5, 7]],
  ];
  it.each(chosen)('%s', (_what, threadPolicy, vcpus, taken, pins, idle) => {
    const fleet = fleetOf(numaHost('smt', [cell(0, 4, 2)], { claimed: { cpus: taken } }));
    const { layout, amounts } = yes(fleet, request(dedicated({ threadPolicy }, vcpus), { vcpus }));
    expect(layout!.cells[0]!.pins).toEqual(pins.map((host, guest) => ({ guest, host })));
    expect(layout!.idleCpus).toEqual(idle);
    expect(amounts.cpus).toEqual([...pins, ...idle].sort((a, b) => a - b));
  });

  const refused: [string, Needs['threadPolicy'], number[], string][] = [
    ['require needs free siblings', 'require', [0, 2, 4], '1 host has less than 4 CPUs whose siblings are free too, as thread policy require wants (most: 2).'],
    ['isolate needs whole cores', 'isolate', [0], '1 host has less than 4 whole cores, as thread policy isolate wants (most: 3).'],
  ];
  it.each(refused)('%s', (_what, threadPolicy, taken, reason) => {
    const fleet = fleetOf(numaHost('smt', [cell(0, 4, 2)], { claimed: { cpus: taken } }));
    expect(no(fleet, request(dedicated({ threadPolicy }))).filters).toMatchObject([{ name: 'thread-policy', reason }]);
  });

  it('isolate leaves a core alone over whose other CPU shared guests float', () => {
    const host = numaHost('smt', [cell(0, 4, 2)], { make: { dedicatedCpus: [0, 2, 4, 6] } });
    expect(no(fleetOf(host), request(dedicated({ threadPolicy: 'isolate' }))).filters[0]!.name).toBe('thread-policy');
  });
});

describe("Nova, admin/cpu-topologies: 'Customizing instance CPU pinning policies'", () => {
  it('the mixed example: of 4 CPUs the first 2 are pinned, the others float in the same cell', () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 4, 1), cell(1, 4, 1)], { shared: 2 }));
    const { layout, amounts } = yes(fleet, request({ cpuPolicy: 'mixed', pinned: [0, 1] }));
    expect(layout).toMatchObject({ numa: false, cells: [{ hostCell: 0, pins: [{ guest: 0, host: 2 }, { guest: 1, host: 3 }], floating: [2, 3] }] });
    expect(amounts).toMatchObject({ vcpus: 2, cpus: [2, 3], memoryMib: 4096 });
  });

  it('no guest gets the CPU of another', () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 4, 2)]));
    const ask = request(dedicated());
    for (const expected of [[0, 1, 2, 3], [4, 5, 6, 7]]) {
      const candidate = yes(fleet, ask);
      expect(candidate.amounts.cpus).toEqual(expected);
      fleet.assume(candidate, ask);
    }
    expect(no(fleet, ask).filters[0]!.reason).toBe('1 host has less than 4 dedicated CPUs free (most: 0).');
  });

  it('a host without dedicated CPUs takes no pinned guest, and it is said how to change that', () => {
    const { filters, nearest } = no(fleetOf(numaHost('a', [cell(0, 4, 2)], { make: { dedicatedCpus: [] } })), request(dedicated()));
    expect(filters[0]).toMatchObject({ name: 'dedicated-cpus', reason: 'No host has dedicated CPUs for pinned guests; an operator sets some aside with SKYLITE_CPU_DEDICATED.' });
    expect(nearest!.blockers[0]!.free).toContain('SKYLITE_CPU_DEDICATED');
  });

  it('a shared guest floats, and has no layout', () => {
    expect(yes(fleetOf(numaHost('a', [cell(0, 4, 2)])), request({ cpuPolicy: 'shared', pageSize: 'small' }))).toMatchObject({ layout: null, amounts: { vcpus: 4, memoryMib: 4096, cpus: [], cells: [] } });
  });
});

describe("Nova, admin/cpu-topologies: 'Customizing instance emulator thread pinning policies'", () => {
  const policies: [Needs['emulatorThreads'], number | null, number[]][] = [[null, null, [0, 1, 2, 3]], ['share', null, [0, 1, 2, 3]], ['isolate', 4, [0, 1, 2, 3, 4]]];
  it.each(policies)('%s: emulator CPU %s', (emulatorThreads, emulatorCpu, cpus) => {
    const { layout, amounts } = yes(fleetOf(numaHost('a', [cell(0, 4, 2)])), request(dedicated({ emulatorThreads })));
    expect(layout).toMatchObject({ emulatorCpu, emulatorThreads });
    expect(amounts.cpus).toEqual(cpus);
  });

  it("isolate takes it from the host cell of the guest's first cell, whichever has one left", () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 2, 1), cell(1, 3, 1)]));
    const { layout } = yes(fleet, request(dedicated({ emulatorThreads: 'isolate', cells: cells([[0, 1], 2048], [[2, 3], 2048]) })));
    expect(layout).toMatchObject({ emulatorCpu: 102, cells: [{ hostCell: 1 }, { hostCell: 0 }] });
    expect(no(fleetOf(numaHost('a', [cell(0, 2, 1), cell(1, 2, 1)])), request(dedicated({ emulatorThreads: 'isolate', cells: cells([[0, 1], 2048], [[2, 3], 2048]) }))).filters[0]!.name).toBe('dedicated-cpus');
  });

  it('with thread policy isolate it gets a core of its own', () => {
    expect(yes(fleetOf(numaHost('a', [cell(0, 5, 2)])), request(dedicated({ emulatorThreads: 'isolate', threadPolicy: 'isolate' }))).layout).toMatchObject({ emulatorCpu: 8, idleCpus: [1, 3, 5, 7, 9] });
  });
});

describe("Nova, admin/huge-pages: 'Customizing instance huge pages allocations'", () => {
  const pages = (two: number, one: number): ReturnType<typeof cell> => cell(0, 8, 1, { pages: [{ kib: 2048, total: two }, { kib: 1_048_576, total: one }] });
  const sizes: [string, Needs['pageSize'], number, number | null, number][] = [
    ['large takes the largest there are', 'large', 4096, 1_048_576, 4],
    ['large takes smaller ones where the largest do not divide the memory', 'large', 4098, 2048, 2049],
    ['2MB takes those alone', 2048, 4096, 2048, 2048],
    ['1GB takes those alone', 1_048_576, 4096, 1_048_576, 4],
    ['any prefers huge ones', 'any', 4096, 1_048_576, 4],
    ['any takes ordinary ones where no huge ones divide the memory', 'any', 4097, null, 0],
  ];
  it.each(sizes)('%s', (_what, pageSize, memoryMib, pageKib, count) => {
    const { layout, amounts } = yes(fleetOf(numaHost('a', [pages(8_192, 8)], { shared: 8 })), request({ pageSize }, { memoryMib }));
    expect(layout).toMatchObject({ numa: false, cells: [{ pageKib, memoryMib, floating: [0, 1, 2, 3] }] });
    expect(amounts).toMatchObject({ memoryMib: pageKib === null ? memoryMib : 0, cells: [{ pages: pageKib === null ? null : { kib: pageKib, count } }] });
  });

  const refused: [string, Needs['pageSize'], string][] = [
    ['huge pages that are gone', 2048, '1 host has less than 4096 MiB in pages of 2048 KiB free (most: 4094 MiB).'],
    ['sizes that no host has', 65_536, '1 host has less than 4096 MiB in pages of 65536 KiB free (most: 0 MiB).'],
    ['large without any huge pages', 'large', '1 host has less than 4096 MiB in huge pages free (most: 4094 MiB).'],
  ];
  it.each(refused)('%s', (_what, pageSize, reason) => {
    const host = numaHost('a', [pages(2_049, 0)], { shared: 8, claimed: { cells: [{ id: 0, memoryMib: 0, pages: [{ kib: 2048, used: 2 }] }] } });
    expect(no(fleetOf(host), request({ pageSize })).filters).toMatchObject([{ name: 'huge-pages', reason }]);
  });

  it('pages of two cells do not add up for one guest cell', () => {
    const half = (id: number): ReturnType<typeof cell> => cell(id, 4, 1, { pages: [{ kib: 2048, total: 1_536 }] });
    const fleet = fleetOf(numaHost('a', [half(0), half(1)], { shared: 4 }));
    expect(no(fleet, request({ pageSize: 2048 })).filters[0]!.name).toBe('numa');
    expect(yes(fleet, request({ pageSize: 2048, cells: cells([[0, 1], 2048], [[2, 3], 2048]) })).amounts.cells).toHaveLength(2);
  });

  it('huge pages need no ordinary memory, ordinary pages of a bound guest both the cell\'s and the host\'s', () => {
    const full = { capacity: { ...numaHost('a', []).capacity, limit: { vcpus: 64, memoryMib: 100, diskGib: 1_000 } } };
    expect(yes(fleetOf(numaHost('a', [pages(4_096, 0)], { shared: 8, row: full })), request({ pageSize: 'large' })).amounts.memoryMib).toBe(0);
    expect(no(fleetOf(numaHost('a', [pages(0, 0)], { row: full })), request(dedicated())).filters[0]!.name).toBe('memory');
    expect(no(fleetOf(numaHost('a', [cell(0, 8, 1, { memoryMib: 4095 })])), request(dedicated())).filters[0]!.reason)
      .toBe('1 host has no cells that take one cell with 4 dedicated CPUs and 4096 MiB (nearest: cell 0: not 4096 MiB free).');
  });
});

describe("Nova, admin/cpu-topologies: 'Customizing instance CPU topologies'", () => {
  const none = { sockets: null, cores: null, threads: null, maxSockets: null, maxCores: null, maxThreads: null };
  const topologies: [string, Partial<NonNullable<Needs['topology']>>, number, object][] = [
    ['hw:cpu_sockets=2', { sockets: 2 }, 4, { sockets: 2, cores: 2, threads: 1 }],
    ['hw:cpu_cores=1, hw:cpu_threads=1', { cores: 1, threads: 1 }, 4, { sockets: 4, cores: 1, threads: 1 }],
    ['hw:cpu_max_sockets=2, hw:cpu_max_cores=8, hw:cpu_max_threads=1', { maxSockets: 2, maxCores: 8, maxThreads: 1 }, 12, { sockets: 2, cores: 6, threads: 1 }],
  ];
  it.each(topologies)('%s', (_what, wish, vcpus, guestTopology) => {
    expect(yes(fleetOf(numaHost('a', [cell(0, 4, 1)])), request({ topology: { ...none, ...wish } }, { vcpus })).layout).toMatchObject({ cells: [], guestTopology });
    expect(yes(fleetOf(numaHost('a', [cell(0, 16, 1)])), request(dedicated({ topology: { ...none, ...wish } }, vcpus), { vcpus })).layout).toMatchObject({ guestTopology });
  });
});

describe('the choice within a host', () => {
  it('a guest that floats may have more CPUs than anybody counts one by one', () => {
    expect(no(fleetOf(numaHost('a', [cell(0, 4, 1)], { shared: 1 })), { ...request({ imageProperties: { hw_disk_bus: 'virtio' } }), vcpus: 2 ** 30 }).filters[0]!.name).toBe('vcpus');
  });

  it('fills the cell that is fullest and still fits, so that the other stays whole', () => {
    const fleet = fleetOf(numaHost('a', [cell(0, 8, 1), cell(1, 8, 1), cell(2, 8, 1)], { claimed: { cpus: [100, 101, 102, 103, 200, 201, 202, 203, 204] } }));
    expect(yes(fleet, request(dedicated())).layout!.cells[0]!.hostCell).toBe(1);
  });

  it('puts the cells of a guest on cells that are near each other', () => {
    const far = [[10, 32, 12, 32], [32, 10, 32, 12], [12, 32, 10, 32], [32, 12, 32, 10]];
    const fleet = fleetOf(numaHost('a', far.map((distances, id) => cell(id, 4, 1, { distances })), { claimed: { cpus: [300] } }));
    const { layout } = yes(fleet, request(dedicated({ cells: cells([[0, 1], 2048], [[2, 3], 2048]) })));
    expect(layout!.cells.map(({ hostCell }) => hostCell).sort()).toEqual([1, 3]);
  });

  it('with pages of any size puts huge pages where ordinary memory would not do for all', () => {
    // 3 GiB of ordinary memory on the host: one of the two cells has to use its huge pages.
    const host = numaHost('a', [cell(0, 4, 1), cell(1, 4, 1, { pages: [{ kib: 1_048_576, total: 2 }] })], { shared: 4, row: { capacity: { ...numaHost('a', []).capacity, limit: { vcpus: 64, memoryMib: 3_072, diskGib: 10 } } } });
    const { layout, amounts } = yes(fleetOf(host), request({ pageSize: 'any', cells: cells([[0, 1], 2048], [[2, 3], 2048]) }));
    expect(layout!.cells.map(({ hostCell, pageKib }) => [hostCell, pageKib]).sort()).toEqual([[0, null], [1, 1_048_576]]);
    expect(amounts.memoryMib).toBe(2_048);
    expect(no(fleetOf(host), request({ pageSize: 'any', cells: cells([[0, 1], 3_072], [[2, 3], 3_072]) }, { memoryMib: 6_144 })).filters[0]!.reason)
      .toContain('3072 MiB of ordinary memory for what huge pages do not take');
  });
});

it('explains what each cell lacks', () => {
  const fleet = fleetOf(
    numaHost('a', [cell(0, 4, 1, { pages: [{ kib: 2048, total: 2_048 }] }), cell(1, 4, 1)], { claimed: { cpus: [0] } }),
    numaHost('b', [cell(0, 16, 1, { pages: [{ kib: 2048, total: 9_000 }] })]),
  );
  const { filters, nearest } = no(fleet, request(dedicated({ pageSize: 2048, cells: cells([[0, 1, 2, 3], 4096], [[4, 5], 1024]) }, 6), { vcpus: 6, memoryMib: 5120 }));
  expect(filters.map(({ name, refused }) => [name, refused])).toEqual([['huge-pages', 1], ['numa', 1]]);
  expect(filters[1]!.hosts).toEqual([{
    name: 'b', needed: '2 cells: 4 dedicated CPUs and 4096 MiB in pages of 2048 KiB; 2 dedicated CPUs and 1024 MiB in pages of 2048 KiB', free: '1 cell',
  }]);
  expect(nearest!.name).toBe('b');
});
