import { microsNoZoneOrNull } from './dates.js';
import { COMPUTE_BINARY } from './service.view.js';

export interface Zone {
  readonly name: string;
  readonly available: boolean;
  readonly hosts: ReadonlyArray<{ name: string; alive: boolean; enabled: boolean; lastSeenAt: string | null }>;
}

/** Tenants see zones; which hosts are in them only admins see, in the detailed form. */
export const zoneList = (zones: readonly Zone[]) => ({
  availabilityZoneInfo: zones.map(({ name, available }) => ({ zoneName: name, zoneState: { available }, hosts: null })),
});

export const zoneDetail = (zones: readonly Zone[]) => ({
  availabilityZoneInfo: zones.map(({ name, available, hosts }) => ({
    zoneName: name,
    zoneState: { available },
    hosts: available
      ? Object.fromEntries(hosts.filter(({ enabled }) => enabled).map((host) => [host.name, { [COMPUTE_BINARY]: { available: host.alive, active: true, updated_at: microsNoZoneOrNull(host.lastSeenAt) } }]))
      : null,
  })),
});
