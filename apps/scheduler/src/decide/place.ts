/**
 * Where a new server goes: filters, then weighers, then the best few. Owns the choice, never its effects: a choice is
 * only worth something once claimed in PostgreSQL. No clock, no random: the same fleet and request give the same answer.
 */
import { explain } from './explain.js';
import { FILTERS } from './filters/all.js';
import type { Fleet } from './fleet.js';
import { DEFAULT_POLICY, type Placement, type PlacementPolicy, type PlacementRequest } from './request.js';
import { WEIGHERS } from './weighers/all.js';

/** As many candidates as are worth naming: one is tried, the rest show how close the choice was. */
const CANDIDATES = 5;
/** Scores closer than this are equals, between which the seed decides: several schedulers then seldom choose alike. */
const STEPS = 1024;

/** O(hosts). The candidates are positions in the fleet, valid until the fleet loses a host. */
export function place(fleet: Fleet, request: PlacementRequest, policy: PlacementPolicy = DEFAULT_POLICY): Placement {
  const hosts = fleet.scratchHosts;
  for (let host = 0; host < fleet.size; host += 1) hosts[host] = host;
  const passed: number[] = [];
  let count = fleet.size;
  for (const filter of FILTERS) {
    count = filter.sieve(fleet, request, hosts, count);
    passed.push(count);
  }
  if (count === 0) return { explanation: explain(fleet, request, hosts, passed) };
  return { candidates: best(fleet, request, policy, hosts, count) };
}

function best(fleet: Fleet, request: PlacementRequest, policy: PlacementPolicy, hosts: Int32Array, count: number): number[] {
  const scores = fleet.scratchScores.fill(0, 0, count);
  const sign = policy.strategy === 'spread' ? 1 : -1;
  let total = 0;
  for (const weigher of WEIGHERS) total += Math.abs(policy.weights[weigher.name]);
  for (const weigher of WEIGHERS) {
    const weight = policy.weights[weigher.name];
    if (weight !== 0) weigher.add(fleet, request, hosts, count, (sign * weight) / total, scores);
  }
  const chosen: number[] = [];
  const ranks: number[] = [];
  const ties: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const rank = Math.round(scores[at]! * STEPS);
    const last = chosen.length - 1;
    if (last === CANDIDATES - 1 && rank < ranks[last]!) continue;
    const host = hosts[at]!;
    const tie = mix(request.seed, host);
    let slot = chosen.length;
    while (slot > 0 && (rank > ranks[slot - 1]! || (rank === ranks[slot - 1]! && tie > ties[slot - 1]!))) slot -= 1;
    if (slot === CANDIDATES) continue;
    chosen.splice(slot, 0, host);
    ranks.splice(slot, 0, rank);
    ties.splice(slot, 0, tie);
    if (chosen.length > CANDIDATES) {
      chosen.length = CANDIDATES;
      ranks.length = CANDIDATES;
      ties.length = CANDIDATES;
    }
  }
  return chosen;
}

/** A well-mixed 32-bit number of two: every host gets its own lot for every seed. */
function mix(seed: number, host: number): number {
  let lot = (seed ^ Math.imul(host + 1, 0x9e3779b1)) | 0;
  lot = Math.imul(lot ^ (lot >>> 16), 0x85ebca6b);
  lot = Math.imul(lot ^ (lot >>> 13), 0xc2b2ae35);
  return (lot ^ (lot >>> 16)) >>> 0;
}
