/**
 * The cells of one host: how they are made, and what of them is taken CPU by CPU and page by page. Owns nothing:
 * PostgreSQL is the truth; a crash here loses a copy. Writes its numbers into the fleet's CellTable.
 */
import type { Claimed, HostMake } from '../host-row.js';
import type { ClaimAmounts } from '../request.js';
import { DEDICATED_CPUS, FREE_1G, FREE_2M, FREE_CPUS, FREE_MEMORY, MEMORY, OTHER_PAGES, SHARED_CPUS, SIBLINGS, STRIDE, WHOLE_CORES } from './cell-table.js';

export const KIB_2M = 2048;
export const KIB_1G = 1_048_576;

export interface Core {
  /** Its dedicated CPUs, rising. */
  threads: readonly number[];
  /** A CPU of it is shared: a guest that wants a core of its own cannot have this one. */
  shared: boolean;
}

export interface Cell {
  id: number;
  socket: number;
  /** Those with a dedicated CPU. */
  cores: readonly Core[];
  dedicated: number;
  sharedCpus: number;
  /** Of ordinary pages. */
  memoryMib: number;
  usedMemoryMib: number;
  /** Largest first. */
  pages: { kib: number; total: number; used: number }[];
  /** To each cell of the host, in order; empty: not known. */
  distances: readonly number[];
}

/** What of a cell never changes, which hosts of one make share. */
type CellMake = Omit<Cell, 'usedMemoryMib' | 'pages'> & { pages: readonly { kib: number; total: number }[] };

/** By the very list of cells: hosts of one make bring the same. */
const known = new WeakMap<HostMake['cells'], { make: HostMake; cells: readonly CellMake[] }>();

function cellsOf(make: HostMake): readonly CellMake[] {
  const before = known.get(make.cells);
  if (before !== undefined && before.make.sharedCpus === make.sharedCpus && before.make.dedicatedCpus === make.dedicatedCpus) return before.cells;
  const dedicated = new Set(make.dedicatedCpus);
  const shared = make.sharedCpus === null ? null : new Set(make.sharedCpus);
  const isShared = (cpu: number): boolean => (shared === null || shared.has(cpu)) && !dedicated.has(cpu);
  const cells = make.cells.map((cell): CellMake => {
    const named = new Set(cell.cores.flat());
    const cores = [...cell.cores, ...cell.cpus.filter((cpu) => !named.has(cpu)).map((cpu) => [cpu])]
      .map((cpus): Core => ({ threads: cpus.filter((cpu) => dedicated.has(cpu)).sort((a, b) => a - b), shared: cpus.some(isShared) }))
      .filter(({ threads }) => threads.length > 0);
    const huge = cell.pages.reduce((sum, { kib, total }) => sum + (kib / 1024) * total, 0);
    return {
      id: cell.id, socket: cell.socket, cores, distances: cell.distances,
      dedicated: cores.reduce((sum, { threads }) => sum + threads.length, 0), sharedCpus: cell.cpus.filter(isShared).length,
      memoryMib: Math.max(0, Math.floor(cell.memoryMib - huge)),
      pages: cell.pages.map(({ kib, total }) => ({ kib, total })).sort((a, b) => b.kib - a.kib),
    };
  });
  known.set(make.cells, { make, cells });
  return cells;
}

export class HostCells {
  readonly cells: readonly Cell[];
  /** Dedicated CPUs that are claimed. */
  readonly taken = new Set<number>();

  constructor(make: HostMake) {
    this.cells = cellsOf(make).map((cell) => ({ ...cell, usedMemoryMib: 0, pages: cell.pages.map(({ kib, total }) => ({ kib, total, used: 0 })) }));
  }

  /** All that is claimed, in the place of what was thought. Answers whether anything differed. */
  setClaimed(claimed: Claimed): boolean {
    let changed = claimed.cpus.length !== this.taken.size || claimed.cpus.some((cpu) => !this.taken.has(cpu));
    if (changed) {
      this.taken.clear();
      for (const cpu of claimed.cpus) this.taken.add(cpu);
    }
    for (const cell of this.cells) {
      const used = claimed.cells.find(({ id }) => id === cell.id);
      changed ||= cell.usedMemoryMib !== (used?.memoryMib ?? 0);
      cell.usedMemoryMib = used?.memoryMib ?? 0;
      for (const page of cell.pages) {
        const now = used?.pages.find(({ kib }) => kib === page.kib)?.used ?? 0;
        changed ||= page.used !== now;
        page.used = now;
      }
    }
    return changed;
  }

  /** What is known now, in setClaimed's shape; resources are not the cells'. */
  claimed(): Omit<Claimed, 'resources'> {
    return {
      cpus: [...this.taken],
      cells: this.cells.map(({ id, usedMemoryMib, pages }) => ({ id, memoryMib: usedMemoryMib, pages: pages.map(({ kib, used }) => ({ kib, used })) })),
    };
  }

  take({ cpus, cells }: ClaimAmounts): void {
    for (const cpu of cpus) this.taken.add(cpu);
    for (const want of cells) {
      const cell = this.cells.find(({ id }) => id === want.id);
      if (!cell) continue;
      cell.usedMemoryMib += want.memoryMib;
      const page = cell.pages.find(({ kib }) => kib === want.pages?.kib);
      if (page && want.pages) page.used += want.pages.count;
    }
  }

  /** Its dedicated CPUs that nobody has, rising. */
  freeOf(core: Core): number[] {
    return core.threads.filter((cpu) => !this.taken.has(cpu));
  }

  /** Writes the numbers of all cells from row `start` on. @returns free dedicated CPUs of the host. */
  write(table: Int32Array, start: number): number {
    let free = 0;
    this.cells.forEach((cell, at) => {
      const row = start + at * STRIDE;
      table.fill(0, row, row + STRIDE);
      for (const core of cell.cores) {
        let left = 0;
        for (const cpu of core.threads) if (!this.taken.has(cpu)) left += 1;
        table[row + FREE_CPUS]! += left;
        if (left >= 2) table[row + SIBLINGS]! += left;
        if (left === core.threads.length && !core.shared) table[row + WHOLE_CORES]! += 1;
      }
      free += table[row + FREE_CPUS]!;
      table[row + FREE_MEMORY] = cell.memoryMib - cell.usedMemoryMib;
      table[row + SHARED_CPUS] = cell.sharedCpus;
      table[row + DEDICATED_CPUS] = cell.dedicated;
      table[row + MEMORY] = cell.memoryMib;
      for (const { kib, total, used } of cell.pages) {
        if (kib === KIB_2M) table[row + FREE_2M] = (total - used) * 2;
        else if (kib === KIB_1G) table[row + FREE_1G] = (total - used) * 1024;
        else table[row + OTHER_PAGES] = 1;
      }
    });
    return free;
  }
}
