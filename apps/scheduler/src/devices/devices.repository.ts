import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { DeviceClass, DevicePool, HostDevice } from '#libs/contracts';
import { Aggregates } from '../decide/aggregates.js';
import type { By } from '../hosts/hosts.repository.js';
import type { HostFacts } from './decide/match.js';
import { FENCED_SQL } from './decide/state.js';
import type { Definitions, StockDevice } from './decide/stock.js';

export interface Told { deviceId?: string; identity: string; kind: string; generation: number; instanceId: string | null; message: string }
/** Rises with every change of classes, pools and aggregates. */
export interface DefinitionsNow extends Definitions { version: number }

interface RawStock {
  id: string; host_id: string; identity: string; facts: HostDevice | null; native_driver: string | null; pool_id: string | null; class_name: string | null; pool_role: StockDevice['role']; pool_note: string | null;
  unit: string; generation: number; clean_at: number | null; released_at: number | null; vouched: number; forgotten: boolean; quarantine_generation: number | null; quarantine_code: string | null; quarantine_sentence: string | null;
  missing: boolean; fenced: boolean; last_holder: string | null; last_class: string | null; holder: string | null; holder_purpose: string | null; holder_generation: number | null; holder_class: string | null;
}
interface RawPool { id: string; name: string; class_name: string; mode: DevicePool['mode']; match: DevicePool['match']; vf_count: number | null; driver: DevicePool['driver']; policy: DevicePool['policy']; physical_network: string | null; group_together: boolean }
interface RawClass { name: string; description: string; match: DeviceClass['match']; numa_policy: DeviceClass['numaPolicy']; attach: DeviceClass['attach']; sanitizer: DeviceClass['sanitizer'] }

export const STOCK = `SELECT d.id, d.host_id, d.identity, d.facts, d.native_driver, d.pool_id, d.class_name, d.pool_role, d.pool_note, d.unit, d.generation, d.clean_at, d.released_at, d.vouched::float8 AS vouched, d.forgotten_at IS NOT NULL AS forgotten,
    d.quarantine_generation, d.quarantine_code, d.quarantine_sentence, d.missing_since IS NOT NULL AS missing, ${FENCED_SQL} AS fenced, d.last_holder, d.last_class,
    c.instance_id AS holder, c.purpose AS holder_purpose, c.generation AS holder_generation, c.class_name AS holder_class
  FROM scheduler.devices d LEFT JOIN scheduler.device_claims c ON c.device_id = d.id`;

export const VERSION = '((SELECT version FROM scheduler.device_changes) + (SELECT version FROM scheduler.aggregate_changes))::float8';

