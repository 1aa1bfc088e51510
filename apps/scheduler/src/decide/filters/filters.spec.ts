import { describe, expect, it } from '@jest/globals';
import { cell, fleetOf, no, NOW, numaHost, request, takers, yes } from '../../testing/numa-hosts.js';
import type { Fleet } from '../fleet.js';
import type { AggregateRow, HostMake } from '../host-row.js';
import type { GroupCounts } from '../request.js';
import { meets } from './spec-operators.js';

const host = (name: string, make: Partial<HostMake> = {}): ReturnType<typeof numaHost> => numaHost(name, [cell(0, 4, 1)], { make });
const fleet = (...aggregates: AggregateRow[]): Fleet => {
  const both = fleetOf(host('a'), host('b'));
  both.setAggregates(aggregates);
  return both;
};
const aggregate = (metadata: Record<string, string>, ...names: string[]): AggregateRow => ({ id: JSON.stringify(metadata), metadata, hostIds: names.map((name) => `id-${name}`) });

describe('what extra specs demand (Nova, admin/scheduling: ComputeCapabilitiesFilter, whose operators the aggregates share)', () => {
  const operators: [string, string, boolean][] = [
    ['>= 5', '5', true], ['>= 5', '4.9', false], ['>= 5', 'five', false], ['= 5', '6', true], ['= 5', '4', false], ['== 5', '5.0', true], ['== 5', '6', false],
    ['!= 5', '6', true], ['!= 5', '5', false], ['<= 5', '5', true], ['<= 5', '6', false],
    ['s== 2.1.0', '2.1.0', true], ['s== 2.1.0', '2.1', false], ['s!= a', 'b', true], ['s!= a', 'a', false], ['s< b', 'a', true], ['s< b', 'b', false],
    ['s<= b', 'b', true], ['s<= b', 'c', false], ['s> a', 'b', true], ['s> a', 'a', false], ['s>= 123', '2', true], ['s>= 2', '123', false],
    ['<in> gcc', 'llvm gcc', true], ['<in> gcc', 'llvm', false], ['<all-in> aes mmx', 'mmx sse aes', true], ['<all-in> aes mmx', 'mmx sse', false],
    ['<or> fpu <or> gpu', 'gpu', true], ['<or> fpu <or> gpu', 'fpu', true], ['<or> fpu <or> gpu', 'tpu', false], ['<or> fpu <or>', '<or>', false],
    ['ssd', 'ssd', true], ['ssd', 'sd', false], ['a b', 'a b', true], ['>=', '>=', false], ['', '', true],
  ];
  it.each(operators)("'%s' by '%s': %s", (demand, value, met) => { expect(meets(value, demand)).toBe(met); });
});

