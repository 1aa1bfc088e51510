import { Inject, Injectable } from '@nestjs/common';
import { HostDevice, type DeviceCounts, type DeviceEvent, type DeviceView, type OutputOf, type deviceHistory, type listDevices, type ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { reasonOf, stateOf, STATE_SQL } from './decide/state.js';
import { STOCK, toClass, toPool, toStock } from './devices.repository.js';

type Problem = { poolId: string; identity: string; code: string; sentence: string };
type RawStock = Parameters<typeof toStock>[0];
interface RawView extends RawStock { host_name: string; pool_name: string | null; seen_at: Date | null; reported_at: Date | null; first_seen_at: Date; problem: string | null }
type Marker = OutputOf<typeof listDevices>['next'];

const VIEW = STOCK.replace('FROM scheduler.devices d', `, h.name AS host_name, p.name AS pool_name, d.seen_at, d.first_seen_at, x.reported_at,
    (SELECT q ->> 'sentence' FROM jsonb_array_elements(x.problems) q WHERE q ->> 'identity' IN (d.identity, d.pf_identity) LIMIT 1) AS problem
  FROM scheduler.devices d JOIN scheduler.hosts h ON h.id = d.host_id LEFT JOIN scheduler.device_pools p ON p.id = d.pool_id LEFT JOIN scheduler.device_hosts x ON x.host_id = d.host_id`);

/** Units by class or pool and host, each in one state: what stands in the way of one of its functions does so for all. */
const counts = (by: 'class_name' | 'pool_id'): string => `
  WITH units AS (
    SELECT d.${by} AS key, d.host_id, d.unit,
      CASE WHEN bool_or(s.state IN ('claimed', 'in-use')) THEN 'claimed' WHEN bool_or(s.state = 'quarantined') THEN 'quarantined' WHEN bool_or(s.state = 'missing') THEN 'missing'
        WHEN bool_or(s.state = 'scrubbing') THEN 'scrubbing' WHEN bool_and(s.state = 'available') THEN 'available' ELSE 'unusable' END AS state
    FROM scheduler.devices d LEFT JOIN scheduler.device_claims c ON c.device_id = d.id, LATERAL (SELECT ${STATE_SQL} AS state) s
    WHERE d.${by} IS NOT NULL AND d.pool_role <> 'keeper' GROUP BY 1, 2, 3
  ), hosts AS (
    SELECT key, host_id, count(*) AS total, count(*) FILTER (WHERE state = 'available') AS available, count(*) FILTER (WHERE state = 'claimed') AS claimed, count(*) FILTER (WHERE state = 'scrubbing') AS scrubbing,
      count(*) FILTER (WHERE state = 'quarantined') AS quarantined, count(*) FILTER (WHERE state = 'unusable') AS unusable, count(*) FILTER (WHERE state = 'missing') AS missing FROM units GROUP BY 1, 2
  )
  SELECT key::text, sum(total)::int AS total, sum(available)::int AS available, sum(claimed)::int AS claimed, sum(scrubbing)::int AS scrubbing, sum(quarantined)::int AS quarantined,
    sum(unusable)::int AS unusable, sum(missing)::int AS missing, count(*)::int AS hosts, max(total)::int AS "mostPerHost", max(available)::int AS "mostAvailablePerHost"
  FROM hosts GROUP BY 1`;

export const NO_COUNTS: DeviceCounts = { total: 0, available: 0, claimed: 0, scrubbing: 0, quarantined: 0, unusable: 0, missing: 0, hosts: 0, mostPerHost: 0, mostAvailablePerHost: 0 };

/** Devices, classes and pools for people. Reads only. */
@Injectable()
export class DeviceViewsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async counts(by: 'class_name' | 'pool_id'): Promise<Map<string, DeviceCounts>> {
    const { rows } = await this.db.pool.query<DeviceCounts & { key: string }>(counts(by));
    return new Map(rows.map(({ key, ...one }) => [key, one]));
  }

  async classes(name: string | null) {
    const { rows } = await this.db.pool.query<Parameters<typeof toClass>[0] & { created_at: Date; updated_at: Date | null; pools: string[] }>(
      `SELECT c.*, ARRAY(SELECT p.name FROM scheduler.device_pools p WHERE p.class_name = c.name ORDER BY p.name) AS pools FROM scheduler.device_classes c WHERE $1::text IS NULL OR c.name = $1 ORDER BY c.name`, [name]);
    return rows.map((row) => ({ ...toClass(row), pools: row.pools, createdAt: row.created_at.toISOString(), updatedAt: row.updated_at?.toISOString() ?? null }));
  }

  async pools({ id, name, className }: { id?: string | undefined; name?: string | undefined; className?: string | undefined }) {
    const { rows } = await this.db.pool.query<Parameters<typeof toPool>[0] & { created_at: Date; updated_at: Date | null; problems: (Problem & { hostName: string })[] | null }>(
      `SELECT p.*, (SELECT json_agg(q) FROM (SELECT h.name AS "hostName", e ->> 'identity' AS identity, e ->> 'code' AS code, e ->> 'sentence' AS sentence
          FROM scheduler.device_hosts x JOIN scheduler.hosts h ON h.id = x.host_id, jsonb_array_elements(x.problems) e WHERE e ->> 'poolId' = p.id::text
          -- Held back by what is defined, which nobody need have written for it: a label that brought a host into a second pool, a card that was put in.
          UNION ALL SELECT h.name, d.identity, 'withheld', coalesce(d.pool_note, '') FROM scheduler.devices d JOIN scheduler.hosts h ON h.id = d.host_id
          WHERE d.pool_id = p.id AND d.pool_role = 'withheld' AND d.kind <> 'vf' AND d.missing_since IS NULL ORDER BY 1, 2 LIMIT 100) q) AS problems
       FROM scheduler.device_pools p WHERE ($1::uuid IS NULL OR p.id = $1) AND ($2::text IS NULL OR p.name = $2) AND ($3::text IS NULL OR p.class_name = $3) ORDER BY p.name`, [id ?? null, name ?? null, className ?? null]);
    return rows.map((row) => ({ ...toPool(row), createdAt: row.created_at.toISOString(), updatedAt: row.updated_at?.toISOString() ?? null, problems: row.problems ?? [] }));
  }

  async list(asked: Omit<ReceivedBy<typeof listDevices>, never>): Promise<{ devices: DeviceView[]; next: Marker }> {
    const { rows } = await this.db.pool.query<RawView>(`${VIEW} WHERE ($1::uuid IS NULL OR d.id = $1) AND ($2::uuid IS NULL OR d.host_id = $2) AND ($3::text IS NULL OR h.name = $3)
        AND ($4::text IS NULL OR d.class_name = $4) AND ($5::uuid IS NULL OR d.pool_id = $5) AND ($6::text[] IS NULL OR ${STATE_SQL} = ANY ($6)) AND ($7::text IS NULL OR d.kind = $7)
        AND ($8::uuid IS NULL OR c.instance_id = $8 OR d.used_by = $8) AND ($9::text IS NULL OR d.identity = $9 OR d.address = $9) AND ($10::text IS NULL OR d.pf_identity = $10)
        AND ($11::text IS NULL OR h.name > $11 OR (h.name = $11 AND d.identity > $12))
      ORDER BY h.name, d.identity LIMIT $13`, [
      asked.id ?? null, asked.hostId ?? null, asked.hostName ?? null, asked.className ?? null, asked.poolId ?? null, asked.state ?? null, asked.kind ?? null, asked.holder ?? null, asked.device ?? null, asked.pf ?? null,
      asked.after?.hostName ?? null, asked.after?.identity ?? null, asked.limit + 1]);
    const devices: DeviceView[] = [];
    let bytes = 0;
    for (const row of rows.slice(0, asked.limit)) {
      const view = toView(row);
      bytes += Buffer.byteLength(JSON.stringify(view));
      if (devices.length > 0 && bytes > LIMITS.deviceListBytes) break;
      devices.push(view);
    }
    const last = devices.at(-1);
    return { devices, next: last !== undefined && devices.length < rows.length ? { hostName: last.host.name, identity: last.device.identity } : null };
  }

  /** In the order of identities. seen: its host has told of it. */
  async ofHost(hostId: string, limit: number): Promise<{ view: DeviceView; seen: boolean }[]> {
    const { rows } = await this.db.pool.query<RawView>(`${VIEW} WHERE d.host_id = $1 ORDER BY d.identity LIMIT $2`, [hostId, limit]);
    return rows.map((row) => ({ view: toView(row), seen: row.facts !== null }));
  }

  async history({ deviceId, instanceId, before, limit }: ReceivedBy<typeof deviceHistory>): Promise<OutputOf<typeof deviceHistory>> {
    const [beforeAt, beforeId] = before === null ? [null, null] : readBefore(before);
    const which = `${deviceId === undefined ? '$1::uuid IS NULL' : 'e.device_id = $1'} AND ${instanceId === undefined ? '$2::uuid IS NULL' : 'e.instance_id = $2'}`;
    const { rows } = await this.db.pool.query<{ id: string; at: Date; at_text: string; device_id: string; host_id: string; identity: string; kind: string; generation: number; instance_id: string | null; message: string; user_id: string | null; user_name: string | null; request_id: string | null }>(
      `SELECT e.id::text, e.at, (e.at AT TIME ZONE 'UTC')::text || '+00' AS at_text, e.device_id, e.host_id, e.identity, e.kind, e.generation, e.instance_id, e.message, e.user_id, e.user_name, e.request_id FROM scheduler.device_history e
       WHERE ${which} AND ($3::timestamptz IS NULL OR (e.at, e.id) < ($3, $4::bigint)) ORDER BY e.at DESC, e.id DESC LIMIT $5`, [deviceId ?? null, instanceId ?? null, beforeAt, beforeId ?? null, limit + 1]);
    const holders = before !== null ? [] : (await this.db.pool.query<{ device_id: string; instance_id: string; generation: number; since: Date; until: Date | null }>(
      `SELECT e.device_id, e.instance_id, e.generation, min(e.at) AS since, CASE WHEN NOT EXISTS (SELECT FROM scheduler.device_claims c WHERE c.device_id = e.device_id AND c.generation = e.generation AND c.instance_id = e.instance_id) THEN
          (SELECT min(r.at) FROM scheduler.device_history r WHERE r.device_id = e.device_id AND r.kind = 'released' AND r.generation >= e.generation AND r.instance_id = e.instance_id AND r.at >= min(e.at)) END AS until
       FROM scheduler.device_history e WHERE ${which} AND e.kind IN ('claimed', 'rescanned') AND e.instance_id IS NOT NULL GROUP BY e.device_id, e.instance_id, e.generation ORDER BY since DESC LIMIT $3`, [deviceId ?? null, instanceId ?? null, limit])).rows;
    const events = rows.slice(0, limit).map((row): DeviceEvent => ({
      at: row.at.toISOString(), deviceId: row.device_id, hostId: row.host_id as DeviceEvent['hostId'], identity: row.identity, kind: row.kind, generation: row.generation,
      instanceId: row.instance_id as DeviceEvent['instanceId'], message: row.message, userId: row.user_id, userName: row.user_name, requestId: row.request_id,
    }));
    const last = rows[limit - 1];
    return {
      events, next: rows.length > limit && last !== undefined ? `${last.at_text}~${last.id}` : null,
      holders: holders.map((row) => ({ deviceId: row.device_id, instanceId: row.instance_id as never, generation: row.generation, since: row.since.toISOString(), until: row.until?.toISOString() ?? null })),
    };
  }
}

