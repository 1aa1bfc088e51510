import { Inject, Injectable } from '@nestjs/common';
import { allows } from '#libs/auth';
import { listHosts, type HostView, type InstanceView } from '#libs/contracts';
import { LOGGER, type Logger } from '#libs/observability';
import { BUS, type Bus } from '#libs/messaging';
import { has, type ServerContext } from '#libs/openstack';
import type { Call } from '../../http/call.js';
import { LIMITS } from '../../limits.js';

/** What a server's view needs beside the server: who looks, and for admins how its host is. */
@Injectable()
export class ServerContexts {
  /** How the hosts were a moment ago: long lists that are asked for again and again do not ask for a thousand hosts each time. */
  #known: { atMs: number; hosts: Promise<ReadonlyMap<string, HostView>> } | undefined;

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger) {}

  async for({ caller, version, links }: Call, instances: readonly InstanceView[]): Promise<ServerContext> {
    const isAdmin = allows('compute:servers:host-details', caller);
    const context = { version, links, isAdmin };
    if (!isAdmin || !has(version, 'server.host-status') || instances.every(({ hostId }) => hostId === null)) return context;
    const hosts = await (instances.length > LIMITS.hostStatesShared ? this.recentHosts(caller.requestId) : this.hosts(caller.requestId));
    return { ...context, hostOf: (hostId) => hosts.get(hostId) };
  }

  private recentHosts(requestId: string): Promise<ReadonlyMap<string, HostView>> {
    const now = performance.now();
    if (this.#known === undefined || now - this.#known.atMs > LIMITS.hostStatesFreshMs) this.#known = { atMs: now, hosts: this.hosts(requestId) };
    return this.#known.hosts;
  }

  /** A server is shown also when nobody can say how its host is: then its host's status is UNKNOWN. */
  private async hosts(requestId: string): Promise<ReadonlyMap<string, HostView>> {
    try {
      const { hosts } = await this.bus.ask(listHosts, {}, { requestId });
      return new Map(hosts.map((host) => [host.id, host]));
    } catch (error) {
      this.logger.warn({ requestId, err: error }, 'host states are not known: the scheduler did not answer');
      return new Map();
    }
  }
}
