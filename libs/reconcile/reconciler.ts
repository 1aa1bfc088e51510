import { RECONCILE_LIMITS } from './limits.js';

/** Where due keys come from. Implementations lease by columns (`FOR UPDATE SKIP LOCKED`), so that replicas share. */
export interface ReconcileSource {
  /**
   * Leases up to `limit` due keys for `leaseMs`, oldest first; with `only`, those of them that are due.
   * A key that is leased by another owner is left out.
   */
  lease(limit: number, owner: string, leaseMs: number, only?: string[]): Promise<string[]>;
}

export interface ReconcilerOptions {
  name: string;
  /** Unique per process: written into leases. */
  owner: string;
  source: ReconcileSource;
  /**
   * Moves one key as far as it goes now, stores when to come again, and gives the lease back. Every step idempotent.
   * The signal aborts at stop. What it throws is logged; the lease's end brings the key back.
   */
  reconcile(key: string, signal: AbortSignal): Promise<void>;
  onError(error: unknown, key: string | undefined): void;
  concurrency?: number;
  pollMs?: number;
  leaseMs?: number;
}

export class Reconciler {
  readonly #options: Required<ReconcilerOptions>;
  readonly #woken = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  /** Woken while under way: come again right after, something changed meanwhile. */
  readonly #again = new Set<string>();
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #leasing = false;
  #moreDue = false;
  #polledAt = -Infinity;

  constructor(options: ReconcilerOptions) {
    this.#options = { concurrency: RECONCILE_LIMITS.concurrency, pollMs: RECONCILE_LIMITS.pollMs, leaseMs: RECONCILE_LIMITS.leaseMs, ...options };
  }

  get running(): number { return this.#running.size; }
  /** Woken and not begun. */
  get waiting(): number { return this.#woken.size; }

  start(): void { this.#schedule(0); }

  /** Something about this key changed: look now. May be lost (crash, other replica); the poll finds it. */
  wake(key: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#running.has(key)) this.#again.add(key);
    else this.#woken.add(key);
    this.#schedule(0);
  }

  /** Lets work under way finish, within a bound. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<void>((resolve) => { timer = setTimeout(resolve, RECONCILE_LIMITS.drainMs); });
    await Promise.race([Promise.allSettled(this.#running.values()), bound]);
    clearTimeout(timer);
  }

  #schedule(delayMs: number): void {
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#fill(), delayMs);
  }

  async #fill(): Promise<void> {
    if (this.#leasing || this.#stop.signal.aborted) return;
    this.#leasing = true;
    let next: number = this.#options.pollMs;
    try {
      const room = Math.min(this.#options.concurrency - this.#running.size, RECONCILE_LIMITS.batch);
      if (room > 0) {
        // Woken keys come first; the poll (no `only`) finds what nobody told us about, and is not put off for ever by them.
        const overdue = performance.now() - this.#polledAt >= 2 * this.#options.pollMs;
        const only = overdue ? [] : [...this.#woken].slice(0, room);
        for (const key of only) this.#woken.delete(key);
        if (only.length === 0) this.#polledAt = performance.now();
        const keys = await this.#options.source.lease(room, this.#options.owner, this.#options.leaseMs, only.length > 0 ? only : undefined);
        for (const key of keys) {
          this.#woken.delete(key);
          this.#work(key);
        }
        this.#moreDue = only.length > 0 ? this.#moreDue || this.#woken.size > 0 : keys.length === room;
        if (only.length > 0 || keys.length === room) next = 0;
      }
      if (room <= 0) next = this.#options.pollMs;
    } catch (error) {
      this.#options.onError(error, undefined);
      next = RECONCILE_LIMITS.retrySourceMs;
    } finally {
      this.#leasing = false;
    }
    this.#schedule(this.#woken.size > 0 && this.#running.size < this.#options.concurrency ? Math.min(next, 1) : next);
  }

  #work(key: string): void {
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    const work = (async () => {
      // The key must count as running before its step starts: the step may wake it again.
      await Promise.resolve();
      try {
        await this.#options.reconcile(key, this.#stop.signal);
      } catch (error) {
        this.#options.onError(error, key);
      } finally {
        this.#running.delete(key);
        if (this.#again.delete(key)) this.#woken.add(key);
        if (this.#woken.size > 0 || this.#moreDue) this.#schedule(0);
      }
    })();
    this.#running.set(key, work);
  }
}
