/** What a simulated host pretends to be. Pure. */
import type { DesiredInstance, HostInventory } from '#libs/contracts';
import { fleetShape, type FakeFleetShape, type FakeShape } from '#libs/pci';
import type { CellPages } from '../decide/inventory.js';
import type { HostCpus } from '../decide/layout.js';
import { el, renderXml } from '../domain-xml/node.js';
import { cputune, guestCells, guestTopology, memoryBacking, numatune, vcpu } from '../domain-xml/placement.js';

export interface SimulatedShape {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
  /** CPUs, cores and memory are shared out to them evenly. */
  readonly cells: number;
  readonly threadsPerCore?: number;
  readonly hugePages?: readonly CellPages[];
  /** Its PCI bus. Absent: none, and no devices are given. */
  readonly devices?: FakeShape;
}

export const DEFAULT_SHAPE: SimulatedShape = { vcpus: 64, memoryMib: 262_144, diskGib: 4_000, cells: 2 };

/** The bus of one of many simulated hosts, with MACs and serials of its own; undefined: nothing stands on it. */
export function simulatedDevices(of: FakeFleetShape, hostId: string): FakeShape | undefined {
  return (of.pfs ?? 0) + (of.gpus ?? 0) + (of.nvmes ?? 0) === 0 ? undefined : fleetShape({ ...of, host: Number.parseInt(hostId.replaceAll('-', '').slice(-6), 16) });
}

/** A modest x86 of today. */
export const SIMULATED_FLAGS = ['aes', 'avx', 'avx2', 'bmi1', 'bmi2', 'cx16', 'f16c', 'fma', 'mmx', 'pclmuldq', 'pni', 'popcnt', 'sse', 'sse2', 'sse4.1', 'sse4.2', 'ssse3'];

/** Threads of one core have numbers side by side. A cell is a socket of its own. */
export function simulatedCells({ vcpus, memoryMib, cells, threadsPerCore = 1, hugePages = [] }: SimulatedShape): HostInventory['cells'] {
  const each = Math.floor(vcpus / cells);
  return Array.from({ length: cells }, (_, id) => {
    const cpus = Array.from({ length: each }, (__, cpu) => id * each + cpu);
    return {
      id, cpus, memoryMib: Math.floor(memoryMib / cells), socket: id,
      cores: Array.from({ length: Math.ceil(each / threadsPerCore) }, (__, core) => cpus.slice(core * threadsPerCore, (core + 1) * threadsPerCore)),
      pages: hugePages.filter(({ cell }) => cell === id).map(({ kib, count }) => ({ kib, total: count })).sort((a, b) => a.kib - b.kib),
      distances: Array.from({ length: cells }, (__, other) => (other === id ? 10 : 20)),
    };
  });
}

/** Where a guest would run if it ran. */
export function simulatedXml(id: string, placed: Pick<DesiredInstance, 'vcpus' | 'memoryMib' | 'layout'> | null, host: HostCpus): string {
  const spec = placed && { desired: placed, host };
  return `<!-- simulated: nothing runs -->\n${renderXml(el('domain', { type: 'simulated' }, el('uuid', {}, id),
    ...(spec ? [el('memory', { unit: 'MiB' }, String(placed.memoryMib)), memoryBacking(spec), vcpu(spec), cputune(spec), numatune(spec), el('cpu', {}, guestTopology(spec), guestCells(spec))] : [])))}`;
}
