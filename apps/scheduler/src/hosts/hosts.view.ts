import type { HostView } from '#libs/contracts';
import type { LiveFacts } from '../snapshot/liveness.js';
import type { HostRecord } from './hosts.repository.js';

/** The later of what is stored (seldom) and what this process heard. */
export function lastSeenAt(stored: Date | null, heardMs: number | null): string | null {
  const latest = Math.max(stored?.getTime() ?? -Infinity, heardMs ?? -Infinity);
  return latest === -Infinity ? null : new Date(latest).toISOString();
}

export function hostView(record: HostRecord, live: LiveFacts): HostView {
  return {
    id: record.id as HostView['id'], number: record.number, name: record.name, availabilityZone: record.availability_zone,
    enabled: record.enabled, disabledReason: record.disabled_reason,
    alive: live.alive, hypervisorUp: live.hypervisorUp, lastSeenAt: lastSeenAt(record.last_seen_at, live.lastSeenMs),
    simulated: record.simulated, virtType: record.inventory?.virtType ?? null, agentVersion: record.agent_version,
    capabilities: record.capabilities, inventory: record.inventory,
    used: { vcpus: record.used_vcpus, memoryMib: record.used_memory_mib, diskGib: record.used_disk_gib, instances: record.used_instances },
    ratios: { cpu: record.cpu_ratio, ram: record.ram_ratio, disk: record.disk_ratio },
    bootId: record.boot_id, epoch: record.epoch, updatedAt: record.updated_at.toISOString(),
    condition: { state: live.condition.state, since: live.condition.sinceMs === null ? null : new Date(live.condition.sinceMs).toISOString(), reason: live.condition.reason },
    fenced: record.fenced_at !== null, adoptedIncarnation: record.adopted_incarnation, restart: record.restart,
  };
}
