/**
 * What placement is asked and what it answers. Types only: holds nothing, does nothing.
 */
import type { Amounts, Fleet } from './fleet.js';

export interface PlacementRequest extends Amounts {
  /** null: any zone that is not used only when asked for. */
  availabilityZone: string | null;
  /** A host's name; null: any. */
  requestedHost: string | null;
  /** Never these, by id: where the server is or may have left something. Left out: none. */
  notHosts?: readonly string[];
  /** Now, on the clock of Fleet.heardAt, ms. */
  now: number;
  /** A host that was silent for longer is not alive, ms. */
  aliveTimeoutMs: number;
  /** Decides between equals, so that the same question has the same answer: any 32-bit integer. */
  seed: number;
}

/** How the hosts that pass are ordered. Multipliers of 0 leave a weigher out. */
export interface PlacementPolicy {
  /** spread: the emptiest first; pack: the fullest first, which keeps whole hosts free for large guests. */
  strategy: 'spread' | 'pack';
  weights: { ram: number; cpu: number; disk: number };
}

export const DEFAULT_POLICY: PlacementPolicy = { strategy: 'spread', weights: { ram: 1, cpu: 1, disk: 1 } };

/** What stands between one host and the request, at one filter. */
export interface Blocker {
  filter: string;
  needed: number | string;
  free: number | string;
  /** How far away, 0 (fits) upwards; compares hosts refused by the same filter. */
  distance: number;
}

/** One reason why hosts fall out. Each in its own file. */
export interface Filter {
  readonly name: string;
  /**
   * Moves the hosts that pass to the front of hosts[0..count) and answers how many pass. Those refused stay behind
   * them, which is how the explanation later knows who fell out where at no cost.
   */
  sieve(fleet: Fleet, request: PlacementRequest, hosts: Int32Array, count: number): number;
  /** The host's own numbers at this filter; null: it passes. */
  measure(fleet: Fleet, request: PlacementRequest, host: number): Blocker | null;
  /** One sentence for people, with numbers and without host names: tenants read it. */
  sentence(refused: number, nearest: Blocker, fleet: Fleet, request: PlacementRequest): string;
}

/** One view of which of the passing hosts is best. Each in its own file. */
export interface Weigher {
  readonly name: 'ram' | 'cpu' | 'disk';
  /** Adds multiplier × (0..1, higher is emptier) to the score of each host. */
  add(fleet: Fleet, request: PlacementRequest, hosts: Int32Array, count: number, multiplier: number, scores: Float64Array): void;
}

export interface HostExplanation { name: string; needed: number | string; free: number | string }

export interface Explanation {
  hostsConsidered: number;
  filters: { name: string; refused: number; reason: string; hosts: HostExplanation[] }[];
  /** The host that would need the least to change, and all that stands in its way; null without hosts. */
  nearest: { name: string; blockers: Blocker[] } | null;
}

/** Hosts by position in the fleet, best first; or why there is none. */
export type Placement = { candidates: number[] } | { explanation: Explanation };
