/**
 * Prefers hosts with a cell that the guest's cell fills best: 1 where nothing is left over, 0 where a whole cell is
 * broken. So large holes stay whole for large guests. Of guests with equal cells the first speaks for all. Pure.
 */
import { takes } from '../numa/cell-fit.js';
import { DEDICATED_CPUS, FREE_CPUS, FREE_MEMORY, MEMORY, STRIDE } from '../numa/cell-table.js';
import type { Weigher } from '../sieve.js';

export const numaWeigher: Weigher = {
  name: 'numa',
  kind: 'merit',
  add(fleet, { shape }, hosts, count, multiplier, scores) {
    const [guest] = shape.cells;
    if (guest === undefined) return;
    const { data } = fleet.cellTable;
    const dedicated = guest.pinned.length + shape.emulator;
    for (let at = 0; at < count; at += 1) {
      const host = hosts[at]!;
      let least = 1;
      for (let cell = 0, row = fleet.cellStarts[host]!; cell < fleet.cellCounts[host]!; cell += 1, row += STRIDE) {
        const cpus = dedicated > 0 ? (data[row + FREE_CPUS]! - dedicated) / data[row + DEDICATED_CPUS]! : 1;
        const memory = shape.ordinaryMib > 0 ? (data[row + FREE_MEMORY]! - guest.memoryMib) / data[row + MEMORY]! : 1;
        const left = Math.max(0, Math.min(cpus, memory));
        if (left < least && takes(fleet, shape, host, cell, guest, shape.emulator)) least = left;
      }
      scores[at]! += multiplier * (1 - least);
    }
  },
};
