/**
 * Collects what is asked while a statement is under way and hands it over as one batch: alone nobody waits, under load
 * a burst is few commits. Owns the queue; knows nothing of what is asked. What is left unsettled by a run comes first
 * in the next one. If the process dies, askers time out and ask again: what they ask is idempotent.
 */
import { timedOut, unavailable } from '#libs/errors';
import { databaseError, isDatabaseAway, isRetryable } from '../database-error.js';

export class Entry<T, R> {
  settled = false;
  /** Rounds it went through without an answer, for reasons that are the run's to judge. */
  attempts = 0;
  /** performance.now() at which it was asked. */
  readonly askedAt = performance.now();

  constructor(readonly item: T, readonly signal: AbortSignal | undefined, private readonly settle: { resolve(result: R): void; reject(error: unknown): void }) {}

  answer(result: R): void {
    this.settled = true;
    this.settle.resolve(result);
  }

  fail(error: unknown): void {
    this.settled = true;
    this.settle.reject(error);
  }
}

export interface MicroBatchOptions<T, R> {
  name: string;
  /** Entries of one run. */
  most: number;
  /** Entries that may wait. */
  waiting: number;
  /** Tries of a run that failed for a reason that goes away. */
  attempts: number;
  /** Two entries of the same key never share a run. */
  keyOf(item: T): string;
  /** Settles entries; those it leaves come again. */
  run(entries: Entry<T, R>[]): Promise<void>;
}

export class MicroBatch<T, R> {
  readonly #options: MicroBatchOptions<T, R>;
  #queue: Entry<T, R>[] = [];
  #working: Promise<void> | undefined;

  constructor(options: MicroBatchOptions<T, R>) {
    this.#options = options;
  }

  ask(item: T, signal?: AbortSignal): Promise<R> {
    if (this.#queue.length >= this.#options.waiting) return Promise.reject(unavailable(`The scheduler has too many ${this.#options.name} waiting.`, { retryAfterS: 1 }));
    return new Promise((resolve, reject) => {
      this.#queue.push(new Entry(item, signal, { resolve, reject }));
      this.#working ??= this.#work();
    });
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.#working) await this.#working;
  }

  async #work(): Promise<void> {
    // What arrived in the same turn of the event loop shares the first run.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#take();
      if (batch.length > 0) await this.#runAll(batch);
      this.#queue.unshift(...batch.filter((entry) => !entry.settled));
    }
    this.#working = undefined;
  }

  #take(): Entry<T, R>[] {
    const batch = new Map<string, Entry<T, R>>();
    const rest: Entry<T, R>[] = [];
    for (const entry of this.#queue) {
      const key = this.#options.keyOf(entry.item);
      if (entry.signal?.aborted) entry.fail(timedOut('The asker has given up.'));
      else if (batch.size < this.#options.most && !batch.has(key)) batch.set(key, entry);
      else rest.push(entry);
    }
    this.#queue = rest;
    return [...batch.values()];
  }

  async #runAll(batch: Entry<T, R>[]): Promise<void> {
    try {
      await this.#options.run(batch);
    } catch (error) {
      const open = batch.filter((entry) => !entry.settled);
      if (isDatabaseAway(error)) for (const entry of open) entry.fail(databaseError(error));
      // One entry that PostgreSQL refuses must not fail the others: each goes alone.
      else if (open.length > 1) for (const entry of open) await this.#runAll([entry]);
      else for (const entry of open) this.#failed(entry, error);
    }
  }

  #failed(entry: Entry<T, R>, error: unknown): void {
    entry.attempts += 1;
    if (!isRetryable(error) || entry.attempts >= this.#options.attempts) entry.fail(databaseError(error));
  }
}
