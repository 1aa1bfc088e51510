/**
 * A host for people: sockets, cells, cores with who has them, pages, and its devices under their PFs. Owns nothing. Pure.
 */
import type { HostInventory, HostTopology, InstanceId, Layout } from '#libs/contracts';

type Cell = HostTopology['cells'][number];
type Cpu = Cell['cores'][number]['cpus'][number];
export type TopologyDevice = HostTopology['devices'][number];
/** An older agent's lacks what came later. */
export type KnownInventory = Partial<Pick<HostInventory, 'sharedCpus' | 'dedicatedCpus'>> & { cells?: (Pick<HostInventory['cells'][number], 'id' | 'cpus' | 'memoryMib'> & Partial<HostInventory['cells'][number]>)[] };
export interface TopologyClaim { instanceId: string; vcpus: number; memoryMib: number; layout: Layout | null }

export function topologyOf(inventory: KnownInventory | null, claims: readonly TopologyClaim[], devices: readonly TopologyDevice[]): Pick<HostTopology, 'sockets' | 'cells' | 'floating' | 'groups'> {
  const taken = takenCpus(claims);
  const dedicated = new Set(inventory?.dedicatedCpus ?? []);
  const stated = inventory?.sharedCpus ?? null;
  const shared = stated === null ? null : new Set(stated);
  const cpu = (id: number): Cpu => ({ id, use: dedicated.has(id) ? 'dedicated' : shared === null || shared.has(id) ? 'shared' : 'reserved', holder: taken.get(id)?.holder ?? null, as: taken.get(id)?.as ?? null });
  const cells = (inventory?.cells ?? []).map((cell): Cell => {
    const named = new Set((cell.cores ?? []).flat());
    const bound = claims.flatMap(({ layout }) => layout?.cells ?? []).filter(({ hostCell }) => hostCell === cell.id);
    const mib = (pageKib: number | null): number => bound.reduce((sum, one) => sum + (one.pageKib === pageKib ? one.memoryMib : 0), 0);
    return {
      id: cell.id, socket: cell.socket ?? 0, distances: cell.distances ?? [],
      memory: { totalMib: cell.memoryMib, claimedMib: mib(null) },
      pages: (cell.pages ?? []).map(({ kib, total }) => ({ kib, total, claimed: Math.round((mib(kib) * 1024) / kib) })),
      cores: [...(cell.cores ?? []), ...cell.cpus.filter((id) => !named.has(id)).map((id) => [id])].map((cpus) => ({ cpus: cpus.map(cpu) })),
      devices: devices.filter((device) => device.cell === cell.id).map(({ id }) => id),
    };
  });
  const sockets = [...new Set(cells.map(({ socket }) => socket))].sort((a, b) => a - b).map((id) => ({ id, cells: cells.filter(({ socket }) => socket === id).map((cell) => cell.id) }));
  const floating = claims.filter(({ layout }) => (layout?.cells.length ?? 0) === 0);
  return {
    sockets, cells, groups: groupsOf(devices),
    floating: { servers: floating.length, vcpus: floating.reduce((sum, { vcpus }) => sum + vcpus, 0), memoryMib: floating.reduce((sum, { memoryMib }) => sum + memoryMib, 0) },
  };
}

function takenCpus(claims: readonly TopologyClaim[]): Map<number, { holder: InstanceId; as: string }> {
  const taken = new Map<number, { holder: InstanceId; as: string }>();
  for (const { instanceId, layout } of claims) {
    if (layout === null) continue;
    const take = (id: number, as: string): void => { taken.set(id, { holder: instanceId as InstanceId, as }); };
    for (const id of layout.idleCpus ?? []) take(id, 'idle');
    if (layout.emulatorCpu !== null) take(layout.emulatorCpu, 'emulator');
    for (const { pins } of layout.cells) for (const { host } of pins) take(host, 'pinned');
  }
  return taken;
}

function groupsOf(devices: readonly TopologyDevice[]): HostTopology['groups'] {
  const groups = new Map<number, string[]>();
  for (const { id, iommuGroup } of devices) if (iommuGroup !== null) groups.set(iommuGroup, [...(groups.get(iommuGroup) ?? []), id]);
  return [...groups].filter(([, ids]) => ids.length > 1).sort(([a], [b]) => a - b).map(([id, ids]) => ({ id, devices: ids }));
}
