/** The examples of Nova's guides on traits, affinity, hints and aggregates, from the words of the guide to the hosts that are left; each with its page. */
import { describe, expect, it } from '@jest/globals';
import { readNeeds } from '#libs/openstack';
import { cell, fleetOf, numaHost, request, takers } from '../../testing/numa-hosts.js';
import type { AggregateRow } from '../host-row.js';
import type { GroupCounts, PlacementRequest } from '../request.js';

type Specs = Record<string, string>;

/** A request for a server of 4 vCPUs and 4 GiB with these extra specs and image properties. */
function asked(specs: Specs, image: Specs = {}, change: Partial<PlacementRequest> = {}): PlacementRequest {
  const read = readNeeds({ vcpus: 4, ramMib: 4096, diskGib: 1, extraSpecs: specs }, image);
  if ('problem' in read) throw new Error(read.problem);
  return request(read.needs, change);
}
const withTraits = (name: string, ...traits: string[]): ReturnType<typeof numaHost> => numaHost(name, [cell(0, 8, 1)], { make: { traits: ['CUSTOM_SKYLITE_LAYOUT', ...traits] } });
const hosts = (fleet: ReturnType<typeof fleetOf>, ask: PlacementRequest): string[] => takers(fleet, ask).sort();

describe("user/flavors: 'Required traits' and 'Forbidden traits'", () => {
  const fleet = fleetOf(withTraits('both', 'HW_CPU_X86_AVX2', 'STORAGE_DISK_SSD'), withTraits('avx2', 'HW_CPU_X86_AVX2'), withTraits('ssd', 'STORAGE_DISK_SSD'), withTraits('none'));
  it.each<[Specs, string[]]>([
    [{ 'trait:HW_CPU_X86_AVX2': 'required' }, ['avx2', 'both']],
    [{ 'trait:STORAGE_DISK_SSD': 'required' }, ['both', 'ssd']],
    [{ 'trait:HW_CPU_X86_AVX2': 'required', 'trait:STORAGE_DISK_SSD': 'required' }, ['both']],
    [{ 'trait:HW_CPU_X86_AVX2': 'forbidden' }, ['none', 'ssd']],
    [{ 'trait:STORAGE_DISK_SSD': 'forbidden' }, ['avx2', 'none']],
    [{ 'trait:HW_CPU_X86_AVX2': 'forbidden', 'trait:STORAGE_DISK_SSD': 'forbidden' }, ['none']],
  ])('%j', (specs, expected) => { expect(hosts(fleet, asked(specs))).toEqual(expected); });

  it("'Any other value will be considered invalid'", () => { expect(() => asked({ 'trait:HW_CPU_X86_AVX2': 'preferred' })).toThrow('trait:HW_CPU_X86_AVX2'); });
});

it("admin/cpu-models: 'CPU feature flags': avx and avx2 by traits leave hosts that have both", () => {
  const fleet = fleetOf(withTraits('penryn'), withTraits('ivy-bridge', 'HW_CPU_X86_AVX'), withTraits('haswell', 'HW_CPU_X86_AVX', 'HW_CPU_X86_AVX2'));
  expect(hosts(fleet, asked({ 'trait:HW_CPU_X86_AVX': 'required', 'trait:HW_CPU_X86_AVX2': 'required' }))).toEqual(['haswell']);
});

it("admin/cpu-topologies: 'Customizing instance CPU thread pinning policies': by the trait, hosts with SMT and hosts without", () => {
  const smt = numaHost('smt', [cell(0, 4, 2)], { make: { traits: ['CUSTOM_SKYLITE_LAYOUT', 'HW_CPU_HYPERTHREADING'] } });
  const fleet = fleetOf(smt, withTraits('plain'));
  expect(hosts(fleet, asked({ 'resources:PCPU': '4', 'trait:HW_CPU_HYPERTHREADING': 'required' }))).toEqual(['smt']);
  expect(hosts(fleet, asked({ 'resources:PCPU': '4', 'trait:HW_CPU_HYPERTHREADING': 'forbidden' }))).toEqual(['plain']);
});

