import { listHosts, listServers, type Caller, type HostView, type InstanceView } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import type { HypervisorServer } from '#libs/openstack';
import { asking } from '../../http/call.js';
import { LIMITS } from '../../limits.js';

/** Hosts that have told what they have, in their stable order. One that only joined is no hypervisor yet. */
export async function hypervisorHosts(bus: Bus, { requestId }: Caller): Promise<HostView[]> {
  const { hosts } = await bus.ask(listHosts, {}, { requestId });
  return hosts.filter(({ inventory }) => inventory !== null).sort((a, b) => a.number - b.number);
}

/** Servers that are on a host: on this one, or on any. */
export async function serversOnHost(bus: Bus, caller: Caller, hostName?: string): Promise<InstanceView[]> {
  const found: InstanceView[] = [];
  let marker: string | undefined;
  for (let read = 0; read < LIMITS.hypervisorServers;) {
    const { instances, more } = await asking(bus, caller)(listServers, {
      projectId: null, filters: hostName === undefined ? {} : { hostName }, sort: [], limit: LIMITS.page, withUserData: false, ...(marker !== undefined && { marker }),
    });
    found.push(...instances.filter((instance) => instance.hostName !== null));
    read += instances.length;
    marker = instances.at(-1)?.id;
    if (!more || marker === undefined) break;
  }
  return found;
}

/** Names and ids of the servers on each host (or on one), by host name. */
export async function serversByHost(bus: Bus, caller: Caller, hostName?: string): Promise<Map<string, HypervisorServer[]>> {
  const found = new Map<string, HypervisorServer[]>();
  for (const { id, name, hostName: on } of await serversOnHost(bus, caller, hostName)) {
    const there = found.get(on ?? '') ?? [];
    there.push({ id, name });
    found.set(on ?? '', there);
  }
  return found;
}
