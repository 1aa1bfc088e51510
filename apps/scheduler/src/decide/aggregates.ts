/**
 * The aggregates of hosts, with the metadata of all those a host is in merged as Nova merges it: by key the set of values,
 * where commas part several. Hosts in the same aggregates share one set. Pure.
 */
import type { AggregateRow } from './host-row.js';

export type MergedMetadata = ReadonlyMap<string, ReadonlySet<string>>;

export class Aggregates {
  /** By index; 0 is a host in no aggregate. */
  sets: MergedMetadata[] = [new Map()];
  #ofHost = new Map<string, number>();

  set(rows: readonly AggregateRow[]): void {
    const inOf = new Map<string, number[]>();
    rows.forEach((row, at) => {
      for (const id of new Set(row.hostIds)) {
        const list = inOf.get(id);
        if (list) list.push(at);
        else inOf.set(id, [at]);
      }
    });
    this.sets = [new Map()];
    this.#ofHost = new Map();
    const index = new Map<string, number>();
    for (const [id, list] of inOf) {
      const key = list.join();
      let set = index.get(key);
      if (set === undefined) {
        set = this.sets.push(merge(list.map((at) => rows[at]!.metadata))) - 1;
        index.set(key, set);
      }
      this.#ofHost.set(id, set);
    }
  }

  setOf(hostId: string): number {
    return this.#ofHost.get(hostId) ?? 0;
  }
}

function merge(all: readonly Readonly<Record<string, string>>[]): MergedMetadata {
  const merged = new Map<string, Set<string>>();
  for (const metadata of all) {
    for (const [key, value] of Object.entries(metadata)) {
      const values = merged.get(key) ?? new Set();
      for (const one of value.split(',')) values.add(one.trim());
      merged.set(key, values);
    }
  }
  return merged;
}
