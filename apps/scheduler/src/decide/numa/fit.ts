/**
 * Does a guest fit on a host's cells? Answered from the flat table alone wherever that is exact, which is nearly always:
 * a filter asks it of every host. What exactly it would get is layout.ts's. Pure.
 */
import type { Fleet } from '../fleet.js';
import { wantsDevices } from '../devices/demands.js';
import type { Ask } from '../sieve.js';
import { matching } from './assignment.js';
import { cpusFit, ordinaryRoom, takes } from './cell-fit.js';
import { STRIDE } from './cell-table.js';
import { cheapestCells } from './cheapest-cells.js';
import type { Shape } from './shape.js';

let may = new Uint8Array(64);

export function fits(fleet: Fleet, ask: Ask, host: number): boolean {
  const { shape } = ask;
  const count = fleet.cellCounts[host]!;
  if (count < shape.cells.length) return false;
  if (shape.pages === 'any') return fitsAny(fleet, ask, host);
  return shape.alike ? fitsAlike(fleet, shape, host, count) : placeable(fleet, ask, host) === shape.cells.length;
}

/** How many guest cells find a host cell of their own, each with whatever pages it may have. */
export function placeable(fleet: Fleet, { shape }: Ask, host: number): number {
  const count = fleet.cellCounts[host]!;
  const rows = shape.cells.length;
  if (may.length < rows * count) may = new Uint8Array(rows * count);
  for (let row = 0; row < rows; row += 1) {
    for (let cell = 0; cell < count; cell += 1) may[row * count + cell] = takes(fleet, shape, host, cell, shape.cells[row]!, row === 0 ? shape.emulator : 0) ? 1 : 0;
  }
  return matching(rows, count, may);
}

/** Equal guest cells: enough host cells will do, one of them with a CPU more where QEMU's threads want one. */
function fitsAlike(fleet: Fleet, shape: Shape, host: number, count: number): boolean {
  const [guest] = shape.cells;
  let found = 0;
  let first = false;
  for (let cell = 0; cell < count; cell += 1) {
    if (!takes(fleet, shape, host, cell, guest!, 0)) continue;
    found += 1;
    first ||= shape.emulator === 0 || cpusFit(fleet.cellTable.data, fleet.cellStarts[host]! + cell * STRIDE, guest!, 1, shape.threadPolicy);
    if (first && found >= shape.cells.length) return true;
  }
  return false;
}

/** Pages of any size: ordinary memory is the whole host's, so how many cells need it counts when that is short. */
function fitsAny(fleet: Fleet, ask: Ask, host: number): boolean {
  const all = ask.shape.cells.reduce((sum, cell) => sum + cell.memoryMib, 0);
  if (ordinaryRoom(fleet, host, wantsDevices(ask)) >= all) return placeable(fleet, ask, host) === ask.shape.cells.length;
  return cheapestCells(fleet, ask, host) !== null;
}
