import { randomUUID } from 'node:crypto';
import type { TestDatabase } from '#libs/testing';

/** A class and a pool of it by SQL alone; the pool's id. */
export async function poolRow({ admin }: Pick<TestDatabase, 'admin'>, className: string, change: { numaPolicy?: string; attach?: string; mode?: string; vlans?: number[]; macPrefix?: string; physicalNetwork?: string; name?: string } = {}): Promise<string> {
  const id = randomUUID();
  await admin.query("INSERT INTO scheduler.device_classes (name, match, numa_policy, attach) VALUES ($1, '{}', $2, $3) ON CONFLICT DO NOTHING", [className, change.numaPolicy ?? 'legacy', change.attach ?? 'auto']);
  await admin.query("INSERT INTO scheduler.device_pools (id, name, class_name, mode, match, policy, physical_network) VALUES ($1, $2, $3, $4, '{}', $5, $6)", [
    id, change.name ?? `pool-${id}`, className, change.mode ?? 'vfs',
    JSON.stringify({ trust: false, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0, vlans: change.vlans ?? [], macPrefix: change.macPrefix ?? 'fa:16:3e' }), change.physicalNetwork ?? null]);
  await admin.query('UPDATE scheduler.device_changes SET version = version + 1');
  return id;
}

export interface DeviceShape { identity: string; pool?: { id: string; className: string } | null; role?: string | null; kind?: 'pf' | 'vf' | 'function'; numaNode?: number | null; pf?: string; vf?: number; unit?: string; pciClass?: string; numVfs?: number; facts?: object; cleanAt?: number | null }

/** Devices of a host as a report leaves them: clean, as found. Answers their ids, in order. */
export async function deviceRows({ admin }: Pick<TestDatabase, 'admin'>, hostId: string, devices: readonly DeviceShape[]): Promise<string[]> {
  await admin.query('BEGIN');
  try {
    await admin.query('SELECT FROM scheduler.host_capacity WHERE host_id = $1 FOR NO KEY UPDATE', [hostId]);
    const { rows } = await admin.query<{ id: string; identity: string }>(`
      INSERT INTO scheduler.devices (host_id, identity, facts, pool_id, class_name, pool_role, unit, clean_at, seen_at)
      SELECT $1, n.identity, n.facts, n.pool, n.class, n.role, n.unit, n.clean, now() FROM jsonb_to_recordset($2::jsonb) AS n(identity text, facts jsonb, pool uuid, class text, role text, unit text, clean integer)
      RETURNING id, identity`, [hostId, JSON.stringify(devices.map((one) => ({
      identity: one.identity, unit: one.unit ?? one.identity, pool: one.pool?.id ?? null, class: one.pool?.className ?? null, role: one.pool ? one.role ?? 'offered' : null, clean: one.cleanAt === undefined ? 0 : one.cleanAt,
      facts: {
        identity: one.identity, kind: one.kind ?? 'vf', numaNode: one.numaNode ?? null, address: '0000:00:00.0', pciClass: one.pciClass ?? '020000', mates: [], protectedBy: null, condition: null, usedBy: null,
        pf: one.pf === undefined ? null : { identity: one.pf, vf: one.vf ?? 0 }, sriov: one.kind === 'pf' ? { totalVfs: 7, numVfs: one.numVfs ?? 0 } : null, ...one.facts,
      },
    })))]);
    await admin.query('COMMIT');
    const ids = new Map(rows.map(({ id, identity }) => [identity, id]));
    return devices.map(({ identity }) => ids.get(identity)!);
  } catch (error) {
    await admin.query('ROLLBACK');
    throw error;
  }
}

/** As reports change them: a host's row first. */
export async function changeDevice({ admin }: Pick<TestDatabase, 'admin'>, deviceId: string, set: string): Promise<void> {
  await admin.query('BEGIN');
  await admin.query('SELECT FROM scheduler.host_capacity WHERE host_id = (SELECT host_id FROM scheduler.devices WHERE id = $1) FOR NO KEY UPDATE', [deviceId]);
  await admin.query(`UPDATE scheduler.devices SET ${set} WHERE id = $1`, [deviceId]);
  await admin.query('COMMIT');
}

/** VFs of one PF: vf 0 … count - 1. */
export const vfsOf = (pf: string, count: number, pool: { id: string; className: string }, numaNode: number | null = 0): DeviceShape[] =>
  Array.from({ length: count }, (_, vf) => ({ identity: `${pf}/vf:${vf}`, pf, vf, pool, numaNode }));

/** Plain SQL, outside the code: devices are held as claims say, once, and counted. Answers what is wrong. */
export async function unsoundDevices({ admin }: Pick<TestDatabase, 'admin'>): Promise<unknown[]> {
  const { rows } = await admin.query(`
    WITH said AS (SELECT c.host_id, c.instance_id, c.purpose, (d ->> 'deviceId')::uuid AS id, (d ->> 'generation')::int AS generation, d ->> 'mac' AS mac
      FROM scheduler.claims c, jsonb_array_elements(c.layout -> 'devices') d WHERE c.host_id IS NOT NULL)
    SELECT 'two holders' AS what, id::text AS it FROM said GROUP BY id HAVING count(*) > 1
    UNION ALL SELECT 'one MAC twice', mac FROM said WHERE mac IS NOT NULL GROUP BY mac HAVING count(*) > 1
    UNION ALL SELECT 'holders', coalesce(s.id, k.device_id)::text FROM said s FULL JOIN scheduler.device_claims k ON k.device_id = s.id AND k.host_id = s.host_id AND k.instance_id = s.instance_id AND k.purpose = s.purpose AND k.generation = s.generation
      WHERE s.id IS NULL OR k.device_id IS NULL
    UNION ALL SELECT 'the row says another holder', d.id::text FROM scheduler.devices d LEFT JOIN scheduler.device_claims k ON k.device_id = d.id WHERE d.held_by IS DISTINCT FROM k.instance_id OR k.generation > d.generation
    UNION ALL SELECT 'a PF and its VF', p.id::text FROM scheduler.devices p JOIN scheduler.devices v ON v.host_id = p.host_id AND v.pf_identity = p.identity WHERE p.held_by IS NOT NULL AND v.held_by IS NOT NULL
    UNION ALL SELECT 'half a unit', min(d.id::text) FROM scheduler.devices d WHERE d.pool_role IN ('offered', 'companion') GROUP BY d.host_id, d.unit HAVING count(DISTINCT d.held_by) + count(*) FILTER (WHERE d.held_by IS NULL) > 1 AND count(d.held_by) > 0
    UNION ALL SELECT 'counted', h.host_id::text FROM scheduler.host_capacity h LEFT JOIN (SELECT host_id, count(*) AS n, sum(version) AS v FROM scheduler.devices WHERE pool_role IN ('offered', 'companion', 'withheld') GROUP BY 1) d USING (host_id)
      WHERE (h.devices, h.device_versions) IS DISTINCT FROM (coalesce(d.n, 0), coalesce(d.v, 0))
    UNION ALL SELECT 'pinned', h.host_id::text FROM scheduler.host_capacity h LEFT JOIN (SELECT host_id, sum(memory_mib) AS m FROM scheduler.claims WHERE host_id IS NOT NULL AND layout -> 'devices' <> '[]' GROUP BY 1) c USING (host_id)
      WHERE h.used_pinned_mib <> coalesce(c.m, 0)`);
  return rows;
}