/** Rows of devices with who holds them, what is defined, and what hosts are called. Whoever writes rows has locked his hosts' capacity first. */
@Injectable()
export class DevicesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Of one state of the definitions. */
  async definitions(client: Pick<PoolClient, 'query'> = this.db.pool): Promise<DefinitionsNow> {
    const { rows: [all] } = await client.query<{ version: number; classes: RawClass[]; pools: RawPool[] }>(`SELECT ${VERSION} AS version,
        coalesce((SELECT json_agg(c ORDER BY c.name) FROM scheduler.device_classes c), '[]') AS classes, coalesce((SELECT json_agg(p ORDER BY p.name) FROM scheduler.device_pools p), '[]') AS pools`);
    return { version: all!.version, classes: new Map(all!.classes.map((one) => [one.name, toClass(one)])), pools: all!.pools.map(toPool) };
  }

  /** What matches know of hosts; of all that have reported devices when none is named. In the order of ids. */
  async hosts(ids: readonly string[] | null = null, client: Pick<PoolClient, 'query'> = this.db.pool): Promise<HostFacts[]> {
    const { rows } = await client.query<{ id: string; name: string }>(
      `SELECT h.id, h.name FROM scheduler.hosts h WHERE ${ids === null ? 'EXISTS (SELECT FROM scheduler.device_hosts x WHERE x.host_id = h.id)' : 'h.id = ANY ($1::uuid[])'} ORDER BY h.id`, ids === null ? [] : [ids]);
    const aggregates = new Aggregates();
    const { rows: all } = await client.query<{ id: string; metadata: Record<string, string>; hostIds: string[] }>(
      'SELECT a.id::text AS id, a.metadata, ARRAY(SELECT m.host_id::text FROM scheduler.aggregate_hosts m WHERE m.aggregate_id = a.id) AS "hostIds" FROM scheduler.aggregates a ORDER BY a.id');
    aggregates.set(all);
    return rows.map(({ id, name }) => ({ id, name, labels: aggregates.sets[aggregates.setOf(id)]! }));
  }

  async stock(hostIds: readonly string[], client: Pick<PoolClient, 'query'> = this.db.pool): Promise<Map<string, StockDevice[]>> {
    const { rows } = await client.query<RawStock>(`${STOCK} WHERE d.host_id = ANY ($1::uuid[])`, [hostIds]);
    const byHost = new Map<string, StockDevice[]>(hostIds.map((id) => [id, []]));
    for (const row of rows) byHost.get(row.host_id)!.push(toStock(row));
    return byHost;
  }

  /** Holds off claims on these hosts until the end of the transaction; in the order that everybody locks in. */
  async lock(client: PoolClient, hostIds: readonly string[]): Promise<void> {
    await client.query('SELECT FROM scheduler.host_capacity WHERE host_id = ANY ($1::uuid[]) ORDER BY host_id FOR NO KEY UPDATE', [hostIds]);
  }

  /** Writes what differs, in one statement. `before`: as read in this transaction, under the lock. @returns how many */
  async write(client: PoolClient, hostId: string, before: readonly StockDevice[], after: readonly StockDevice[]): Promise<number> {
    const known = new Map(before.map((row) => [row.identity, row]));
    const changed = after.filter((row) => { const was = known.get(row.identity); return was === undefined || !isDeepStrictEqual(was, row); });
    if (changed.length === 0) return 0;
    await client.query(WRITE, [hostId, JSON.stringify(changed.map((row) => ({
      identity: row.identity, facts: row.facts, native_driver: row.nativeDriver, pool_id: row.poolId, class_name: row.className, pool_role: row.role, pool_note: row.note, unit: row.unit,
      generation: row.generation, clean_at: row.cleanAt, released_at: row.releasedAt, quarantine_generation: row.quarantine?.generation ?? null, quarantine_code: row.quarantine?.code ?? null,
      quarantine_sentence: row.quarantine?.sentence ?? null, missing: row.missing, vouched: row.vouched, forgotten: row.forgotten,
    })))]);
    return changed.length;
  }

  /** Has this request told of it just now? */
  async isTold(client: PoolClient, deviceId: string, kind: string, requestId: string): Promise<boolean> {
    const { rows } = await client.query("SELECT FROM scheduler.device_history WHERE device_id = $1 AND kind = $2 AND request_id = $3 AND at > now() - interval '1 minute' LIMIT 1", [deviceId, kind, requestId]);
    return rows.length > 0;
  }

  async tell(client: PoolClient, hostId: string, told: readonly Told[], by: Partial<By> = {}): Promise<void> {
    if (told.length === 0) return;
    await client.query(`
      INSERT INTO scheduler.device_history (device_id, host_id, identity, kind, generation, instance_id, message, request_id, user_id, user_name, address)
      SELECT scheduler.device_id($1, t.identity), $1, t.identity, t.kind, t.generation, t."instanceId", t.message, $3, $4, $5, $6
      FROM jsonb_to_recordset($2::jsonb) AS t(identity text, kind text, generation integer, "instanceId" uuid, message text)`,
    [hostId, JSON.stringify(told.map((one) => ({ ...one, message: one.message.slice(0, 1_000) }))), by.requestId ?? null, by.userId ?? null, by.userName ?? null, by.address ?? null]);
  }
}

