/**
 * What new claims may use of a host: its inventory less its reserves, times its ratios. Never refuses an inventory: a
 * host that shrank gets smaller limits and is overcommitted, visibly. Pure.
 */
import type { HostInventory } from '#libs/contracts';
import type { Amounts, Capacity } from './host-row.js';

/** What counts of an inventory. An agent that tells no cells and no CPU sets has neither: all its CPUs are shared. */
export type Inventory = Pick<HostInventory, 'vcpus' | 'memoryMib' | 'diskGib' | 'reservedMemoryMib' | 'reservedDiskGib'>
  & Partial<Pick<HostInventory, 'sharedCpus' | 'dedicatedCpus' | 'resources'>> & { cells?: readonly CellInventory[] };
type CellInventory = Pick<HostInventory['cells'][number], 'id' | 'memoryMib'> & Partial<Pick<HostInventory['cells'][number], 'pages'>>;
export interface Ratios { cpu: number; ram: number; disk: number }

export interface Limits {
  /** vcpus: guest CPUs that float. memoryMib: ordinary pages. */
  limit: Amounts;
  largest: Capacity['largest'];
  /** Each is given to one guest CPU: no ratio. */
  dedicatedCpus: number[];
  /** Memory of a cell by the size of its pages, 4 KiB standing for ordinary ones. No ratio, no reserve. */
  cells: { cell: number; pageKib: number; kib: number }[];
  resources: Record<string, number>;
}

/** PostgreSQL's integer; 2 PiB of memory in MiB. */
export const MOST = 2_147_483_647;
/** Stands for the ordinary pages of a cell. */
export const ORDINARY_KIB = 4;
const whole = (amount: number): number => Math.min(MOST, Math.max(0, Math.floor(amount)));
const hugeKib = (cell: CellInventory): number => (cell.pages ?? []).reduce((sum, { kib, total }) => sum + (kib > ORDINARY_KIB ? kib * total : 0), 0);

/** A cell or a size of pages that is named twice counts once, as all of it: an odd report must not keep its host out. */
function merged(amounts: Limits['cells']): Limits['cells'] {
  const by = new Map<string, Limits['cells'][number]>();
  for (const amount of amounts) {
    const key = `${amount.cell} ${amount.pageKib}`;
    by.set(key, { ...amount, kib: amount.kib + (by.get(key)?.kib ?? 0) });
  }
  return [...by.values()];
}

export function capacityOf(inventory: Inventory, ratios: Ratios): Limits {
  const { cells = [] } = inventory;
  const dedicatedCpus = [...new Set(inventory.dedicatedCpus ?? [])].sort((a, b) => a - b);
  const floatOver = Math.max(0, inventory.sharedCpus?.length ?? inventory.vcpus - dedicatedCpus.length);
  const hugeMib = cells.reduce((sum, cell) => sum + hugeKib(cell), 0) / 1024;
  const memoryMib = Math.max(0, inventory.memoryMib - hugeMib - inventory.reservedMemoryMib);
  const diskGib = Math.max(0, inventory.diskGib - inventory.reservedDiskGib);
  return {
    limit: { vcpus: whole(floatOver * ratios.cpu), memoryMib: whole(memoryMib * ratios.ram), diskGib: whole(diskGib * ratios.disk) },
    largest: { vcpus: whole(floatOver), memoryMib: whole(memoryMib) },
    dedicatedCpus,
    cells: merged(cells.flatMap((cell) => [
      { cell: cell.id, pageKib: ORDINARY_KIB, kib: Math.max(0, Math.floor(cell.memoryMib - hugeKib(cell) / 1024)) * 1024 },
      ...(cell.pages ?? []).filter(({ kib }) => kib > ORDINARY_KIB).map(({ kib, total }) => ({ cell: cell.id, pageKib: kib, kib: kib * total })),
    ])),
    resources: { ...inventory.resources },
  };
}
