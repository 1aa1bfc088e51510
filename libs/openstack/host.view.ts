import type { HostView } from '#libs/contracts';
import { hypervisorUsage } from './hypervisor.view.js';

/** os-hosts, as it was before 2.43. */
export const hostListView = (hosts: readonly HostView[]) => ({
  hosts: hosts.map(({ name, availabilityZone }) => ({ host_name: name, service: 'compute', zone: availabilityZone })),
});

export interface HostShare { readonly projectId: string; readonly vcpus: number; readonly ramMib: number; readonly diskGib: number }

/** MiB and GiB: what there is, what is used now, what its servers may use at most, and the same by project. */
export function hostView(host: HostView, servers: readonly HostShare[]) {
  const usage = hypervisorUsage(host);
  const resource = (project: string, cpu: number, memory: number, disk: number) => ({ resource: { host: host.name, project, cpu, memory_mb: memory, disk_gb: disk } });
  const sum = (of: readonly HostShare[], project: string) =>
    resource(project, of.reduce((total, { vcpus }) => total + vcpus, 0), of.reduce((total, { ramMib }) => total + ramMib, 0), of.reduce((total, { diskGib }) => total + diskGib, 0));
  const projects = [...new Set(servers.map(({ projectId }) => projectId))];
  return {
    host: [
      resource('(total)', usage.vcpus, usage.memory_mb, usage.local_gb),
      resource('(used_now)', usage.vcpus_used, usage.memory_mb_used, usage.local_gb_used),
      sum(servers, '(used_max)'),
      ...projects.map((project) => sum(servers.filter(({ projectId }) => projectId === project), project)),
    ],
  };
}
