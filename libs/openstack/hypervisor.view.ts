import type { HostView } from '#libs/contracts';
import { nextLinks, type LinkBase, type PageAsked } from './links.js';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

export interface HypervisorContext { readonly version: Microversion; readonly links: LinkBase }
export interface HypervisorServer { readonly id: string; readonly name: string }

/** Small stable number before 2.53, uuid from then on; the same for the hypervisor and its service. */
export const hypervisorId = (host: HostView, version: Microversion): number | string => (has(version, 'hypervisor.uuid') ? host.id : host.number);

/** Asked for and none: nothing before 2.75, an empty list from then on. */
const serversOf = (servers: readonly HypervisorServer[] | undefined, version: Microversion) =>
  (servers === undefined || (servers.length === 0 && !has(version, 'query.strict')) ? {} : { servers: servers.map(({ id, name }) => ({ name, uuid: id })) });

export const hypervisorBrief = (host: HostView, version: Microversion, servers?: readonly HypervisorServer[]) => ({
  id: hypervisorId(host, version),
  hypervisor_hostname: host.name,
  state: host.alive ? 'up' : 'down',
  status: host.enabled ? 'enabled' : 'disabled',
  ...serversOf(servers, version),
});

/** MiB and GiB; `used` counts claims and what the host keeps for itself. */
export function hypervisorUsage(host: Pick<HostView, 'inventory' | 'used'>) {
  const inventory = host.inventory;
  const memory = inventory?.memoryMib ?? 0;
  const disk = inventory?.diskGib ?? 0;
  const memoryUsed = host.used.memoryMib + (inventory?.reservedMemoryMib ?? 0);
  const diskUsed = host.used.diskGib + (inventory?.reservedDiskGib ?? 0);
  return {
    vcpus: inventory?.vcpus ?? 0,
    memory_mb: memory,
    local_gb: disk,
    vcpus_used: host.used.vcpus,
    memory_mb_used: memoryUsed,
    local_gb_used: diskUsed,
    free_ram_mb: memory - memoryUsed,
    free_disk_gb: disk - diskUsed,
    current_workload: 0,
    running_vms: host.used.instances,
    disk_available_least: disk - diskUsed,
  };
}

function cpuInfo(host: HostView) {
  const inventory = host.inventory;
  if (inventory === null) return {};
  const cells = Math.max(1, inventory.cells.length);
  return {
    arch: inventory.cpuArch,
    model: inventory.cpuModel,
    topology: { cells, sockets: 1, cores: Math.max(1, Math.floor(inventory.vcpus / cells)), threads: 1 },
    features: [],
  };
}

/** A simulated host says so where a real one names its hypervisor. */
const hypervisorType = (host: HostView): string => (host.virtType === 'simulated' || (host.simulated && host.virtType === null) ? 'simulated' : 'QEMU');

export function hypervisorDetail(host: HostView, version: Microversion, servers?: readonly HypervisorServer[]) {
  const cpu = cpuInfo(host);
  return {
    ...hypervisorBrief(host, version, servers),
    hypervisor_type: hypervisorType(host),
    hypervisor_version: host.inventory?.hypervisorVersion ?? 0,
    host_ip: host.inventory?.hostAddress ?? '',
    service: { id: hypervisorId(host, version), host: host.name, disabled_reason: host.disabledReason },
    // No host tells its uptime. The stock client takes it apart without a look at whether it is there: an empty text, not null.
    ...(has(version, 'hypervisor.lean')
      ? { uptime: '' }
      : { ...hypervisorUsage(host), cpu_info: has(version, 'hypervisor.cpu-object') ? cpu : host.inventory === null ? '' : JSON.stringify(cpu) }),
  };
}

export interface HypervisorListOptions {
  readonly detail: boolean;
  /** null: this list is not paged (before 2.33, or by name pattern). */
  readonly page: PageAsked | null;
  readonly serversByHost?: ReadonlyMap<string, readonly HypervisorServer[]>;
}

export function hypervisorList(hosts: readonly HostView[], { detail, page, serversByHost }: HypervisorListOptions, { version, links }: HypervisorContext) {
  const shape = detail ? hypervisorDetail : hypervisorBrief;
  const next = page === null ? undefined : nextLinks(links, detail ? 'os-hypervisors/detail' : 'os-hypervisors', page, hosts.map((host) => hypervisorId(host, version)));
  return {
    hypervisors: hosts.map((host) => shape(host, version, serversByHost && (serversByHost.get(host.name) ?? []))),
    ...(next && { hypervisors_links: next }),
  };
}

/** Sums over the hosts that take new servers. */
export function hypervisorStatistics(hosts: readonly HostView[]) {
  const counted = hosts.filter(({ enabled }) => enabled);
  const sums = hypervisorUsage({ inventory: null, used: { vcpus: 0, memoryMib: 0, diskGib: 0, instances: 0 } });
  for (const host of counted) {
    const usage = hypervisorUsage(host);
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += usage[key];
  }
  return { hypervisor_statistics: { count: counted.length, ...sums } };
}
