/** What a host offers: the machine, cut to the share that was declared. Pure. */
import type { HostInventory } from '#libs/contracts';

export interface Share {
  readonly vcpus?: number | undefined;
  readonly memoryMib?: number | undefined;
  readonly diskGib?: number | undefined;
}

type Cells = HostInventory['cells'];

/** At most what is there; the cells shrink with it, CPUs from the last cell first, memory in proportion. */
export function takeShare(machine: { vcpus: number; memoryMib: number; diskGib: number; cells: Cells }, share: Share): { vcpus: number; memoryMib: number; diskGib: number; cells: Cells } {
  const vcpus = Math.min(machine.vcpus, share.vcpus ?? machine.vcpus);
  const memoryMib = Math.min(machine.memoryMib, share.memoryMib ?? machine.memoryMib);
  const diskGib = Math.min(machine.diskGib, share.diskGib ?? machine.diskGib);
  const inCells = machine.cells.reduce((sum, cell) => sum + cell.memoryMib, 0);
  let cpusLeft = vcpus;
  const cells = machine.cells.map((cell) => {
    const cpus = cell.cpus.slice(0, cpusLeft);
    cpusLeft -= cpus.length;
    return { id: cell.id, cpus, memoryMib: inCells > memoryMib ? Math.floor((cell.memoryMib * memoryMib) / inCells) : cell.memoryMib };
  });
  return { vcpus, memoryMib, diskGib, cells };
}
