/** What tenants see of placement: counts and reasons, never a host's name or its CPUs. Pure. */
import type { FitAnswer, OutputOf, PlacementExplanation, readScheduling } from '#libs/contracts';
import { deviceForTenant } from '../servers/server-devices.js';

type Scheduling = OutputOf<typeof readScheduling>;

/** What is shown is named one by one: what an explanation may say of hosts grows. */
export const withoutHosts = (explanation: PlacementExplanation | null) => explanation && { hostsConsidered: explanation.hostsConsidered, snapshotAt: explanation.snapshotAt, filters: explanation.filters.map(({ name, refused, reason }) => ({ name, refused, reason })) };

/** By zone, in the order of names. */
export function zonesOf(hosts: FitAnswer['hosts']): { name: string; count: number }[] {
  const zones = new Map<string, number>();
  for (const { availabilityZone, count } of hosts) zones.set(availabilityZone, (zones.get(availabilityZone) ?? 0) + count);
  return [...zones].map(([name, count]) => ({ name, count })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The guest's cells and devices as the guest sees them. */
export function schedulingForTenant({ placed, explanation, ...rest }: Scheduling) {
  return { ...rest, explanation: withoutHosts(explanation), placed: placed && { availabilityZone: placed.availabilityZone, at: placed.at, resources: placed.resources, layout: placed.layout && { cells: placed.layout.cells.map(({ memoryMib, pageKib, pins, floating }) => ({ memoryMib, pageKib, pinned: pins.map(({ guest }) => guest), floating })), ...(placed.layout.devices !== undefined && { devices: placed.layout.devices.map(deviceForTenant) }) } } };
}
