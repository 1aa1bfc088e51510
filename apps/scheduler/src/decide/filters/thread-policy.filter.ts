/**
 * Keeps hosts with enough of what the thread policy wants in all cells together: whole cores for isolate, siblings for
 * require. A quick look before cells are fitted. Pure.
 */
import type { Fleet } from '../fleet.js';
import { SIBLINGS, STRIDE, WHOLE_CORES } from '../numa/cell-table.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

function sum(fleet: Fleet, host: number, column: number): number {
  const { data } = fleet.cellTable;
  const end = fleet.cellStarts[host]! + fleet.cellCounts[host]! * STRIDE;
  let all = 0;
  for (let row = fleet.cellStarts[host]!; row < end; row += STRIDE) all += data[row + column]!;
  return all;
}

/** null: any CPU will do. */
function wantOf({ shape }: Ask): { column: number; needed: number; words: string } | null {
  if (shape.dedicated === 0 || shape.threadPolicy === 'prefer') return null;
  return shape.threadPolicy === 'isolate'
    ? { column: WHOLE_CORES, needed: shape.dedicated, words: 'whole cores, as thread policy isolate wants' }
    : { column: SIBLINGS, needed: shape.pins, words: 'CPUs whose siblings are free too, as thread policy require wants' };
}

export const threadPolicyFilter: Filter = {
  name: 'thread-policy',
  sieve(fleet, ask, hosts, count) {
    const want = wantOf(ask);
    return want === null ? count : sift(hosts, count, (host) => sum(fleet, host, want.column) >= want.needed);
  },
  measure(fleet, ask, host) {
    const want = wantOf(ask);
    if (want === null) return null;
    const free = sum(fleet, host, want.column);
    return free >= want.needed ? null : { filter: 'thread-policy', needed: `${want.needed} ${want.words}`, free, distance: (want.needed - free) / want.needed };
  },
  sentence: (refused, nearest) => `${hostsHave(refused)} less than ${nearest.needed} (most: ${nearest.free}).`,
};
