/**
 * Keeps hosts with enough memory left under the RAM ratio; no guest gets more memory than its host has, and what is pinned for guests
 * with devices is there once. Pure.
 */
import { wantsDevices } from '../devices/demands.js';
import { ordinaryRoom } from '../numa/cell-fit.js';
import type { Filter } from '../sieve.js';
import { roomFilter } from './room.js';
import { sift } from './sift.js';

const plain = roomFilter({
  name: 'memory',
  need: ({ shape }) => shape.ordinaryMib,
  limit: (fleet) => fleet.limitMemoryMib,
  used: (fleet) => fleet.usedMemoryMib,
  largest: (fleet) => fleet.largestMemoryMib,
  words: (amount) => `${amount} MiB of memory`,
});

export const memoryFilter: Filter = {
  ...plain,
  sieve(fleet, ask, hosts, count) {
    const need = ask.shape.ordinaryMib;
    const pinned = wantsDevices(ask);
    const kept = plain.sieve(fleet, ask, hosts, count);
    if (need === 0) return kept;
    const { usedPinnedMib } = fleet;
    return sift(hosts, kept, (host) => (usedPinnedMib[host] === 0 && !pinned) || ordinaryRoom(fleet, host, pinned) >= need);
  },
  measure(fleet, ask, host) {
    const needed = ask.shape.ordinaryMib;
    const pinned = wantsDevices(ask);
    if (fleet.usedPinnedMib[host] === 0 && !pinned) return plain.measure(fleet, ask, host);
    const free = ordinaryRoom(fleet, host, pinned);
    return needed === 0 || free >= needed ? null : { filter: 'memory', needed, free, distance: (needed - free) / needed };
  },
};
