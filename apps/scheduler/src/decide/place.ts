/**
 * Where a new server goes: filters, then weighers, then the best few. Owns the choice, never its effects: a choice is
 * only worth something once claimed in PostgreSQL. No clock, no random: the same fleet and request give the same answer.
 */
import { explain } from './explain.js';
import { FILTERS } from './filters/all.js';
import type { Fleet } from './fleet.js';
import { layoutOn } from './numa/layout.js';
import { shapeOf } from './numa/shape.js';
import { DEFAULT_POLICY, type Candidate, type Placement, type PlacementPolicy, type PlacementRequest } from './request.js';
import type { Ask } from './sieve.js';
import { WEIGHERS, weightsOf } from './weighers/all.js';

/** As many candidates as are worth naming: one is tried, the rest show how close the choice was. */
const CANDIDATES = 5;
/** Scores closer than this are equals, between which the seed decides: several schedulers then seldom choose alike. */
const STEPS = 1024;

/** O(hosts). The candidates are positions in the fleet, valid until the fleet loses a host. */
export function place(fleet: Fleet, request: PlacementRequest, policy: PlacementPolicy = DEFAULT_POLICY): Placement {
  const ask: Ask = { ...request, shape: shapeOf(request), strategy: policy.strategy };
  const hosts = fleet.scratchHosts;
  for (let host = 0; host < fleet.size; host += 1) hosts[host] = host;
  const passed: number[] = [];
  let count = fleet.size;
  for (const filter of FILTERS) {
    if (count > 0) count = filter.sieve(fleet, ask, hosts, count);
    passed.push(count);
  }
  if (count === 0) return { explanation: explain(fleet, ask, hosts, passed) };
  return { candidates: best(fleet, ask, policy, hosts, count).map((host) => given(fleet, ask, host)), refused: refusedBy(fleet.size, passed) };
}

function refusedBy(size: number, passed: readonly number[]): { name: string; refused: number }[] {
  return FILTERS.flatMap(({ name }, at) => {
    const refused = (at === 0 ? size : passed[at - 1]!) - passed[at]!;
    return refused === 0 ? [] : [{ name, refused }];
  });
}

/** Filters are exact: who passed them has a layout. */
function given(fleet: Fleet, ask: Ask, host: number): Candidate {
  const candidate = layoutOn(fleet, ask, host);
  if (candidate === null) throw new Error(`the filters pass host ${fleet.ids[host]} and no layout is found on it`);
  return candidate;
}

function best(fleet: Fleet, ask: Ask, policy: PlacementPolicy, hosts: Int32Array, count: number): number[] {
  const { candidates = CANDIDATES, prefer } = policy;
  const chosen = highest(fleet, ask, policy, hosts, count, prefer ? Math.max(prefer.among, candidates) : candidates);
  const own = prefer ? chosen.filter((host) => prefer.hosts(fleet.ids[host]!)) : [];
  return (own.length > 0 ? own : chosen).slice(0, candidates);
}

function highest(fleet: Fleet, ask: Ask, policy: PlacementPolicy, hosts: Int32Array, count: number, most: number): number[] {
  const scores = weigh(fleet, ask, policy, hosts, count);
  const chosen: number[] = [];
  const ranks: number[] = [];
  const ties: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const rank = Math.round(scores[at]! * STEPS);
    const last = chosen.length - 1;
    if (last === most - 1 && rank < ranks[last]!) continue;
    const host = hosts[at]!;
    const tie = mix(ask.seed, host);
    let slot = chosen.length;
    while (slot > 0 && (rank > ranks[slot - 1]! || (rank === ranks[slot - 1]! && tie > ties[slot - 1]!))) slot -= 1;
    if (slot === most) continue;
    chosen.splice(slot, 0, host);
    ranks.splice(slot, 0, rank);
    ties.splice(slot, 0, tie);
    if (chosen.length > most) for (const list of [chosen, ranks, ties]) list.length = most;
  }
  return chosen;
}

/** @returns the scores of hosts[0..count), higher is better. */
function weigh(fleet: Fleet, ask: Ask, policy: PlacementPolicy, hosts: Int32Array, count: number): Float64Array {
  const scores = fleet.scratchScores.fill(0, 0, count);
  const weights = weightsOf(policy);
  const load = Math.abs(weights.ram) + Math.abs(weights.cpu) + Math.abs(weights.disk);
  const share = (policy.strategy === 'spread' ? 1 : -1) / load;
  for (const weigher of WEIGHERS) {
    const weight = weights[weigher.name];
    if (weight !== 0) weigher.add(fleet, ask, hosts, count, weigher.kind === 'load' ? weight * share : weight, scores);
  }
  return scores;
}

/** A well-mixed 32-bit number of two: every host gets its own lot for every seed. */
function mix(seed: number, host: number): number {
  let lot = (seed ^ Math.imul(host + 1, 0x9e3779b1)) | 0;
  lot = Math.imul(lot ^ (lot >>> 16), 0x85ebca6b);
  lot = Math.imul(lot ^ (lot >>> 13), 0xc2b2ae35);
  return (lot ^ (lot >>> 16)) >>> 0;
}
