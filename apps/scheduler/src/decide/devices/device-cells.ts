/**
 * Guest cells where the devices are: of all sets of host cells that the guest fits on, the cheapest from which its devices may
 * come by their policies. Exact as long as a host has few sets of cells; beyond, the first ones are looked at. Pure.
 */
import type { Fleet } from '../fleet.js';
import { takes } from '../numa/cell-fit.js';
import { cheapestAmong } from '../numa/cheapest-cells.js';
import type { Cell } from '../numa/host-cells.js';
import type { Ask } from '../sieve.js';
import { farness, isNear, serves, suffices, type Demand, type GuestPlace } from './demands.js';
import type { Bin } from './host-devices.js';

/** Sets of cells that are looked at: all of 4 among 16. */
const MOST_SETS = 2_000;
/** A device elsewhere outweighs nearness and tightness of cells, and never ordinary memory in the place of huge pages. */
const FAR_COST = 1_000;

/** Does it matter where they are? */
export const isStrict = (demands: readonly Demand[]): boolean => demands.some(({ policy }) => policy !== 'preferred');

const binsOf = (fleet: Fleet, host: number): readonly Bin[] => fleet.hostDevices[host]?.stock(fleet.deviceSettings).bins ?? [];

/** Of guests on one cell, which is the rule: made once. */
const onOne = new WeakMap<Cell, GuestPlace>();

function placeOnOne(fleet: Fleet, host: number, cell: number): GuestPlace {
  const key = fleet.hostCells[host]!.cells[cell]!;
  let place = onOne.get(key);
  if (place === undefined) onOne.set(key, place = placeOn(fleet, host, [cell]));
  return place;
}

/** The guest on these host cells (by position). */
export function placeOn(fleet: Fleet, host: number, cells: readonly number[]): GuestPlace {
  const all = fleet.hostCells[host]!.cells;
  const socketOf = (node: number): number | undefined => all.find(({ id }) => id === node)?.socket;
  return { cells: new Set(cells.map((at) => all[at]!.id)), sockets: new Set(cells.map((at) => all[at]!.socket)), socketOf };
}

/** Host cells (by position) for each guest cell; null: there is no way. */
export function cellsNearDevices(fleet: Fleet, ask: Ask, host: number, demands: readonly Demand[]): number[] | null {
  const bins = binsOf(fleet, host);
  let best: number[] | null = null;
  let least = Infinity;
  for (const set of sets(fleet.cellCounts[host]!, ask.shape.cells.length)) {
    const place = placeOn(fleet, host, set);
    if (!suffices(demands, bins, place)) continue;
    const found = cheapestAmong(fleet, ask, host, set);
    if (found === null) continue;
    const cost = found.cost + FAR_COST * far(demands, bins, place);
    if (cost >= least) continue;
    least = cost;
    best = found.cells;
  }
  return best;
}

/** Is there any way? Answers for one cell, which is the rule, without looking for the best. */
export function fitsNearDevices(fleet: Fleet, ask: Ask, host: number, demands: readonly Demand[]): boolean {
  const [guest, more] = ask.shape.cells;
  if (guest === undefined || more !== undefined || ask.shape.pages === 'any') return cellsNearDevices(fleet, ask, host, demands) !== null;
  const bins = binsOf(fleet, host);
  for (let cell = 0; cell < fleet.cellCounts[host]!; cell += 1) {
    if (takes(fleet, ask.shape, host, cell, guest, ask.shape.emulator) && suffices(demands, bins, placeOnOne(fleet, host, cell))) return true;
  }
  return false;
}

/** Would the devices be near to any set of cells, whether or not the guest fits there? */
export function nearAnyCells(fleet: Fleet, ask: Ask, host: number, demands: readonly Demand[]): boolean {
  const bins = binsOf(fleet, host);
  for (const set of sets(fleet.cellCounts[host]!, ask.shape.cells.length)) if (suffices(demands, bins, placeOn(fleet, host, set))) return true;
  return false;
}

/** How many free units that serve the demand are where the guest could use them, at best. */
export function mostNear(fleet: Fleet, ask: Ask, host: number, demand: Demand): number {
  const bins = binsOf(fleet, host).filter((bin) => serves(demand, bin));
  let most = 0;
  for (const set of sets(fleet.cellCounts[host]!, ask.shape.cells.length)) {
    const place = placeOn(fleet, host, set);
    most = Math.max(most, bins.reduce((sum, bin) => sum + (isNear(demand, bin.numaNode, place) ? bin.free : 0), 0));
  }
  return most;
}

/** Units that would come from elsewhere. */
function far(demands: readonly Demand[], bins: readonly Bin[], place: GuestPlace): number {
  return demands.reduce((sum, demand) => {
    const near = bins.reduce((free, bin) => free + (serves(demand, bin) && farness(bin, place) === 0 ? bin.free : 0), 0);
    return sum + Math.max(0, demand.count - near);
  }, 0);
}

/** Sets of `size` of the numbers below `count`, each rising; none when there are too few. */
function* sets(count: number, size: number): Generator<number[]> {
  if (size > count) return;
  const at = Array.from({ length: size }, (_, first) => first);
  for (let made = 0; made < MOST_SETS; made += 1) {
    yield [...at];
    let last = size - 1;
    while (last >= 0 && at[last] === count - size + last) last -= 1;
    if (last < 0) return;
    at[last]! += 1;
    for (let next = last + 1; next < size; next += 1) at[next] = at[next - 1]! + 1;
  }
}
