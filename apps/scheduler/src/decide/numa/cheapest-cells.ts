/**
 * Which host cell each cell of a guest gets: no more ordinary memory than the host has, then near each other, then those
 * that are fullest and still fit, so that large holes stay whole. Exact: null means that there is no way. Pure.
 */
import type { Fleet } from '../fleet.js';
import { wantsDevices } from '../devices/demands.js';
import type { Ask } from '../sieve.js';
import { cheapest } from './assignment.js';
import { cpusFit, NONE, ORDINARY, ordinaryRoom, pageFor } from './cell-fit.js';
import { DEDICATED_CPUS, FREE_CPUS, FREE_MEMORY, MEMORY, SHARED_CPUS, STRIDE } from './cell-table.js';

/** One MiB of ordinary memory outweighs all preferences together: cells × (distance + leftover) stays far below. */
const ORDINARY_COST = 1e7;
/** Nearness outweighs tightness. */
const DISTANCE_COST = 100;

/** The host cell (by position) of each guest cell: no more ordinary memory than the host has, then near, then tight. null: they do not fit. */
export const cheapestCells = (fleet: Fleet, ask: Ask, host: number): number[] | null => cheapestAmong(fleet, ask, host, null)?.cells ?? null;

/** @param among host cells (by position) that come into question; null: all */
export function cheapestAmong(fleet: Fleet, ask: Ask, host: number, among: readonly number[] | null): { cells: number[]; cost: number } | null {
  const { shape } = ask;
  const rows = shape.cells.length;
  const columns = fleet.cellCounts[host]!;
  if (rows > columns) return null;
  const costs = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let cell = 0; cell < columns; cell += 1) costs[row * columns + cell] = among === null || among.includes(cell) ? costOf(fleet, ask, host, row, cell) : Infinity;
  }
  const { cells } = fleet.hostCells[host]!;
  // Cells that are near to one of them are near to each other: each is tried as the middle.
  const middles = rows > 1 && rows < columns && cells.every(({ distances }) => distances.length === columns) ? cells : [null];
  let best: number[] | null = null;
  let least = Infinity;
  for (const middle of middles) {
    const from = middle === null ? costs : costs.map((cost, at) => cost + middle.distances[at % columns]! * DISTANCE_COST);
    const chosen = cheapest(rows, columns, from);
    if (chosen === null) return null;
    const cost = chosen.reduce((sum, cell, row) => sum + from[row * columns + cell]!, 0);
    if (cost >= least) continue;
    least = cost;
    best = chosen;
  }
  const ordinary = best!.reduce((sum, cell, row) => sum + (pageFor(fleet, shape, host, cell, shape.cells[row]!.memoryMib) === ORDINARY ? shape.cells[row]!.memoryMib : 0), 0);
  // Of ordinary pages alone the host's room is another's question.
  return ordinary === 0 || shape.pages === 'small' || ordinary <= ordinaryRoom(fleet, host, wantsDevices(ask)) ? { cells: best!, cost: least } : null;
}

/** A whole number: Infinity where it does not fit, else what would be left over of the cell, in hundredths, CPUs before memory. */
function costOf(fleet: Fleet, { shape }: Ask, host: number, row: number, cell: number): number {
  const table = fleet.cellTable.data;
  const at = fleet.cellStarts[host]! + cell * STRIDE;
  const guest = shape.cells[row]!;
  const emulator = row === 0 ? shape.emulator : 0;
  if (!cpusFit(table, at, guest, emulator, shape.threadPolicy)) return Infinity;
  const kib = pageFor(fleet, shape, host, cell, guest.memoryMib);
  if (kib === NONE) return Infinity;
  const dedicated = guest.pinned.length + emulator;
  const cpus = dedicated > 0 ? (table[at + FREE_CPUS]! - dedicated) / table[at + DEDICATED_CPUS]! : table[at + SHARED_CPUS]! > 0 ? 0.5 : 1;
  const memory = table[at + MEMORY]! > 0 ? (table[at + FREE_MEMORY]! - guest.memoryMib) / table[at + MEMORY]! : 0;
  return (kib === ORDINARY && shape.pages === 'any' ? guest.memoryMib * ORDINARY_COST : 0) + Math.round(90 * cpus + 9 * Math.max(0, memory));
}
