/**
 * The common shape of the filters that compare numbers: what is needed against what one host can still take, which is
 * its limit less what is used, and never more than the largest single claim it can carry. Pure.
 */
import type { Fleet } from '../fleet.js';
import type { Blocker } from '../request.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';

export interface Room {
  name: string;
  need(request: Ask): number;
  limit(fleet: Fleet): Int32Array;
  used(fleet: Fleet): Int32Array;
  /** The largest single claim; null: only the limit counts. */
  largest(fleet: Fleet): Int32Array | null;
  /** "4096 MiB of memory" */
  words(amount: number): string;
}

export function roomFilter(room: Room): Filter {
  const takes = (fleet: Fleet, host: number): number => {
    const free = room.limit(fleet)[host]! - room.used(fleet)[host]!;
    return Math.min(free, room.largest(fleet)?.[host] ?? free);
  };
  return {
    name: room.name,
    sieve(fleet, request, hosts, count) {
      const need = room.need(request);
      // Asking for nothing never fails, not even on an overcommitted host.
      if (need === 0) return count;
      const limit = room.limit(fleet);
      const used = room.used(fleet);
      const largest = room.largest(fleet) ?? limit;
      let kept = 0;
      for (let at = 0; at < count; at += 1) {
        const host = hosts[at]!;
        if (limit[host]! - used[host]! < need || largest[host]! < need) continue;
        hosts[at] = hosts[kept]!;
        hosts[kept] = host;
        kept += 1;
      }
      return kept;
    },
    measure(fleet, request, host): Blocker | null {
      const needed = room.need(request);
      const free = takes(fleet, host);
      return needed === 0 || free >= needed ? null : { filter: room.name, needed, free, distance: (needed - free) / needed };
    },
    sentence: (refused, nearest, _fleet, request) =>
      `${hostsHave(refused)} less than ${room.words(room.need(request))} free (most: ${Math.max(0, Number(nearest.free))}).`,
  };
}