describe('aggregates', () => {
  it('extra specs: every one of them by the metadata of the aggregates together; a host in none meets none', () => {
    const two = fleet(aggregate({ ssd: 'true' }, 'a', 'b'), aggregate({ level: '3, 7' }, 'a'));
    expect(takers(two, request({ aggregateSpecs: { ssd: 'true', level: '>= 5' } }))).toEqual(['a']);
    expect(no(two, request({ aggregateSpecs: { ssd: 'false', level: '>= 5' } })).filters[0]).toMatchObject({
      name: 'aggregate-extra-specs', refused: 2, reason: '2 hosts are in no aggregate with what the flavor\'s extra specs ask for (nearest misses ssd: false).',
      hosts: [{ name: 'a', needed: 'ssd: false', free: 'ssd: true' }, { name: 'b', free: 'ssd: true; level: not in its aggregates' }],
    });
  });

  it("Nova, admin/scheduling: AggregateImagePropertiesIsolation: myWinAgg takes images with os_distro windows, a host in no aggregate all", () => {
    const two = fleet(aggregate({ os_distro: 'windows' }, 'a'));
    expect(takers(two, request({ imageProperties: { os_distro: 'windows' } })).sort()).toEqual(['a', 'b']);
    expect(takers(two, request({ imageProperties: { os_distro: 'debian' } }))).toEqual(['b']);
    expect(takers(two, request({ imageProperties: { hw_machine_type: 'q35' } })).sort()).toEqual(['a', 'b']);
  });

  it('Nova, admin/scheduling: AggregateMultiTenancyIsolation: hosts of tenants are for them alone, and tenants may go elsewhere', () => {
    const two = fleet(aggregate({ filter_tenant_id: 'p1,p2' }, 'a'), aggregate({ filter_tenant_id_more: 'p3', other: 'x' }, 'a'));
    for (const projectId of ['p1', 'p2', 'p3']) expect(takers(two, request(null, { projectId })).sort()).toEqual(['a', 'b']);
    expect(takers(two, request(null, { projectId: 'p4' }))).toEqual(['b']);
    expect(takers(two, request(null))).toEqual(['b']);
  });

  it('are those set last, also for hosts that come later and after others have gone', () => {
    const two = fleet(aggregate({ ssd: 'true' }, 'b', 'c'));
    two.put(host('c'));
    two.setHeard('id-c', NOW, true);
    two.remove('id-a');
    expect(takers(two, request({ aggregateSpecs: { ssd: 'true' } })).sort()).toEqual(['b', 'c']);
    two.setAggregates([]);
    expect(takers(two, request({ aggregateSpecs: { ssd: 'true' } }))).toEqual([]);
  });
});

describe('server groups and hints', () => {
  const group = (policy: GroupCounts['policy'], members: [string, number][], maxServerPerHost = 1): { group: GroupCounts } => ({
    group: { id: 'g', policy, maxServerPerHost, members: new Map(members.map(([name, count]) => [`id-${name}`, count])) },
  });
  const two = fleet();
  const cases: [string, Parameters<typeof request>[1], string[]][] = [
    ['anti-affinity', group('anti-affinity', [['a', 1]]), ['b']],
    ['anti-affinity with max_server_per_host 2', group('anti-affinity', [['a', 1], ['b', 2]], 2), ['a']],
    ['affinity', group('affinity', [['a', 1]]), ['a']],
    ['affinity of the first member', group('affinity', []), ['a', 'b']],
    ['affinity whose only member has left', group('affinity', [['a', 0]]), ['a', 'b']],
    ['affinity with a host that is gone', group('affinity', [['gone', 1]]), []],
    ['affinity where a member is that is being moved, and one that stays', { group: { ...group('affinity', [['a', 1], ['b', 2]]).group, leaving: new Set(['id-a']) } }, ['b']],
    ['same_host', { sameHosts: ['id-a', 'id-gone'] }, ['a']],
    ['same_host with servers that are nowhere', { sameHosts: [] }, []],
    ['different_host', { differentHosts: ['id-a'] }, ['b']],
  ];
  it.each(cases)('%s', (_what, change, hosts) => { expect(takers(two, request(null, change)).sort()).toEqual(hosts); });

  it('soft policies prefer, and never refuse', () => {
    expect(takers(two, request(null, group('soft-affinity', [['b', 1]])))).toEqual(['b', 'a']);
    expect(takers(two, request(null, group('soft-anti-affinity', [['b', 1]])))).toEqual(['a', 'b']);
    expect(takers(two, request(null, group('soft-anti-affinity', [['a', 3], ['b', 1]])))).toEqual(['b', 'a']);
  });

  it('says the numbers', () => {
    expect(no(two, request(null, group('anti-affinity', [['a', 2], ['b', 3]], 2))).filters[0]).toEqual({
      name: 'anti-affinity', refused: 2, reason: "2 hosts have 2 members of the server's group already, whose policy is anti-affinity.",
      hosts: [{ name: 'a', needed: 'at most 2 of its server group', free: 'has 2' }, { name: 'b', needed: 'at most 2 of its server group', free: 'has 3' }],
    });
    expect(no(two, request(null, { group: { ...group('affinity', [['a', 1], ['b', 1]]).group, leaving: new Set(['id-a', 'id-b']) } })).filters[0]).toMatchObject({
      name: 'affinity', refused: 2, reason: "2 hosts have no member of the server's group, whose policy is affinity, but such as are being moved: confirm or revert that first.",
    });
    expect(no(two, request(null, { sameHosts: [] })).filters[0]!.reason).toBe('None of the servers of the same_host hint is on a host.');
  });
});

