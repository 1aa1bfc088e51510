/**
 * The shapes of filters and weighers, and what they are asked. Types only: holds nothing, does nothing.
 */
import type { Fleet } from './fleet.js';
import type { Shape } from './numa/shape.js';
import type { Blocker, PlacementPolicy, PlacementRequest, WeigherName } from './request.js';

/** What filters and weighers are asked: the request, the guest as host cells see it, and how to fill hosts. */
export interface Ask extends PlacementRequest { shape: Shape; strategy: PlacementPolicy['strategy'] }

/** One reason why hosts fall out. Each in its own file. */
export interface Filter {
  readonly name: string;
  /**
   * Moves the hosts that pass to the front of hosts[0..count) and answers how many pass. Those refused stay behind
   * them, which is how the explanation later knows who fell out where at no cost.
   */
  sieve(fleet: Fleet, ask: Ask, hosts: Int32Array, count: number): number;
  /** The host's own numbers at this filter; null: it passes. */
  measure(fleet: Fleet, ask: Ask, host: number): Blocker | null;
  /** measure's distance of a host that is refused, without its words: for filters that take long to find them. */
  distance?(fleet: Fleet, ask: Ask, host: number): number;
  /** One sentence for people, with numbers and without host names: tenants read it. */
  sentence(refused: number, nearest: Blocker, fleet: Fleet, ask: Ask): string;
}

/** One view of which of the passing hosts is best. Each in its own file. */
export interface Weigher {
  readonly name: WeigherName;
  /** load: how empty it would be (emptiness), 0..1, which the strategy may turn round; merit: better is higher, -1..1. */
  readonly kind: 'load' | 'merit';
  /** Adds multiplier × its value to the score of each host. */
  add(fleet: Fleet, ask: Ask, hosts: Int32Array, count: number, multiplier: number, scores: Float64Array): void;
}
