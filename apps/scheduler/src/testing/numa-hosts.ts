/** Hosts with cells, fleets of them and requests, written as briefly as tests want to read them. For tests. */
import { Needs } from '#libs/contracts';
import { Fleet } from '../decide/fleet.js';
import type { Claimed, HostCell, HostMake, HostRow } from '../decide/host-row.js';
import { place } from '../decide/place.js';
import type { Candidate, Explanation, PlacementPolicy, PlacementRequest } from '../decide/request.js';

export const NOW = 1_000_000;

/** A cell of `cores` cores with `threads` CPUs each, numbered core by core from 100 × its id. */
export const cell = (id: number, cores: number, threads: number, change: Partial<HostCell> = {}): HostCell => {
  const grouped = Array.from({ length: cores }, (_, core) => Array.from({ length: threads }, (__, thread) => id * 100 + core * threads + thread));
  return { id, cpus: grouped.flat(), cores: grouped, memoryMib: 65_536, socket: id, pages: [], distances: [], ...change };
};

export interface Made { make?: Partial<HostMake>; claimed?: Partial<Claimed>; row?: Partial<HostRow>; shared?: number }

/** A host of these cells; `shared`: how many CPUs of each cell float, from its first on; all others are dedicated. */
export const numaHost = (name: string, cells: HostCell[], { make = {}, claimed = {}, row = {}, shared = 0 }: Made = {}): HostRow => ({
  id: `id-${name}`, name, zone: 'nova', onlyWhenAsked: false, enabled: true, disabledReason: null, bootId: 'b', generation: 1,
  make: {
    version: 1, architecture: 'x86_64', cells, dedicatedCpus: cells.flatMap(({ cpus }) => cpus.slice(shared)), sharedCpus: null, cpuFlags: [], traits: ['CUSTOM_SKYLITE_LAYOUT', 'CUSTOM_SKYLITE_DEVICES'], resources: {}, ...make,
  },
  capacity: {
    limit: { vcpus: 64, memoryMib: 131_072, diskGib: 1_000 }, used: { vcpus: 0, memoryMib: 0, diskGib: 0 }, largest: { vcpus: 64, memoryMib: 131_072 }, version: 1,
    claimed: { cpus: [], cells: [], resources: {}, ...claimed },
  },
  ...row,
});

export function fleetOf(...hosts: HostRow[]): Fleet {
  const fleet = new Fleet();
  for (const host of hosts) {
    fleet.put(host);
    fleet.setHeard(host.id, NOW, true);
  }
  return fleet;
}

export const request = (needs: Partial<Needs> | null, change: Partial<PlacementRequest> = {}): PlacementRequest => ({
  vcpus: 4, memoryMib: 4096, diskGib: 1, availabilityZone: null, requestedHost: null, now: NOW, aliveTimeoutMs: 10_000, seed: 1,
  needs: needs === null ? null : Needs.parse(needs), ...change,
});

export function yes(fleet: Fleet, ask: PlacementRequest, policy?: PlacementPolicy): Candidate {
  const placement = place(fleet, ask, policy);
  if ('explanation' in placement) throw new Error(`no host: ${placement.explanation.filters.map(({ reason }) => reason).join(' ')}`);
  return placement.candidates[0]!;
}

export function no(fleet: Fleet, ask: PlacementRequest): Explanation {
  const placement = place(fleet, ask);
  if ('candidates' in placement) throw new Error(`it fits on ${fleet.names[placement.candidates[0]!.host]}`);
  return placement.explanation;
}

/** Hosts that take it, best first. */
export function takers(fleet: Fleet, ask: PlacementRequest, policy?: PlacementPolicy): string[] {
  const placement = place(fleet, ask, policy);
  return 'candidates' in placement ? placement.candidates.map(({ host }) => fleet.names[host]!) : [];
}