describe('what hosts are', () => {
  const two = fleetOf(host('avx', { traits: ['CUSTOM_SKYLITE_LAYOUT', 'HW_CPU_X86_AVX2', 'CUSTOM_FAST'], resources: { CUSTOM_FPGA: 2 } }), host('arm', { architecture: 'aarch64', traits: ['HW_CPU_AARCH64_SVE'], resources: {} }));
  const cases: [string, Parameters<typeof request>[0], string[]][] = [
    ['trait:HW_CPU_X86_AVX2=required', { traits: { required: ['HW_CPU_X86_AVX2'], forbidden: [] } }, ['avx']],
    ['trait:CUSTOM_FAST=forbidden', { traits: { required: [], forbidden: ['CUSTOM_FAST'] } }, ['arm']],
    ['hw_architecture=x86_64', { architecture: 'x86_64' }, ['avx']],
    ['hw_architecture=arm64, another name', { architecture: 'arm64' }, ['arm']],
    ['resources:CUSTOM_FPGA=2', { resources: { CUSTOM_FPGA: 2 } }, ['avx']],
    ['resources:CUSTOM_FPGA=3', { resources: { CUSTOM_FPGA: 3 } }, []],
    ['pinned CPUs and an agent that knows no layouts', { cpuPolicy: 'dedicated' }, ['avx']],
  ];
  it.each(cases)('%s', (_what, needs, hosts) => { expect(takers(two, request(needs))).toEqual(hosts); });

  it('says what is missing', () => {
    expect(no(two, request({ traits: { required: ['HW_CPU_X86_AVX2'], forbidden: ['CUSTOM_FAST'] } })).filters[0]).toMatchObject({
      reason: '2 hosts have not the traits asked for (nearest: has CUSTOM_FAST).', hosts: [{ name: 'avx', needed: 'not CUSTOM_FAST', free: 'has CUSTOM_FAST' }, { name: 'arm', needed: 'HW_CPU_X86_AVX2', free: 'without HW_CPU_X86_AVX2' }],
    });
    expect(no(two, request({ resources: { CUSTOM_FPGA: 3 } })).filters[0]!.reason).toBe('2 hosts have not enough of custom resources: 3 CUSTOM_FPGA needed (most: 2 CUSTOM_FPGA).');
  });
});

describe('builds that failed', () => {
  it('quarantine ends by itself', () => {
    const two = fleet();
    two.setFailures('id-a', 3, NOW + 30_000);
    expect(takers(two, request(null))).toEqual(['b']);
    expect(takers(two, request(null, { now: NOW + 9_000 }))).toEqual(['b']);
    expect(takers(two, request(null, { requestedHost: 'a' }))).toEqual(['a']);
    two.setFailures('id-b', 4, NOW + 60_000);
    expect(no(two, request(null)).nearest!.blockers).toEqual([{ filter: 'quarantine', needed: 'builds that succeed', free: '3 failed lately; tried again in 30 s', distance: 30_000 }]);
    two.setFailures('id-b', 0, NOW);
    two.setFailures('id-a', 3, NOW);
    expect(takers(two, request(null)).sort()).toEqual(['a', 'b']);
  });

  it('hosts without failures are preferred, and hosts that have the image', () => {
    const two = fleet();
    two.setFailures('id-a', 1, -Infinity);
    expect(takers(two, request(null))).toEqual(['b', 'a']);
    for (const name of ['a', 'b']) two.setImages(`id-${name}`, [`image-${name}`]);
    expect(takers(two, request(null, { image: 'image-a' }))).toEqual(['b', 'a']);
    two.setFailures('id-a', 0, -Infinity);
    for (const name of ['a', 'b']) expect(takers(two, request(null, { image: `image-${name}` }))[0]).toBe(name);
  });
});

