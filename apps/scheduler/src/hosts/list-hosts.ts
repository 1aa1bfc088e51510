/**
 * Hosts and zones as they are now: rows from PostgreSQL, liveness from memory.
 */
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import type { HostView, listZones } from '#libs/contracts';
import { Liveness } from '../snapshot/liveness.js';
import { HostsRepository } from './hosts.repository.js';
import { hostView, lastSeenAt } from './hosts.view.js';

type Zone = z.output<typeof listZones.output>['zones'][number];

@Injectable()
export class ListHosts {
  constructor(private readonly hosts: HostsRepository, private readonly liveness: Liveness) {}

  async hostViews(filter: Parameters<HostsRepository['list']>[0]): Promise<HostView[]> {
    return (await this.hosts.list(filter)).map((record) => hostView(record, this.liveness.of(record.id)));
  }

  /** A zone is available while one of its hosts is alive and enabled; it is "only when asked" when all of its hosts are. */
  async zones(): Promise<Zone[]> {
    const zones = new Map<string, Zone>();
    for (const record of await this.hosts.list()) {
      const live = this.liveness.of(record.id);
      const zone = zones.get(record.availability_zone) ?? { name: record.availability_zone, available: false, onlyWhenAsked: true, hosts: [] };
      zones.set(zone.name, zone);
      zone.available ||= live.alive && record.enabled;
      zone.onlyWhenAsked &&= record.only_when_asked;
      zone.hosts.push({ name: record.name, alive: live.alive, enabled: record.enabled, lastSeenAt: lastSeenAt(record.last_seen_at, live.lastSeenMs) });
    }
    return [...zones.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
