/**
 * What would fit, found out on the fleet itself and taken back: the fleet is as before when a call returns. Owns nothing but
 * what it assumes for the time of one call; a caller that lets other work in between counts host by host. Pure.
 */
import { wantsDevices } from './devices/demands.js';
import { FILTERS } from './filters/all.js';
import type { Fleet, HostMemory } from './fleet.js';
import { layoutOn } from './numa/layout.js';
import { shapeOf } from './numa/shape.js';
import { place } from './place.js';
import type { Explanation, PlacementPolicy, PlacementRequest } from './request.js';
import type { Ask } from './sieve.js';

export interface Trial {
  /** By host id, how many of those placed so far. */
  placed: Map<string, number>;
  explanation: Explanation | null;
}

/** Calls that go on placing after other work was let in see what they placed before through this. */
interface Assumed { candidate: Parameters<Fleet['assume']>[0]; hostId: string }

/** Places servers one after the other as a batch would, slice by slice; between slices the fleet holds nothing of it. */
export class DryRun {
  readonly trial: Trial = { placed: new Map(), explanation: null };
  readonly #assumed: Assumed[] = [];
  count = 0;

  constructor(private readonly fleet: Fleet, private readonly policy: PlacementPolicy) {}

  /** Goes on until `count` are placed, none fits, or `enough()`. Answers whether there is more to do. The request's group counts what was placed. */
  slice(request: PlacementRequest, count: number, enough: () => boolean): boolean {
    const memories = new Map<string, HostMemory>();
    const own: PlacementRequest = request.group ? { ...request, group: { ...request.group, members: new Map(request.group.members) } } : request;
    try {
      for (const { candidate, hostId } of this.#assumed) {
        const host = this.fleet.indexOf(hostId);
        if (host >= 0) this.#assume(memories, { ...candidate, host }, own);
      }
      while (this.count < count) {
        const placement = place(this.fleet, { ...own, seed: own.seed + this.count }, { ...this.policy, candidates: 1 });
        if ('explanation' in placement) {
          this.trial.explanation = placement.explanation;
          return false;
        }
        const candidate = placement.candidates[0]!;
        const hostId = this.fleet.ids[candidate.host]!;
        this.#assume(memories, candidate, own);
        this.#assumed.push({ candidate, hostId });
        this.trial.placed.set(hostId, (this.trial.placed.get(hostId) ?? 0) + 1);
        this.count += 1;
        if (enough() && this.count < count) return true;
      }
      return false;
    } finally {
      for (const [id, memory] of memories) this.fleet.restore(id, memory);
    }
  }

  #assume(memories: Map<string, HostMemory>, candidate: Assumed['candidate'], request: PlacementRequest): void {
    const id = this.fleet.ids[candidate.host]!;
    if (!memories.has(id)) memories.set(id, this.fleet.remember(candidate.host));
    this.fleet.assume(candidate, request);
  }
}

/** Ids of the hosts that would take one. */
export function takers(fleet: Fleet, request: PlacementRequest, policy: PlacementPolicy): string[] {
  const ask: Ask = { ...request, shape: shapeOf(request), strategy: policy.strategy };
  const hosts = fleet.scratchHosts;
  for (let host = 0; host < fleet.size; host += 1) hosts[host] = host;
  let count = fleet.size;
  for (const filter of FILTERS) if (count > 0) count = filter.sieve(fleet, ask, hosts, count);
  return Array.from(hosts.subarray(0, count), (host) => fleet.ids[host]!);
}

/** How many one host takes, one after the other, of those for which `takers` named it. */
export function roomOn(fleet: Fleet, request: PlacementRequest, hostId: string, policy: PlacementPolicy): number {
  const host = fleet.indexOf(hostId);
  if (host < 0) return 0;
  const byRule = roomInGroup(request, hostId);
  const ask: Ask = { ...request, group: null, shape: shapeOf(request), strategy: policy.strategy };
  if (ask.shape.cells.length === 0 && !wantsDevices(ask) && fleet.usedPinnedMib[host] === 0 && Object.keys(ask.needs?.resources ?? {}).length === 0) return Math.min(byRule, plainRoom(fleet, ask, host));
  const memory = fleet.remember(host);
  let count = 0;
  try {
    while (count < byRule && FILTERS.every((filter) => filter.measure(fleet, ask, host) === null)) {
      const candidate = layoutOn(fleet, ask, host);
      if (candidate === null) break;
      fleet.assume(candidate, ask);
      count += 1;
    }
  } finally {
    fleet.restore(hostId, memory);
  }
  return count;
}

/** Those of the group that are to stand on one host together, or not more than so many of them. */
function roomInGroup({ group }: PlacementRequest, hostId: string): number {
  return group?.policy === 'anti-affinity' ? Math.max(0, group.maxServerPerHost - (group.members.get(hostId) ?? 0)) : Infinity;
}

/** Of amounts alone: what is free, divided. */
function plainRoom(fleet: Fleet, { vcpus, memoryMib, diskGib }: Ask, host: number): number {
  const times = (limit: Int32Array, used: Int32Array, need: number): number => (need === 0 ? Infinity : Math.floor((limit[host]! - used[host]!) / need));
  return Math.max(0, Math.min(times(fleet.limitVcpus, fleet.usedVcpus, vcpus), times(fleet.limitMemoryMib, fleet.usedMemoryMib, memoryMib), times(fleet.limitDiskGib, fleet.usedDiskGib, diskGib)));
}

/** All together, from what each host takes: of hard affinity only one host counts. */
export function inAll({ group }: Pick<PlacementRequest, 'group'>, rooms: readonly number[]): number {
  return group?.policy === 'affinity' ? Math.max(0, ...rooms) : rooms.reduce((sum, room) => sum + room, 0);
}
