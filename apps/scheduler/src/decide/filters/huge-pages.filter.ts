/**
 * Keeps hosts with enough free huge pages of a size asked for in all cells together: a quick look before cells are
 * fitted. A size counts that divides the memory of a guest cell. Pure.
 */
import type { Fleet } from '../fleet.js';
import { FREE_1G, FREE_2M, OTHER_PAGES, STRIDE } from '../numa/cell-table.js';
import { KIB_1G, KIB_2M } from '../numa/host-cells.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

const wants = ({ shape }: Ask): boolean => shape.pages === 'large' || typeof shape.pages === 'number';

function divides({ shape }: Ask, kib: number): boolean {
  return (shape.pages === 'large' || shape.pages === kib) && shape.cells.some(({ memoryMib }) => (memoryMib * 1024) % kib === 0);
}

/** MiB. */
function free(fleet: Fleet, ask: Ask, host: number, with1G: boolean, with2M: boolean): number {
  const { data } = fleet.cellTable;
  let all = 0;
  for (let cell = 0, row = fleet.cellStarts[host]!; cell < fleet.cellCounts[host]!; cell += 1, row += STRIDE) {
    if (with1G) all += Math.max(0, data[row + FREE_1G]!);
    if (with2M) all += Math.max(0, data[row + FREE_2M]!);
    if (data[row + OTHER_PAGES] === 0) continue;
    for (const { kib, total, used } of fleet.hostCells[host]!.cells[cell]!.pages) {
      if (kib !== KIB_1G && kib !== KIB_2M && divides(ask, kib)) all += Math.max(0, ((total - used) * kib) / 1024);
    }
  }
  return Math.floor(all);
}

const neededBy = ({ shape }: Ask): number => shape.cells.reduce((sum, { memoryMib }) => sum + memoryMib, 0);
const sizeWords = ({ shape }: Ask): string => (shape.pages === 'large' ? 'huge pages' : `pages of ${shape.pages} KiB`);

export const hugePagesFilter: Filter = {
  name: 'huge-pages',
  sieve(fleet, ask, hosts, count) {
    if (!wants(ask)) return count;
    const needed = neededBy(ask);
    const [with1G, with2M] = [divides(ask, KIB_1G), divides(ask, KIB_2M)];
    return sift(hosts, count, (host) => free(fleet, ask, host, with1G, with2M) >= needed);
  },
  distance: (fleet, ask, host) => (neededBy(ask) - free(fleet, ask, host, divides(ask, KIB_1G), divides(ask, KIB_2M))) / neededBy(ask),
  measure(fleet, ask, host) {
    if (!wants(ask)) return null;
    const needed = neededBy(ask);
    const there = free(fleet, ask, host, divides(ask, KIB_1G), divides(ask, KIB_2M));
    return there >= needed ? null : { filter: 'huge-pages', needed: `${needed} MiB in ${sizeWords(ask)}`, free: `${there} MiB`, distance: (needed - there) / needed };
  },
  sentence: (refused, nearest) => `${hostsHave(refused)} less than ${nearest.needed} free (most: ${nearest.free}).`,
};
