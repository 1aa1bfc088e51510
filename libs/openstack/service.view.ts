import type { HostView } from '#libs/contracts';
import { microsNoZoneOrNull } from './dates.js';
import { hypervisorId } from './hypervisor.view.js';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

/** The one kind of service that is a host's: its agent. */
export const COMPUTE_BINARY = 'nova-compute';

/** A host's agent as the compute API knows it. Forced down is what a fenced host is called there. */
export const serviceView = (host: HostView, version: Microversion) => ({
  binary: COMPUTE_BINARY,
  host: host.name,
  id: hypervisorId(host, version),
  zone: host.availabilityZone,
  status: host.enabled ? 'enabled' : 'disabled',
  state: host.alive ? 'up' : 'down',
  updated_at: microsNoZoneOrNull(host.lastSeenAt),
  disabled_reason: host.disabledReason,
  ...(has(version, 'service.forced-down') && { forced_down: host.fenced === true }),
});

/** What the older PUT /os-services/{enable,disable,…} answers: the request, with the new status. */
export const serviceStatusView = (host: HostView) => ({
  service: {
    host: host.name,
    binary: COMPUTE_BINARY,
    status: host.enabled ? 'enabled' : 'disabled',
    ...(host.disabledReason !== null && { disabled_reason: host.disabledReason }),
  },
});
