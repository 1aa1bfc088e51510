import { Inject, Injectable } from '@nestjs/common';
import type { Allocation, ResourceProvider } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import type { Inventory } from '../decide/capacity.js';
import { makeOf, type StoredInventory } from '../decide/make.js';
import { claimedResources, deviceAmounts, deviceInventories, inventoriesOf, type DevicesOfClass } from '../decide/provider.js';

interface RawProvider {
  id: string; number: number; name: string; generation: number; updated_at: Date; open: boolean; enabled: boolean; capabilities: string[]; inventory: (StoredInventory & Inventory) | null;
  cpu: number; ram: number; disk: number; used_vcpus: number; used_pcpus: number; used_memory_mib: number; used_disk_gib: number;
  resources: Record<string, number>; aggregates: string[]; devices: DevicesOfClass[];
}

interface RawClaim { instance_id: string; host_id: string; purpose: string; generation: number; project_id: string; vcpus: number; pcpus: number; memory_mib: number; disk_gib: number; resources: Record<string, number> | null; devices: DeviceCount[]; created_at: Date }
interface DeviceCount { className: string; count: number }

const PROVIDERS = `SELECT h.id, h.number, h.name, h.generation::float8 AS generation, h.updated_at, h.open AND h.fenced_at IS NULL AS open, c.enabled, h.capabilities, h.inventory,
    h.cpu_ratio AS cpu, h.ram_ratio AS ram, h.disk_ratio AS disk, c.used_vcpus, c.used_pcpus, c.used_memory_mib, c.used_disk_gib,
    coalesce((SELECT jsonb_object_agg(r.class, r.used) FROM scheduler.host_resources r WHERE r.host_id = h.id AND r.used > 0), '{}') AS resources,
    coalesce((SELECT jsonb_agg(jsonb_build_object('className', of.class_name, 'total', of.total, 'held', of.held, 'unusable', of.total - of.held - of.free)) FROM (
      SELECT coalesce(k.class_name, d.class_name) AS class_name, count(*) AS total, count(k.device_id) AS held, count(*) FILTER (WHERE k.device_id IS NULL AND scheduler.device_hindrance(d) IS NULL) AS free
      FROM scheduler.devices d LEFT JOIN scheduler.device_claims k ON k.device_id = d.id WHERE d.host_id = h.id AND (d.pool_role = 'offered' OR (k.device_id IS NOT NULL AND d.pool_role IS DISTINCT FROM 'companion')) GROUP BY 1 ORDER BY 1) of), '[]') AS devices,
    ARRAY(SELECT a.uuid::text FROM scheduler.aggregate_hosts m JOIN scheduler.aggregates a ON a.id = m.aggregate_id WHERE m.host_id = h.id ORDER BY a.id) AS aggregates
  FROM scheduler.hosts h JOIN scheduler.host_capacity c ON c.host_id = h.id
  WHERE ($1::uuid IS NULL OR h.id = $1) AND h.number > $2 ORDER BY h.number LIMIT $3`;

/** Of a claim, by class; what goes along with a device is not counted beside it. c: scheduler.claims */
const DEVICES_OF_CLAIM = `coalesce((SELECT jsonb_agg(jsonb_build_object('className', of.class_name, 'count', of.count)) FROM (
    SELECT k.class_name, count(*) AS count FROM scheduler.device_claims k JOIN scheduler.devices d ON d.id = k.device_id
    WHERE k.instance_id = c.instance_id AND k.purpose = c.purpose AND d.pool_role IS DISTINCT FROM 'companion' GROUP BY 1 ORDER BY 1) of), '[]')`;

