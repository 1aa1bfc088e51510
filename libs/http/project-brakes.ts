/**
 * Brakes of each project at the door, in this process: requests a second (a bucket that fills steadily), and reads and writes
 * under way. Owns: counting, and the refusal with words. Never waits and never asks anybody: a project that runs away must not
 * cost more than saying so. Forgets after a restart, which lets one burst more through. Memory is bounded by the number of
 * projects it remembers; one that rested long enough to be full again needs no memory.
 */
import { SkyError } from '#libs/errors';
import { LIMITS } from './limits.js';

export interface BrakeOptions {
  /** Requests a second of one project, once its burst is used up. */
  requestsPerS: number;
  /** At once after a rest. */
  burst: number;
  /** POSTs of one project under way at a time. */
  createsInFlight: number;
  /** Other short requests of one project under way at a time: fewer than fill the services' queues for everybody. */
  readsInFlight: number;
}

/** A stream lasts as long as its client likes, and costs little meanwhile: it is counted when it begins only. */
export type RequestKind = 'read' | 'write' | 'stream';

interface Bucket { tokens: number; filledAtMs: number; underWay: Record<'read' | 'write', number> }

export class ProjectBrakes {
  readonly #buckets = new Map<string, Bucket>();

  /** @param nowMs a clock that does not jump. */
  constructor(private readonly options: BrakeOptions, private readonly nowMs: () => number = () => performance.now()) {}

  /**
   * One request of a scope (a project, or the user of an unscoped token). Gives what is to be called when it has ended.
   * @throws SkyError `too-many-requests`, with the seconds after which there is room
   */
  pass(scope: string, kind: RequestKind): () => void {
    const bucket = this.#fill(scope);
    const { requestsPerS, createsInFlight, readsInFlight } = this.options;
    if (bucket.tokens < 1) {
      throw new SkyError('too-many-requests', `This project sends too many requests: at most ${requestsPerS} a second, ${this.options.burst} at once after a rest. Try again.`, { retryAfterS: Math.max(1, Math.ceil((1 - bucket.tokens) / requestsPerS)) });
    }
    if (kind !== 'stream' && bucket.underWay[kind] >= (kind === 'write' ? createsInFlight : readsInFlight)) {
      const what = kind === 'write' ? 'creates and actions' : 'requests';
      throw new SkyError('too-many-requests', `This project has ${bucket.underWay[kind]} ${what} under way, which is the most at a time. Try again when some have been answered.`, { retryAfterS: 1 });
    }
    bucket.tokens -= 1;
    if (kind === 'stream') return () => undefined;
    bucket.underWay[kind] += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      bucket.underWay[kind] -= 1;
    };
  }

  /** How many scopes are remembered. */
  get size(): number { return this.#buckets.size; }

  #fill(scope: string): Bucket {
    const now = this.nowMs();
    const { requestsPerS, burst } = this.options;
    const bucket = this.#buckets.get(scope) ?? { tokens: burst, filledAtMs: now, underWay: { read: 0, write: 0 } };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.filledAtMs) / 1000) * requestsPerS);
    bucket.filledAtMs = now;
    // Most recently used last; the one that rested longest is forgotten first, never one with something under way.
    this.#buckets.delete(scope);
    this.#buckets.set(scope, bucket);
    if (this.#buckets.size > LIMITS.braked) this.#forget();
    return bucket;
  }

  #forget(): void {
    for (const [scope, { underWay }] of this.#buckets) {
      if (this.#buckets.size <= LIMITS.braked) return;
      if (underWay.read + underWay.write === 0) this.#buckets.delete(scope);
    }
  }
}
