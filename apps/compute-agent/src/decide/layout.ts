/**
 * What a claimed layout means on this host: which host CPUs each guest CPU gets. Pure.
 * Owns: why a layout cannot be built here. Never chooses a CPU or a cell: the claim did.
 */
import type { ClaimedDevice, DesiredInstance, Layout } from '#libs/contracts';
import type { CpuSets } from './cpu-sets.js';

/** A host's CPUs as guests may get them. */
export interface HostCpus extends CpuSets {
  readonly cells: readonly { readonly id: number; readonly cpus: readonly number[] }[];
}

type Wanted = Pick<DesiredInstance, 'vcpus' | 'memoryMib'> & { readonly layout: Layout | null };

/** Guest CPUs with the host CPUs each may run on, in the order of the guest's. */
export interface PlacedCpu { readonly guest: number; readonly host: readonly number[] }

/** CPUs of a cell over which guests float. */
export function floatingCpus({ shared, dedicated, cells }: HostCpus, hostCell: number): readonly number[] {
  const cpus = cells.find(({ id }) => id === hostCell)?.cpus ?? [];
  return cpus.filter((cpu) => (shared ? shared.includes(cpu) : !dedicated.includes(cpu)));
}

/** Empty: the guest floats over whatever guests float over. */
export function placedCpus(layout: Layout | null, host: HostCpus): PlacedCpu[] {
  return (layout?.cells ?? []).flatMap(({ hostCell, pins, floating }) => [
    ...pins.map((pin) => ({ guest: pin.guest, host: [pin.host] })),
    ...floating.map((guest) => ({ guest, host: floatingCpus(host, hostCell) })),
  ]).sort((a, b) => a.guest - b.guest);
}

/** Why the guest cannot be built like that on this host, in words with the cure; null: it can. */
export function layoutProblem({ vcpus, memoryMib, layout }: Wanted, host: HostCpus): string | null {
  if (!layout) return null;
  const topology = layout.guestTopology;
  if (topology && topology.sockets * topology.cores * topology.threads !== vcpus) return `What was claimed shows ${topology.sockets} x ${topology.cores} x ${topology.threads} CPUs to a guest that has ${vcpus}.`;
  if (layout.cells.length === 0) return null;
  const taken = [...layout.cells.flatMap(({ pins }) => pins.map((pin) => pin.host)), ...(layout.emulatorCpu === null ? [] : [layout.emulatorCpu])];
  const realtime = layout.realtime ?? [];
  // Nova's words (RealtimeMaskNotFoundOrInvalid): the host's shared set is what the API could not know.
  if (realtime.length > 0 && layout.emulatorThreads === 'share' && (host.shared ?? []).length === 0) {
    return 'Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads: this host has no shared CPUs set aside for them. What to do: state them with SKYLITE_CPU_SHARED, or move the server.';
  }
  const pinned = new Set(layout.cells.flatMap(({ pins }) => pins.map(({ guest }) => guest)));
  if (realtime.some((guest) => !pinned.has(guest))) return "What was claimed runs CPUs of the guest in real time that have no CPU of the host of their own.";
  const missing = taken.filter((cpu) => !host.dedicated.includes(cpu)).sort((a, b) => a - b);
  if (missing.length > 0) return `CPU ${missing.join(', ')} was claimed for this guest alone and is not among this host's dedicated CPUs any more (SKYLITE_CPU_DEDICATED): give it back, or move the server.`;
  if (new Set(taken).size !== taken.length) return 'What was claimed gives one CPU of the host to two CPUs of the guest.';
  const away = layout.cells.find(({ hostCell }) => !host.cells.some(({ id }) => id === hostCell));
  if (away) return `Cell ${away.hostCell} was claimed for this guest and is not there on this host any more: move the server.`;
  const dry = layout.cells.find(({ hostCell, floating }) => floating.length > 0 && floatingCpus(host, hostCell).length === 0);
  if (dry) return `Cell ${dry.hostCell} of this host has no shared CPU for the guest's CPU ${dry.floating.join(', ')} (SKYLITE_CPU_SHARED): give it one, or move the server.`;
  const guests = placedCpus(layout, host).map(({ guest }) => guest);
  if (guests.length !== vcpus || guests.some((guest, at) => guest !== at)) return `What was claimed places the guest's CPUs ${guests.join(', ')}; it has ${vcpus}.`;
  const memory = layout.cells.reduce((sum, cell) => sum + cell.memoryMib, 0);
  if (memory !== memoryMib) return `What was claimed places ${memory} MiB of memory; the guest has ${memoryMib}.`;
  return null;
}

/** A claimed device with its place in the guest, which says its alias and its slot there. */
export interface OwnDevice extends ClaimedDevice { readonly place: number }

/** The devices of a layout, by place. */
export const devicesIn = (layout: Layout | null | undefined): OwnDevice[] =>
  (layout?.devices ?? []).map((device, at) => ({ ...device, place: device.place ?? at })).sort((a, b) => a.place - b.place);

/** Layouts with the same key are the same definition; null: the guest floats, and its CPUs look as always. */
export function layoutKey(layout: Layout | null | undefined): string | null {
  const devices = devicesIn(layout);
  if (!layout || (layout.cells.length === 0 && !layout.guestTopology && layout.emulatorThreads === null && devices.length === 0)) return null;
  const { guestTopology: shown } = layout;
  return JSON.stringify([
    layout.cells.map(({ hostCell, memoryMib, pageKib, pins, floating }) => [hostCell, memoryMib, pageKib, [...pins].sort((a, b) => a.guest - b.guest).map(({ guest, host }) => [guest, host]), [...floating].sort((a, b) => a - b)]),
    layout.emulatorCpu, layout.emulatorThreads, shown && [shown.sockets, shown.cores, shown.threads], layout.numa,
    // Only where there are any: guests without look as ever.
    ...(layout.realtime && layout.realtime.length > 0 ? [[...layout.realtime].sort((a, b) => a - b)] : []),
    // Which, and as what; where they stand is the host's business of the day.
    ...(devices.length > 0 ? [{ devices: devices.map(({ identity, attach, mac, vlan, place }, at) => [identity, attach, mac, vlan, ...(place === at ? [] : [place])]) }] : []),
  ]);
}
