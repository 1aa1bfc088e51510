import { Inject, Injectable } from '@nestjs/common';
import type { Allocation, ResourceProvider } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import type { Inventory } from '../decide/capacity.js';
import { makeOf, type StoredInventory } from '../decide/make.js';
import { claimedResources, inventoriesOf } from '../decide/provider.js';

interface RawProvider {
  id: string; number: number; name: string; generation: number; updated_at: Date; open: boolean; enabled: boolean; capabilities: string[]; inventory: (StoredInventory & Inventory) | null;
  cpu: number; ram: number; disk: number; used_vcpus: number; used_pcpus: number; used_memory_mib: number; used_disk_gib: number;
  resources: Record<string, number>; aggregates: string[];
}

interface RawClaim { instance_id: string; host_id: string; purpose: string; generation: number; project_id: string; vcpus: number; pcpus: number; memory_mib: number; disk_gib: number; resources: Record<string, number> | null; created_at: Date }

const PROVIDERS = `SELECT h.id, h.number, h.name, h.generation::float8 AS generation, h.updated_at, h.open AND h.fenced_at IS NULL AS open, c.enabled, h.capabilities, h.inventory,
    h.cpu_ratio AS cpu, h.ram_ratio AS ram, h.disk_ratio AS disk, c.used_vcpus, c.used_pcpus, c.used_memory_mib, c.used_disk_gib,
    coalesce((SELECT jsonb_object_agg(r.class, r.used) FROM scheduler.host_resources r WHERE r.host_id = h.id AND r.used > 0), '{}') AS resources,
    ARRAY(SELECT a.uuid::text FROM scheduler.aggregate_hosts m JOIN scheduler.aggregates a ON a.id = m.aggregate_id WHERE m.host_id = h.id ORDER BY a.id) AS aggregates
  FROM scheduler.hosts h JOIN scheduler.host_capacity c ON c.host_id = h.id
  WHERE ($1::uuid IS NULL OR h.id = $1) AND h.number > $2 ORDER BY h.number LIMIT $3`;

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
      `SELECT instance_id, host_id, purpose, generation, project_id, vcpus, pcpus, memory_mib, disk_gib, resources, created_at FROM scheduler.claims
       WHERE host_id IS NOT NULL AND ($1::uuid IS NULL OR instance_id = $1) AND ($2::uuid IS NULL OR host_id = $2) ORDER BY created_at, instance_id, purpose LIMIT $3`, [instanceId, hostId, most]);
    return rows.map((row) => ({
      instanceId: row.instance_id as Allocation['instanceId'], hostId: row.host_id as Allocation['hostId'], purpose: row.purpose, generation: row.generation, projectId: row.project_id,
      resources: claimedResources({ vcpus: row.vcpus, pcpus: row.pcpus, memoryMib: row.memory_mib, diskGib: row.disk_gib, resources: row.resources ?? {} }), at: row.created_at.toISOString(),
    }));
  }

  async usage(projectId: string): Promise<{ usages: Record<string, number>; consumers: number }> {
    const { rows: [sum] } = await this.db.pool.query<{ vcpus: number; pcpus: number; memory_mib: number; disk_gib: number; consumers: number; resources: Record<string, number> | null }>(
      `WITH own AS (SELECT * FROM scheduler.claims WHERE host_id IS NOT NULL AND project_id = $1)
       SELECT coalesce(sum(vcpus), 0)::float8 AS vcpus, coalesce(sum(pcpus), 0)::float8 AS pcpus, coalesce(sum(memory_mib), 0)::float8 AS memory_mib, coalesce(sum(disk_gib), 0)::float8 AS disk_gib,
         count(DISTINCT instance_id)::int AS consumers,
         (SELECT jsonb_object_agg(class, amount) FROM (SELECT r.key AS class, sum(r.value::bigint) AS amount FROM own o, jsonb_each_text(o.resources) r GROUP BY r.key) by_class) AS resources
       FROM own`, [projectId]);
    const { vcpus, pcpus, memory_mib: memoryMib, disk_gib: diskGib, resources, consumers } = sum!;
    return { usages: claimedResources({ vcpus, pcpus, memoryMib, diskGib, resources: resources ?? {} }), consumers };
  }
}

/** COMPUTE_STATUS_DISABLED is Nova's word for a host that takes nothing new. */
function toProvider(row: RawProvider): ResourceProvider {
  const used = { vcpus: row.used_vcpus, pcpus: row.used_pcpus, memoryMib: row.used_memory_mib, diskGib: row.used_disk_gib, resources: row.resources };
  const traits = row.inventory === null ? [] : makeOf(row.inventory, row.capabilities, row.generation).traits;
  return {
    id: row.id as ResourceProvider['id'], name: row.name, generation: row.generation, updatedAt: row.updated_at.toISOString(), aggregates: row.aggregates, takesNew: row.enabled,
    traits: [...new Set([...traits, ...(row.open ? [] : ['COMPUTE_STATUS_DISABLED'])])].sort(),
    inventories: row.inventory === null ? {} : inventoriesOf(row.inventory, { cpu: row.cpu, ram: row.ram, disk: row.disk }, used),
  };
}
