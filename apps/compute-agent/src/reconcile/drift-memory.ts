import type { DriftEntry } from '#libs/contracts';
import type { Drift } from '../decide/drift.js';

/** Since when each difference has been there, as long as this agent runs. */
export class DriftMemory {
  #since = new Map<string, number>();

  constructor(private readonly wallMs: () => number) {}

  date(found: readonly Drift[]): DriftEntry[] {
    const before = this.#since;
    this.#since = new Map();
    return found.map((drift) => {
      const key = `${drift.kind} ${drift.id}`;
      const sinceMs = before.get(key) ?? this.wallMs();
      this.#since.set(key, sinceMs);
      return { ...drift, what: drift.what.slice(0, 500), sinceMs };
    });
  }
}
