import type { Layout } from '#libs/contracts';

export interface TopologyNode {
  vcpu_set: number[]; siblings: number[][]; memory_mb: number;
  /** For those who may see hosts. */
  host_node?: number; cpu_pinning?: Record<string, number>;
}

/** GET /servers/{id}/topology. A guest that floats has no nodes. */
export function serverTopology(layout: Layout | null, showsHost: boolean): { nodes: TopologyNode[]; pagesize_kb: number | null } {
  const cells = layout?.cells ?? [];
  const threads = layout?.guestTopology?.threads ?? 1;
  return {
    nodes: cells.map(({ hostCell, memoryMib, pins, floating }): TopologyNode => {
      const cpus = [...pins.map(({ guest }) => guest), ...floating].sort((a, b) => a - b);
      const siblings = threads === 1 ? [] : Array.from({ length: Math.floor(cpus.length / threads) }, (_, core) => cpus.slice(core * threads, (core + 1) * threads));
      return { vcpu_set: cpus, siblings, memory_mb: memoryMib, ...(showsHost && { host_node: hostCell, cpu_pinning: Object.fromEntries(pins.map(({ guest, host }) => [guest, host])) }) };
    }),
    pagesize_kb: cells.find(({ pageKib }) => pageKib !== null)?.pageKib ?? null,
  };
}
