import { listHosts, listServers, type Caller, type HostView } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import type { HypervisorServer } from '#libs/openstack';
import { asking } from '../../http/call.js';
import { LIMITS } from '../../limits.js';

/** Hosts that have told what they have, in their stable order. One that only joined is no hypervisor yet. */
export async function hypervisorHosts(bus: Bus, { requestId }: Caller): Promise<HostView[]> {
  const { hosts } = await bus.ask(listHosts, {}, { requestId });
  return hosts.filter(({ inventory }) => inventory !== null).sort((a, b) => a.number - b.number);
}

/** Names and ids of the servers on each host (or on one), by host name. */
export async function serversByHost(bus: Bus, caller: Caller, hostName?: string): Promise<Map<string, HypervisorServer[]>> {
  const found = new Map<string, HypervisorServer[]>();
  let marker: string | undefined;
  for (let page = 0; page < LIMITS.hypervisorServerPages; page += 1) {
    const { instances, more } = await asking(bus, caller)(listServers, {
      projectId: null, filters: hostName === undefined ? {} : { hostName }, sort: [], limit: LIMITS.page, ...(marker !== undefined && { marker }),
    });
    for (const { id, name, hostName: on } of instances) {
      if (on !== null) found.set(on, [...(found.get(on) ?? []), { id, name }]);
    }
    marker = instances.at(-1)?.id;
    if (!more || marker === undefined) break;
  }
  return found;
}
