/**
 * What a host offers: the machine, cut to the share and the CPU sets that its operator stated. Pure.
 * Owns: that no CPU, page or MiB is offered twice, nor one that is not there. A limit that shrinks is only reported: what was
 * claimed before stays claimed.
 */
import type { HostInventory } from '#libs/contracts';
import type { CpuSets } from './cpu-sets.js';

export interface CellPages { readonly cell: number; readonly kib: number; readonly count: number }

export interface Share {
  readonly vcpus?: number | undefined;
  readonly memoryMib?: number | undefined;
  readonly diskGib?: number | undefined;
  /** Of huge pages. Not stated: all, or none where a share of the memory is. */
  readonly hugePages?: readonly CellPages[] | undefined;
}

type Cells = HostInventory['cells'];
type Cell = Cells[number];
interface Machine { readonly vcpus: number; readonly memoryMib: number; readonly diskGib: number; readonly cells: Cells }
export type Taken = Pick<HostInventory, 'vcpus' | 'memoryMib' | 'diskGib' | 'cells' | 'sharedCpus' | 'dedicatedCpus'>;

const NO_SETS: CpuSets = { shared: null, dedicated: [] };

/**
 * At most what is there. With CPU sets, their CPUs; with a share of CPUs, that many, from the last cell first; memory in
 * proportion. Pages that are reserved for others are taken off both the pages and the memory.
 */
export function takeShare(machine: Machine, share: Share, sets: CpuSets = NO_SETS, reserved: readonly CellPages[] = []): Taken {
  const isStated = sets.shared !== null;
  const stated = new Set([...(sets.shared ?? []), ...sets.dedicated]);
  let cpusLeft = isStated ? Infinity : Math.min(machine.vcpus, share.vcpus ?? machine.vcpus);
  const withCpus = machine.cells.map((cell) => {
    const cpus = (isStated ? cell.cpus.filter((cpu) => stated.has(cpu)) : cell.cpus).slice(0, cpusLeft);
    cpusLeft -= cpus.length;
    const kept = new Set(cpus);
    return { ...cell, cpus, cores: cell.cores.map((core) => core.filter((cpu) => kept.has(cpu))).filter((core) => core.length > 0) };
  });
  const there = new Set(withCpus.flatMap(({ cpus }) => cpus));
  const memory = Math.min(machine.memoryMib, share.memoryMib ?? machine.memoryMib);
  const inCells = machine.cells.reduce((sum, cell) => sum + cell.memoryMib, 0);
  const cells = withCpus.map((cell) => takePages({ ...cell, memoryMib: inCells > memory ? Math.floor((cell.memoryMib * memory) / inCells) : cell.memoryMib }, share, reserved));
  const keptMib = cells.reduce((sum, { keptMib: kept }) => sum + kept, 0);
  return {
    vcpus: isStated ? there.size : Math.min(machine.vcpus, share.vcpus ?? machine.vcpus),
    memoryMib: Math.max(0, memory - keptMib), diskGib: Math.min(machine.diskGib, share.diskGib ?? machine.diskGib),
    cells: cells.map(({ cell }) => cell),
    sharedCpus: sets.shared && sets.shared.filter((cpu) => there.has(cpu)), dedicatedCpus: sets.dedicated.filter((cpu) => there.has(cpu)),
  };
}

/** The cell with the huge pages that are guests', and the memory in those that are not. */
function takePages(cell: Cell, share: Share, reserved: readonly CellPages[]): { cell: Cell; keptMib: number } {
  const countOf = (pages: readonly CellPages[], kib: number): number => pages.find((each) => each.cell === cell.id && each.kib === kib)?.count ?? 0;
  let keptKib = 0;
  let freeKib = cell.memoryMib * 1024;
  const pages = cell.pages.map(({ kib, total }) => {
    const ours = share.hugePages ? Math.min(total, countOf(share.hugePages, kib)) : share.memoryMib === undefined ? total : 0;
    const fits = Math.min(ours, Math.floor(freeKib / kib));
    const kept = Math.min(fits, countOf(reserved, kib));
    freeKib -= fits * kib;
    keptKib += kept * kib;
    return { kib, total: fits - kept };
  });
  const keptMib = Math.ceil(keptKib / 1024);
  return { cell: { ...cell, memoryMib: Math.max(0, cell.memoryMib - keptMib), pages }, keptMib };
}