const WRITE = `
  INSERT INTO scheduler.devices AS d (host_id, identity, facts, native_driver, pool_id, class_name, pool_role, pool_note, unit, generation, clean_at, released_at,
    quarantine_generation, quarantine_code, quarantine_sentence, missing_since, seen_at, vouched, forgotten_at)
  SELECT $1, n.identity, nullif(n.facts, 'null'), n.native_driver, n.pool_id, n.class_name, n.pool_role, n.pool_note, n.unit, n.generation, n.clean_at, n.released_at,
    n.quarantine_generation, n.quarantine_code, n.quarantine_sentence, CASE WHEN n.missing THEN now() END, CASE WHEN NOT n.missing AND n.facts IS NOT NULL THEN now() END, n.vouched, CASE WHEN n.forgotten THEN now() END
  FROM jsonb_to_recordset($2::jsonb) AS n(identity text, facts jsonb, native_driver text, pool_id uuid, class_name text, pool_role text, pool_note text, unit text,
    generation integer, clean_at integer, released_at integer, quarantine_generation integer, quarantine_code text, quarantine_sentence text, missing boolean, vouched bigint, forgotten boolean)
  ORDER BY n.identity COLLATE "C"
  ON CONFLICT (host_id, identity) DO UPDATE SET facts = excluded.facts, native_driver = excluded.native_driver, pool_id = excluded.pool_id, class_name = excluded.class_name,
    pool_role = excluded.pool_role, pool_note = excluded.pool_note, unit = excluded.unit, generation = excluded.generation, clean_at = excluded.clean_at, released_at = excluded.released_at,
    quarantine_generation = excluded.quarantine_generation, quarantine_code = excluded.quarantine_code, quarantine_sentence = excluded.quarantine_sentence,
    missing_since = CASE WHEN excluded.missing_since IS NULL THEN NULL ELSE coalesce(d.missing_since, excluded.missing_since) END, seen_at = coalesce(excluded.seen_at, d.seen_at),
    vouched = excluded.vouched, forgotten_at = CASE WHEN excluded.forgotten_at IS NULL THEN NULL ELSE coalesce(d.forgotten_at, excluded.forgotten_at) END`;

export const toStock = (row: RawStock): StockDevice => ({
  id: row.id, identity: row.identity, facts: row.facts, nativeDriver: row.native_driver, poolId: row.pool_id, className: row.class_name, role: row.pool_role, note: row.pool_note, unit: row.unit,
  generation: row.generation, cleanAt: row.clean_at, releasedAt: row.released_at, vouched: row.vouched, forgotten: row.forgotten,
  quarantine: row.quarantine_generation === null ? null : { generation: row.quarantine_generation, code: row.quarantine_code!, sentence: row.quarantine_sentence! },
  missing: row.missing, fenced: row.fenced, lastHolder: row.last_holder, lastClass: row.last_class,
  holder: row.holder === null ? null : { instanceId: row.holder, generation: row.holder_generation!, className: row.holder_class!, purpose: row.holder_purpose! },
});

/** The policy in one order, so that the same one reads the same. */
export const toPool = (row: RawPool): DevicePool => {
  const { trust, spoofCheck, minTxMbps, maxTxMbps, vlans, macPrefix } = row.policy;
  return {
    id: row.id, name: row.name, className: row.class_name, mode: row.mode, match: row.match, vfCount: row.vf_count, driver: row.driver,
    policy: { trust, spoofCheck, minTxMbps, maxTxMbps, vlans, macPrefix }, physicalNetwork: row.physical_network, groupTogether: row.group_together,
  };
};
export const toClass = (row: RawClass): DeviceClass => ({ name: row.name, description: row.description, match: row.match, numaPolicy: row.numa_policy, attach: row.attach, sanitizer: row.sanitizer });
