/**
 * Does one guest cell fit on one host cell, and of what would its memory be? Read from the flat table; pages of unusual
 * sizes alone are asked of HostCells. Pure.
 */
import type { Fleet } from '../fleet.js';
import { FREE_1G, FREE_2M, FREE_CPUS, FREE_MEMORY, OTHER_PAGES, SHARED_CPUS, SIBLINGS, STRIDE, WHOLE_CORES } from './cell-table.js';
import { KIB_1G, KIB_2M } from './host-cells.js';
import type { GuestCell, Shape } from './shape.js';

/** What pageFor answers besides KiB of a huge page. */
export const ORDINARY = 0;
export const NONE = -1;

/**
 * Ordinary memory that one more guest may take of a host, MiB: what floats, divided by the ratio, and what is pinned are together
 * never more than there is. A guest with devices has its memory pinned.
 */
export function ordinaryRoom(fleet: Fleet, host: number, pinned: boolean): number {
  const [limit, used, most, already] = [fleet.limitMemoryMib[host]!, fleet.usedMemoryMib[host]!, fleet.largestMemoryMib[host]!, fleet.usedPinnedMib[host]!];
  const room = Math.min(limit - used, most);
  if (already === 0 && !pinned) return room;
  if (most <= 0 || limit <= 0) return Math.min(room, 0);
  return Math.min(room, pinned ? Math.floor(most - already - ((used - already) * most) / limit) : Math.floor(((most - already) * limit) / most) - (used - already));
}

export function takes(fleet: Fleet, shape: Shape, host: number, cell: number, guest: GuestCell, emulator: 0 | 1): boolean {
  return cpusFit(fleet.cellTable.data, fleet.cellStarts[host]! + cell * STRIDE, guest, emulator, shape.threadPolicy)
    && pageFor(fleet, shape, host, cell, guest.memoryMib) !== NONE;
}

export function cpusFit(table: Int32Array, row: number, guest: GuestCell, emulator: 0 | 1, policy: Shape['threadPolicy']): boolean {
  if (table[row + SHARED_CPUS]! < guest.floating.length) return false;
  const dedicated = guest.pinned.length + emulator;
  if (dedicated === 0) return true;
  if (policy === 'isolate') return table[row + WHOLE_CORES]! >= dedicated;
  return table[row + FREE_CPUS]! >= dedicated && (policy === 'prefer' || table[row + SIBLINGS]! >= guest.pinned.length);
}

/** Of what the memory of a guest cell would be on this host cell: KiB of a huge page, ORDINARY or NONE. */
export function pageFor(fleet: Fleet, { pages }: Shape, host: number, cell: number, memoryMib: number): number {
  const table = fleet.cellTable.data;
  const row = fleet.cellStarts[host]! + cell * STRIDE;
  if (pages === 'small') return table[row + FREE_MEMORY]! >= memoryMib ? ORDINARY : NONE;
  const huge = table[row + OTHER_PAGES] === 1 ? largestOf(fleet, pages, host, cell, memoryMib) : usualOf(table, row, pages, memoryMib);
  if (huge !== NONE || pages !== 'any') return huge;
  return table[row + FREE_MEMORY]! >= memoryMib ? ORDINARY : NONE;
}

function usualOf(table: Int32Array, row: number, pages: Shape['pages'], memoryMib: number): number {
  const either = typeof pages === 'string';
  if ((either || pages === KIB_1G) && memoryMib % 1024 === 0 && table[row + FREE_1G]! >= memoryMib) return KIB_1G;
  return (either || pages === KIB_2M) && memoryMib % 2 === 0 && table[row + FREE_2M]! >= memoryMib ? KIB_2M : NONE;
}

function largestOf(fleet: Fleet, pages: Shape['pages'], host: number, cell: number, memoryMib: number): number {
  const found = fleet.hostCells[host]!.cells[cell]!.pages
    .find(({ kib, total, used }) => (typeof pages === 'string' || pages === kib) && (memoryMib * 1024) % kib === 0 && (total - used) * kib >= memoryMib * 1024);
  return found?.kib ?? NONE;
}
