import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { InstanceRow } from '../instances/instance-row.js';
import { LIMITS } from '../limits.js';
import { TEMPO, type Tempo } from '../tempo.js';

/** The part of a lease during which it is trusted without asking the database again. */
const TRUSTED = 0.6;

/**
 * Wakes this process's instance loop, and remembers which leases a commit took along (a create leases its rows to the
 * loop of its own process, so that taking them up costs no commit). Only speed is kept here: a lost ring is found by
 * the loop's poll, a lost lease by its end.
 */
@Injectable()
export class LoopBell {
  /** This process in lease columns. */
  readonly owner = randomUUID();
  readonly #held = new Map<string, number>();
  readonly #rows = new Map<string, InstanceRow>();
  #listener: ((id: string) => void) | undefined;
  #waiting: () => number = () => 0;

  constructor(@Inject(TEMPO) private readonly tempo: Tempo) {}

  /** @param waiting how many that were rung for the loop has not begun with */
  listen(listener: (id: string) => void, waiting: () => number): void {
    this.#listener = listener;
    this.#waiting = waiting;
  }

  /** Servers that wait for the loop of this process. */
  get waiting(): number { return this.#waiting(); }

  /** Something about this instance changed. `leased`: the change's commit leased it to `owner`, just now; `row`: as that commit left it. */
  ring(id: string, options: { leased?: boolean; row?: InstanceRow } = {}): void {
    if (this.#listener === undefined) return;
    if (options.row !== undefined && this.#rows.size < LIMITS.rowsKept) this.#rows.set(id, options.row);
    else this.#rows.delete(id);
    if (options.leased === true) this.#held.set(id, performance.now() + this.tempo.leaseMs * TRUSTED);
    this.#listener(id);
  }

  /** The row as the last ring brought it, once. It may be old by now: every write compares its version. */
  takeRow(id: string): InstanceRow | undefined {
    const row = this.#rows.get(id);
    this.#rows.delete(id);
    return row;
  }

  /** Those of `ids` whose lease we hold for long enough; each is handed out once. */
  takeHeld(ids: readonly string[]): string[] {
    const now = performance.now();
    return ids.filter((id) => {
      const until = this.#held.get(id);
      this.#held.delete(id);
      return until !== undefined && until > now;
    });
  }
}
