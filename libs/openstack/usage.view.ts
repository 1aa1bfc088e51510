import type { ServerUsage } from '#libs/contracts';
import { microsNoZone, microsNoZoneOrNull } from './dates.js';

/** A period, and now, in milliseconds since the epoch. The period never ends after now. */
export interface UsagePeriod { readonly fromMs: number; readonly toMs: number; readonly nowMs: number }

const iso = (ms: number): string => microsNoZone(new Date(ms).toISOString());

function serverUsage(server: ServerUsage, { fromMs, toMs, nowMs }: UsagePeriod) {
  const launched = Date.parse(server.launchedAt);
  const terminated = server.terminatedAt === null ? null : Date.parse(server.terminatedAt);
  const until = terminated === null ? toMs : Math.min(toMs, terminated);
  return {
    hours: Math.max(0, until - Math.max(launched, fromMs)) / 3_600_000,
    flavor: server.flavorName,
    instance_id: server.id,
    name: server.name,
    tenant_id: server.projectId,
    memory_mb: server.ramMib,
    local_gb: server.diskGib,
    vcpus: server.vcpus,
    started_at: microsNoZone(server.launchedAt),
    ended_at: microsNoZoneOrNull(server.terminatedAt),
    state: terminated === null ? server.vmState : 'terminated',
    /** Seconds, of all its life. */
    uptime: Math.floor(((terminated ?? nowMs) - launched) / 1000),
  };
}

/** Sums over these servers, project by project in their order: MiB and GiB times hours. */
export function projectUsages(servers: readonly ServerUsage[], period: UsagePeriod, detailed: boolean) {
  const byProject = new Map<string, ReturnType<typeof serverUsage>[]>();
  for (const server of servers) byProject.set(server.projectId, [...(byProject.get(server.projectId) ?? []), serverUsage(server, period)]);
  return [...byProject].map(([projectId, usages]) => projectUsage(projectId, usages, period, detailed));
}

/** Of a project without servers: zeros. Nova says nothing at all then, which the stock client cannot read. */
export const noUsage = (projectId: string, period: UsagePeriod) => projectUsage(projectId, [], period, true);

function projectUsage(projectId: string, usages: readonly ReturnType<typeof serverUsage>[], period: UsagePeriod, detailed: boolean) {
  const sum = (of: (usage: (typeof usages)[number]) => number): number => usages.reduce((total, usage) => total + of(usage), 0);
  return {
    tenant_id: projectId,
    ...(detailed && { server_usages: usages }),
    total_local_gb_usage: sum((each) => each.local_gb * each.hours),
    total_vcpus_usage: sum((each) => each.vcpus * each.hours),
    total_memory_mb_usage: sum((each) => each.memory_mb * each.hours),
    total_hours: sum((each) => each.hours),
    start: iso(period.fromMs),
    stop: iso(period.toMs),
  };
}
