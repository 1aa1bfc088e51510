/**
 * How a host is made, for placement: its inventory in the words of HostMake, and what its agent can do as traits. Knows the
 * inventories of older agents, which say less. Pure.
 */
import type { HostInventory } from '#libs/contracts';
import type { HostMake } from './host-row.js';

/** As stored: an older agent's lacks what came later. */
export type StoredInventory = Pick<HostInventory, 'cpuArch'> & Partial<Omit<HostInventory, 'cpuArch' | 'cells'>> & { cells?: (Pick<HostInventory['cells'][number], 'id' | 'cpus' | 'memoryMib'> & Partial<HostInventory['cells'][number]>)[] };

/** CUSTOM_SKYLITE_LAYOUT says that the agent knows LAYOUT. */
export const traitOf = (capability: string): string => `CUSTOM_SKYLITE_${capability.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')}`;

export function makeOf(inventory: StoredInventory, capabilities: readonly string[], version: number): HostMake {
  return {
    version, architecture: inventory.cpuArch,
    cells: (inventory.cells ?? []).map(({ id, cpus, memoryMib, socket = 0, cores = [], pages = [], distances = [] }) => ({ id, cpus, memoryMib, socket, cores, pages, distances })),
    sharedCpus: inventory.sharedCpus ?? null, dedicatedCpus: inventory.dedicatedCpus ?? [], cpuFlags: inventory.cpuFlags ?? [],
    traits: [...(inventory.traits ?? []), ...capabilities.map(traitOf)], resources: inventory.resources ?? {},
  };
}
