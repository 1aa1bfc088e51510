/**
 * Where a guest runs on its host: CPUs, cells and pages of its layout as elements of its definition. A guest without a layout floats
 * over the host's shared CPUs. None of it is seen by the guest but its own cells and CPU topology.
 */
import { formatCpuList } from '#libs/config';
import type { DesiredInstance, Layout } from '#libs/contracts';
import { placedCpus, type HostCpus, type PlacedCpu } from '../decide/layout.js';
import { el, type XmlNode } from './node.js';

interface Spec { readonly desired: Pick<DesiredInstance, 'vcpus' | 'memoryMib' | 'layout'>; readonly host: HostCpus }

const listed = (cpus: readonly number[]): string => formatCpuList([...new Set(cpus)].sort((a, b) => a - b));
const union = (placed: readonly PlacedCpu[]): number[] => placed.flatMap(({ host }) => host);

/** The set is that of every thread that is not bound otherwise. */
export function vcpu({ desired: { vcpus, layout }, host }: Spec): XmlNode {
  const placed = placedCpus(layout, host);
  const over = placed.length > 0 ? emulatorCpus(layout!, placed, host.shared) : (host.shared ?? []);
  return el('vcpu', { placement: 'static', cpuset: over.length > 0 ? listed(over) : undefined }, String(vcpus));
}

export function cputune({ desired: { layout }, host }: Spec): XmlNode | null {
  const placed = placedCpus(layout, host);
  if (!layout || placed.length === 0) return null;
  return el('cputune', {},
    ...placed.map(({ guest, host: cpus }) => el('vcpupin', { vcpu: guest, cpuset: listed(cpus) })),
    el('emulatorpin', { cpuset: listed(emulatorCpus(layout, placed, host.shared)) }),
    hasRealtime(layout) ? el('vcpusched', { vcpus: listed(layout.realtime), scheduler: 'fifo', priority: REALTIME_PRIORITY }) : null);
}

/** Nova's default: above everything of ordinary priority is enough. */
const REALTIME_PRIORITY = 1;
const hasRealtime = (layout: Layout | null): layout is Layout & { realtime: number[] } => (layout?.realtime?.length ?? 0) > 0;

/** Of QEMU's own threads: a CPU of their own, the shared ones, or with the guest's that do not run in real time, which would never let them run. */
function emulatorCpus({ emulatorCpu, emulatorThreads, realtime = [] }: Layout, placed: readonly PlacedCpu[], shared: readonly number[] | null): readonly number[] {
  if (emulatorCpu !== null) return [emulatorCpu];
  return emulatorThreads === 'share' && shared !== null && shared.length > 0 ? shared : union(placed.filter(({ guest }) => !realtime.includes(guest)));
}

/** Strict: memory of another cell would be what was claimed by somebody else. */
export function numatune({ desired: { layout } }: Spec): XmlNode | null {
  if (!layout || layout.cells.length === 0) return null;
  return el('numatune', {},
    el('memory', { mode: 'strict', nodeset: listed(layout.cells.map(({ hostCell }) => hostCell)) }),
    ...(layout.numa ? layout.cells.map(({ hostCell }, cell) => el('memnode', { cellid: cell, mode: 'strict', nodeset: hostCell })) : []));
}

export function memoryBacking({ desired: { layout } }: Spec): XmlNode | null {
  const sizes = [...new Set((layout?.cells ?? []).flatMap(({ pageKib }) => pageKib ?? []))];
  const realtime = hasRealtime(layout);
  if (!layout || (sizes.length === 0 && !realtime)) return null;
  // Cells of the guest are counted from 0; a guest without any has one kind of page.
  return el('memoryBacking', {}, sizes.length === 0 ? null : el('hugepages', {}, ...sizes.map((size) => el('page', {
    size, unit: 'KiB', nodeset: layout.numa ? listed(layout.cells.flatMap(({ pageKib }, cell) => (pageKib === size ? [cell] : []))) : undefined,
  }))),
  // Real time waits for no page to be brought back or to be copied.
  realtime ? el('nosharepages') : null, realtime ? el('locked') : null);
}

/** Children of <cpu>: what the guest is shown. */
export function guestTopology({ desired: { vcpus, layout } }: Spec): XmlNode {
  const { sockets, cores, threads } = layout?.guestTopology ?? { sockets: vcpus, cores: 1, threads: 1 };
  return el('topology', { sockets, dies: 1, cores, threads });
}

export function guestCells({ desired: { layout } }: Spec): XmlNode | null {
  if (!layout?.numa || layout.cells.length === 0) return null;
  return el('numa', {}, ...layout.cells.map(({ memoryMib, pins, floating }, id) => el('cell', {
    id, cpus: listed([...pins.map(({ guest }) => guest), ...floating]), memory: memoryMib, unit: 'MiB',
  })));
}