/** Hosts and claims, to be looked at from outside. Reads only. */
@Injectable()
export class PlacementViewsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** `takesNew` as far as the database knows: who is alive, it does not. */
  async providers(id: string | null, after: number, limit: number): Promise<{ providers: ResourceProvider[]; next: number | null }> {
    const { rows } = await this.db.pool.query<RawProvider>(PROVIDERS, [id, after, limit]);
    return { providers: rows.map(toProvider), next: rows.length === limit ? rows.at(-1)!.number : null };
  }

  async allocations(instanceId: string | null, hostId: string | null, most: number): Promise<Allocation[]> {
    const { rows } = await this.db.pool.query<RawClaim>(
      `SELECT instance_id, host_id, purpose, generation, project_id, vcpus, pcpus, memory_mib, disk_gib, resources, created_at, ${DEVICES_OF_CLAIM} AS devices FROM scheduler.claims c
       WHERE host_id IS NOT NULL AND ($1::uuid IS NULL OR instance_id = $1) AND ($2::uuid IS NULL OR host_id = $2) ORDER BY created_at, instance_id, purpose LIMIT $3`, [instanceId, hostId, most]);
    return rows.map((row) => ({
      instanceId: row.instance_id as Allocation['instanceId'], hostId: row.host_id as Allocation['hostId'], purpose: row.purpose, generation: row.generation, projectId: row.project_id,
      resources: claimedResources({ vcpus: row.vcpus, pcpus: row.pcpus, memoryMib: row.memory_mib, diskGib: row.disk_gib, resources: { ...row.resources, ...deviceAmounts(row.devices) } }), at: row.created_at.toISOString(),
    }));
  }

  async usage(projectId: string): Promise<{ usages: Record<string, number>; consumers: number }> {
    const { rows: [sum] } = await this.db.pool.query<{ vcpus: number; pcpus: number; memory_mib: number; disk_gib: number; consumers: number; resources: Record<string, number> | null; devices: DeviceCount[] | null }>(
      `WITH own AS (SELECT * FROM scheduler.claims WHERE host_id IS NOT NULL AND project_id = $1)
       SELECT coalesce(sum(vcpus), 0)::float8 AS vcpus, coalesce(sum(pcpus), 0)::float8 AS pcpus, coalesce(sum(memory_mib), 0)::float8 AS memory_mib, coalesce(sum(disk_gib), 0)::float8 AS disk_gib,
         count(DISTINCT instance_id)::int AS consumers,
         (SELECT jsonb_object_agg(class, amount) FROM (SELECT r.key AS class, sum(r.value::bigint) AS amount FROM own o, jsonb_each_text(o.resources) r GROUP BY r.key) by_class) AS resources,
         (SELECT jsonb_agg(jsonb_build_object('className', class_name, 'count', count)) FROM (SELECT k.class_name, count(*) AS count FROM own o JOIN scheduler.device_claims k ON k.instance_id = o.instance_id AND k.purpose = o.purpose
           JOIN scheduler.devices d ON d.id = k.device_id WHERE d.pool_role IS DISTINCT FROM 'companion' GROUP BY 1) by_class) AS devices
       FROM own`, [projectId]);
    const { vcpus, pcpus, memory_mib: memoryMib, disk_gib: diskGib, resources, devices, consumers } = sum!;
    return { usages: claimedResources({ vcpus, pcpus, memoryMib, diskGib, resources: { ...resources, ...deviceAmounts(devices ?? []) } }), consumers };
  }
}

/** COMPUTE_STATUS_DISABLED is Nova's word for a host that takes nothing new. */
function toProvider(row: RawProvider): ResourceProvider {
  const used = { vcpus: row.used_vcpus, pcpus: row.used_pcpus, memoryMib: row.used_memory_mib, diskGib: row.used_disk_gib, resources: row.resources };
  const traits = row.inventory === null ? [] : makeOf(row.inventory, row.capabilities, row.generation).traits;
  return {
    id: row.id as ResourceProvider['id'], name: row.name, generation: row.generation, updatedAt: row.updated_at.toISOString(), aggregates: row.aggregates, takesNew: row.enabled,
    traits: [...new Set([...traits, ...(row.open ? [] : ['COMPUTE_STATUS_DISABLED'])])].sort(),
    inventories: row.inventory === null ? {} : { ...inventoriesOf(row.inventory, { cpu: row.cpu, ram: row.ram, disk: row.disk }, used), ...deviceInventories(row.devices) },
  };
}