/** As PostgreSQL writes a time in UTC, and a row's number. @throws SkyError `bad-request` */
function readBefore(text: string): [at: string, id: string] {
  const [, at = '', id = ''] = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)\+00~(\d{1,18})$/.exec(text) ?? [];
  const read = new Date(`${at.slice(0, 10)}T${at.slice(11, 19)}Z`);
  if (Number.isNaN(read.getTime()) || read.toISOString().slice(0, 10) !== at.slice(0, 10)) throw badRequest('`before` is not one: give what `next` of the last page said, unchanged.');
  return [`${at}+00`, id];
}

/** Of a row that only a claim tells of. */
const UNSEEN = { address: '0000:00:00.0', identityStrength: 'weak', kind: 'function', vendor: '0000', product: '0000', pciClass: '000000', driver: null, numaNode: null, iommuGroup: null, pf: null, sriov: null, network: null } as const;

export function toView(row: RawView): DeviceView {
  const stock = toStock(row);
  const seen = stock.missing ? row.seen_at : row.reported_at ?? row.seen_at;
  return {
    id: row.id, host: { id: row.host_id as DeviceView['host']['id'], name: row.host_name },
    device: HostDevice.parse(stock.facts ?? { ...UNSEEN, identity: row.identity }), state: stateOf(stock), reason: reasonOf(stock, row.host_name, row.problem),
    className: stock.className, pool: row.pool_id === null || row.pool_name === null ? null : { id: row.pool_id, name: row.pool_name },
    generation: stock.generation, holder: (stock.holder?.instanceId ?? null) as DeviceView['holder'], seenAt: (seen ?? row.first_seen_at).toISOString(),
  };
}
