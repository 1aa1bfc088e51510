/** The layout of a server that stays where it is, as its guest is to see it now: where it is bound never changes here. Pure. */
import type { Layout, Needs } from '#libs/contracts';
import { cpuTopology } from '#libs/openstack';

/** @param needs of the flavor and the image that it is to be built of */
export function layoutShown(layout: Layout | null, needs: Needs | null, vcpus: number): Layout | null {
  const guestTopology = needs?.topology ? cpuTopology(vcpus, needs.topology) : null;
  if (JSON.stringify(partsOf(guestTopology)) === JSON.stringify(partsOf(layout?.guestTopology ?? null))) return layout;
  if (guestTopology === null && layout?.cells.length === 0 && layout.emulatorThreads === null && layout.devices === undefined) return null;
  return { ...(layout ?? { cells: [], emulatorCpu: null, emulatorThreads: null, idleCpus: [], numa: false }), guestTopology };
}

const partsOf = (topology: Layout['guestTopology']): number[] => (topology === null ? [] : [topology.sockets, topology.cores, topology.threads]);