describe("user/server-groups and admin/scheduling: 'ServerGroupAffinityFilter', 'ServerGroupAntiAffinityFilter', 'ServerGroupSoft…Weigher'", () => {
  const fleet = fleetOf(withTraits('a'), withTraits('b'), withTraits('c'));
  const group = (policy: GroupCounts['policy'], members: Record<string, number>, maxServerPerHost = 1): Partial<PlacementRequest> => ({
    group: { id: 'group-1', policy, maxServerPerHost, members: new Map(Object.entries(members).map(([name, count]) => [`id-${name}`, count])) },
  });
  it.each<[string, Partial<PlacementRequest>, string[]]>([
    ['affinity, its first member: any host', group('affinity', {}), ['a', 'b', 'c']],
    ['affinity restricts to the same host', group('affinity', { b: 2 }), ['b']],
    ['anti-affinity restricts to separate hosts', group('anti-affinity', { a: 1, b: 1 }), ['c']],
    ['anti-affinity with all hosts taken: none', group('anti-affinity', { a: 1, b: 1, c: 1 }), []],
    ['max_server_per_host is how many a host may have', group('anti-affinity', { a: 1, b: 2, c: 3 }, 3), ['a', 'b']],
  ])('%s', (_what, change, expected) => { expect(hosts(fleet, asked({}, {}, change))).toEqual(expected); });

  it.each<[string, Partial<PlacementRequest>, string]>([
    ['soft-affinity: together', group('soft-affinity', { b: 1 }), 'b'],
    ['soft-affinity: on as few hosts as possible', group('soft-affinity', { a: 1, c: 2 }), 'c'],
    ['soft-anti-affinity: apart', group('soft-anti-affinity', { a: 1, b: 1 }), 'c'],
    ['soft-anti-affinity: on as many hosts as possible', group('soft-anti-affinity', { a: 2, b: 1, c: 2 }), 'b'],
  ])('%s, and nothing is refused', (_what, change, first) => {
    const best = takers(fleet, asked({}, {}, change));
    expect([best[0], best.length]).toEqual([first, 3]);
  });
});

describe("admin/scheduling: 'DifferentHostFilter', 'SameHostFilter'", () => {
  // Of the two servers of the guide's hints one is on a, the other on b.
  const fleet = fleetOf(withTraits('a'), withTraits('b'), withTraits('c'));
  it.each<[string, Partial<PlacementRequest>, string[]]>([
    ['different_host: none of theirs', { differentHosts: ['id-a', 'id-b'] }, ['c']],
    // The guide says "the same host as all"; its filter passes a host that has any of them, and so does ours.
    ['same_host: one of theirs', { sameHosts: ['id-a', 'id-b'] }, ['a', 'b']],
  ])('%s', (_what, change, expected) => { expect(hosts(fleet, asked({}, {}, change))).toEqual(expected); });
});

it("admin/aggregates: 'Example: Specify compute hosts with SSDs': ssd.large goes to hosts with ssd=true", () => {
  const fleet = fleetOf(withTraits('node1'), withTraits('node2'), withTraits('node3'));
  const fastIo: AggregateRow = { id: '1', metadata: { ssd: 'true', availability_zone: 'nova' }, hostIds: ['id-node1', 'id-node2'] };
  fleet.setAggregates([fastIo]);
  expect(hosts(fleet, asked({ 'aggregate_instance_extra_specs:ssd': 'true' }))).toEqual(['node1', 'node2']);
  expect(hosts(fleet, asked({}))).toEqual(['node1', 'node2', 'node3']);
});

it("reference/isolate-aggregates: a trait of one's own leads to the hosts that have it; the prefilter that keeps others away, which Nova has off, is not offered", () => {
  const fleet = fleetOf(withTraits('HOST1', 'CUSTOM_LICENSED_WINDOWS'), withTraits('HOST2', 'CUSTOM_LICENSED_WINDOWS'), withTraits('HOST3'));
  expect(hosts(fleet, asked({ 'trait:CUSTOM_LICENSED_WINDOWS': 'required' }))).toEqual(['HOST1', 'HOST2']);
  expect(hosts(fleet, asked({}, { 'trait:CUSTOM_LICENSED_WINDOWS': 'required' }))).toEqual(['HOST1', 'HOST2']);
  expect(hosts(fleet, asked({}))).toEqual(['HOST1', 'HOST2', 'HOST3']);
});
