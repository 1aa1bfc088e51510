/** A host's topology with who has what of it, as of one moment. Reads only. */
import { Inject, Injectable } from '@nestjs/common';
import type { getHostTopology, HostTopology, Layout, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { notFound } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { topologyOf, type KnownInventory, type TopologyDevice } from './decide/topology.js';
import { DeviceViewsRepository } from './device-views.repository.js';

@Injectable()
export class HostTopologyView {
  constructor(private readonly views: DeviceViewsRepository, @Inject(DATABASE) private readonly db: Database) {}

  async execute({ hostId }: ReceivedBy<typeof getHostTopology>): Promise<HostTopology> {
    const { rows: [host] } = await this.db.pool.query<{ name: string; inventory: KnownInventory | null; updated_at: Date; reported_at: Date | null }>(
      'SELECT h.name, h.inventory, h.updated_at, x.reported_at FROM scheduler.hosts h LEFT JOIN scheduler.device_hosts x ON x.host_id = h.id WHERE h.id = $1', [hostId]);
    if (host === undefined) throw notFound(`No host has the id ${hostId}.`);
    const [{ rows: claims }, all] = await Promise.all([
      this.db.pool.query<{ instanceId: string; vcpus: number; memoryMib: number; layout: Layout | null }>(
        'SELECT instance_id AS "instanceId", vcpus, memory_mib AS "memoryMib", layout FROM scheduler.claims WHERE host_id = $1', [hostId]),
      this.views.ofHost(hostId, LIMITS.topologyDevices + 1),
    ]);
    const devices = all.slice(0, LIMITS.topologyDevices).map(({ view, seen }): TopologyDevice => {
      const { device } = view;
      return {
        id: view.id, identity: device.identity, address: seen ? device.address : null, kind: seen ? device.kind : null, cell: device.numaNode, iommuGroup: device.iommuGroup,
        vendor: seen ? device.vendor : null, product: seen ? device.product : null, pciClass: seen ? device.pciClass : null, driver: device.driver, interface: device.network?.name ?? null,
        state: view.state, reason: view.reason?.slice(0, 200) ?? null, className: view.className, pool: view.pool?.name ?? null, holder: view.holder, generation: view.generation, pf: device.pf, sriov: device.sriov,
      };
    });
    return {
      host: { id: hostId, name: host.name }, reportedAt: host.inventory === null ? null : host.updated_at.toISOString(), devicesReportedAt: host.reported_at?.toISOString() ?? null,
      ...topologyOf(host.inventory, claims, devices), devices, moreDevices: all.length > LIMITS.topologyDevices,
    };
  }
}
