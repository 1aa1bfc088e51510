// Faults to order: what shall go wrong at which call. The nth call of a procedure, counted from when the fault is planned.
import { PROCEDURES } from '../facts.js';

export type FakeProcedure = keyof typeof PROCEDURES;

/** `when` says whether the call takes effect before it goes wrong: an answer lost on the way is `after`. */
export type FakeFault =
  | { readonly kind: 'error'; readonly code: number; readonly message?: string }
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  | { readonly kind: 'hang'; readonly when: 'before' | 'after' }
  | { readonly kind: 'delay'; readonly ms: number };

interface Planned {
  readonly fault: FakeFault;
  skip: number;
  times: number;
}

export class FaultPlan {
  readonly #planned = new Map<FakeProcedure, Planned[]>();

  /** The `nth` call of `procedure` from now on (1 = the next), and `times - 1` calls after it. */
  on(procedure: FakeProcedure, fault: FakeFault, { nth = 1, times = 1 }: { nth?: number; times?: number } = {}): void {
    const list = this.#planned.get(procedure) ?? [];
    list.push({ fault, skip: nth - 1, times });
    this.#planned.set(procedure, list);
  }

  clear(): void {
    this.#planned.clear();
  }

  /** Counts a call; the fault that meets it, if any. */
  take(procedure: FakeProcedure): FakeFault | undefined {
    const list = this.#planned.get(procedure);
    if (!list) return undefined;
    let hit: FakeFault | undefined;
    for (const planned of list) {
      if (planned.skip > 0) planned.skip--;
      else if (!hit && planned.times > 0) {
        planned.times--;
        hit = planned.fault;
      }
    }
    const left = list.filter((planned) => planned.times > 0);
    if (left.length > 0) this.#planned.set(procedure, left);
    else this.#planned.delete(procedure);
    return hit;
  }
}
