/**
 * Keeps hosts with enough dedicated CPUs free in all cells together: a quick look before cells are fitted. Pure.
 */
import type { Fleet } from '../fleet.js';
import type { Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

export const dedicatedCpusFilter: Filter = {
  name: 'dedicated-cpus',
  sieve(fleet, { shape }, hosts, count) {
    if (shape.dedicated === 0) return count;
    const { freeDedicated } = fleet;
    return sift(hosts, count, (host) => freeDedicated[host]! >= shape.dedicated);
  },
  measure(fleet, { shape }, host) {
    const needed = shape.dedicated;
    const free = fleet.freeDedicated[host]!;
    if (free >= needed) return null;
    const none = fleet.dedicated[host] === 0;
    return { filter: 'dedicated-cpus', needed, free: none ? '0: no CPU of this host is dedicated; its operator sets some aside with SKYLITE_CPU_DEDICATED' : free, distance: (needed - free) / needed };
  },
  sentence(refused, nearest, fleet, { shape }) {
    if (!anyDedicates(fleet)) return 'No host has dedicated CPUs for pinned guests; an operator sets some aside with SKYLITE_CPU_DEDICATED.';
    return `${hostsHave(refused)} less than ${shape.dedicated} dedicated CPU${shape.dedicated === 1 ? '' : 's'} free (most: ${typeof nearest.free === 'number' ? nearest.free : 0}).`;
  },
};

function anyDedicates(fleet: Fleet): boolean {
  for (let host = 0; host < fleet.size; host += 1) if (fleet.dedicated[host]! > 0) return true;
  return false;
}