it('what failed is forgotten with its host, and stays with hosts that move up', () => {
  const two = fleet();
  two.setFailures('id-b', 1, NOW + 30_000);
  two.remove('id-a');
  expect([two.failing, takers(two, request(null))]).toEqual([1, []]);
  two.remove('id-b');
  two.put(host('b'));
  two.setHeard('id-b', NOW, true);
  expect([two.failing, takers(two, request(null))]).toEqual([0, ['b']]);
});

describe('weights', () => {
  it('numa: prefers the host with the cell that is filled best, once it is given weight', () => {
    const fleet = fleetOf(numaHost('whole', [cell(0, 8, 1)]), numaHost('broken', [cell(0, 8, 1), cell(1, 8, 1)], { claimed: { cpus: [0, 1, 2] } }));
    const ask = request({ cpuPolicy: 'dedicated' });
    expect(takers(fleet, ask, { strategy: 'spread', weights: { numa: 2 } })[0]).toBe('broken');
    expect(takers(fleet, ask, { strategy: 'spread', weights: { ram: 0, disk: 0 } })[0]).toBe('broken');
    expect(takers(fleet, ask, { strategy: 'pack', weights: { ram: 0, disk: 0 } })[0]).toBe('whole');
  });

  it('packing looks at the scarcest: nearly out of memory is fuller than half out of all', () => {
    const used = (vcpus: number, memoryMib: number): { row: object } => ({ row: { capacity: { ...numaHost('x', []).capacity, used: { vcpus, memoryMib, diskGib: 0 } } } });
    const fleet = fleetOf(numaHost('half', [], used(32, 65_536)), numaHost('scarce', [], used(0, 122_880)));
    expect(takers(fleet, request(null), { strategy: 'pack', weights: { disk: 0 } })).toEqual(['scarce', 'half']);
    expect(takers(fleet, request(null), { strategy: 'spread', weights: { disk: 0 } })).toEqual(['scarce', 'half']);
  });

  it('as many candidates as are wanted', () => {
    const fleet = fleetOf(...Array.from({ length: 9 }, (_, at) => host(`h${at}`)));
    expect(takers(fleet, request(null))).toHaveLength(5);
    expect(takers(fleet, request(null), { strategy: 'spread', weights: {}, candidates: 9 })).toHaveLength(9);
  });
});

it('guests of real time go where the agent knows it', () => {
  const needs = { cpuPolicy: 'dedicated' as const, pinned: [0, 1, 2, 3], emulatorThreads: 'isolate' as const, realtime: [0, 1, 2, 3] };
  const traits = ['CUSTOM_SKYLITE_LAYOUT'];
  const [older, newer] = [numaHost('older', [cell(0, 8, 1)], { make: { traits } }), numaHost('newer', [cell(0, 8, 1)], { make: { traits: [...traits, 'CUSTOM_SKYLITE_CPU_REALTIME'] } })];
  expect(takers(fleetOf(older, newer), request(needs))).toEqual(['newer']);
  expect(yes(fleetOf(newer), request(needs)).layout).toMatchObject({ realtime: [0, 1, 2, 3] });
  expect(yes(fleetOf(newer), request({ ...needs, realtime: [] })).layout).not.toHaveProperty('realtime');
  expect(no(fleetOf(older), request(needs)).filters[0]).toMatchObject({ name: 'agent', reason: '1 host has an agent that is too old for pinned CPUs of real time.' });
});
