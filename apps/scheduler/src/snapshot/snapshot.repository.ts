import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { deviceRowOf, type ClassRow, type DeviceRow, type DeviceTuple, type PoolRow } from '../decide/devices/device-row.js';
import type { Claimed, HostMake, HostRow } from '../decide/host-row.js';
import { makeOf, type StoredInventory } from '../decide/make.js';
import { LIMITS } from '../limits.js';
import { Turns } from '../turns.js';
import { capacityOfRow, type CapacityColumns } from './capacity-row.js';

export interface FeedRow extends HostRow {
  hypervisorUp: boolean;
  /** Its agent answers echoes. */
  echoes: boolean;
  /** Since when it has been booked as not there; null: it is there. */
  lostBooked: boolean;
  /** Changed since `makesSince`: nobody could know it yet. */
  fresh: boolean;
  /** Milliseconds since the stored beat, on the database's clock; null: never seen. */
  silentMs: number | null;
}

export interface FeedRead {
  /** Give it back as `since`: every change this read did not see has a transaction id at or above it. */
  next: string;
  /** The database's time at which the read began: it holds all that was committed before. Epoch milliseconds. */
  atMs: number;
  /** Rises with every change of an aggregate. */
  aggregates: number;
  /** Rises with every change of a device class or pool. */
  deviceSettings: number;
  rows: FeedRow[];
}

interface Raw extends CapacityColumns {
  next: string; at_ms: number; aggregates: number; device_settings: number; id: string | null; name: string; availability_zone: string; only_when_asked: boolean; enabled: boolean;
  disabled_reason: string | null; boot_id: string | null; generation: number; hypervisor_up: boolean | null; silent_ms: number | null; echoes: boolean; lost_booked: boolean | null;
  make_key: string | null; make_changed: boolean; capabilities: string[]; exact: Claimed | null; devices: number; device_versions: number; changed_devices: DeviceTuple[] | null; fresh: boolean;
}

/** Read everything. */
export const EVERYTHING = '0';

/** Reads hosts for the snapshot. */
@Injectable()
export class SnapshotRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** By key and capabilities, as many as there are hosts of different make. */
  #makes = new Map<string, HostMake>();

  /**
   * Hosts whose rows changed since an earlier read; all for EVERYTHING. Sequence numbers are not commit order: a row
   * may commit after a later one was read. So a read goes from the oldest transaction that was still running at the
   * previous one, in one statement whose snapshot is also the one that names the next start: some rows come twice,
   * none is skipped. How hosts are made is large, changes seldom and is the same for many: it comes for those that changed
   * since `makesSince`, and is read once for all hosts of one make.
   */
  async read(since: string, makesSince: string): Promise<FeedRead> {
    const all = since === EVERYTHING;
    const rows = all ? await this.#all(makesSince)
      : (await this.db.pool.query<Raw>({ name: 'scheduler-feed-changes', text: feed(CHANGED, EACH_EXACT), values: [makesSince, since] })).rows;
    const first = rows[0]!;
    const hosts = rows.filter((row) => row.id !== null);
    const turns = new Turns();
    await this.#learnMakes(hosts, all && makesSince === EVERYTHING, turns);
    return { next: first.next, atMs: first.at_ms, aggregates: first.aggregates, deviceSettings: first.device_settings, rows: await turns.map(hosts, (row) => toRow(row, row.make_changed ? this.#makes.get(kindOf(row)) ?? null : null)) };
  }

  /** Of one statement as well, but some at a time: the rows of ten thousand hosts at once are read by a client that does nothing else for long. */
  #all(makesSince: string): Promise<Raw[]> {
    return this.db.transaction(async (client) => {
      // All of it is wanted, not its beginning soon.
      await client.query('SET LOCAL cursor_tuple_fraction = 1');
      await client.query(`DECLARE feed NO SCROLL CURSOR FOR ${feed('', ALL_EXACT)}`, [makesSince]);
      const rows: Raw[] = [];
      for (;;) {
        const { rows: some } = await client.query<Raw>(`FETCH ${LIMITS.feedRows} FROM feed`);
        rows.push(...some);
        if (some.length < LIMITS.feedRows) return rows;
      }
    });
  }

  /** All devices of these hosts that are in pools, as they are by now. */
  async devicesOf(hostIds: readonly string[]): Promise<Map<string, DeviceRow[]>> {
    const { rows } = await this.db.pool.query<{ host_id: string; devices: DeviceTuple[] | null }>({
      name: 'scheduler-feed-devices', values: [hostIds],
      text: `SELECT h.id AS host_id, (SELECT json_agg(scheduler.device_row(d)) FROM scheduler.devices d WHERE d.host_id = h.id AND scheduler.is_stocked(d.pool_role)) AS devices
        FROM scheduler.hosts h WHERE h.id = ANY ($1::uuid[])`,
    });
    return new Map(rows.map((row) => [row.host_id, (row.devices ?? []).map(deviceRowOf)]));
  }

  /** Device classes and pools: few, and read when they change. */
  async deviceSettings(): Promise<{ pools: PoolRow[]; classes: ClassRow[] }> {
    const { rows: pools } = await this.db.pool.query<PoolRow>(`
      SELECT id, name, class_name AS "className", physical_network AS "physicalNetwork", group_together AS "groupTogether",
        coalesce(policy -> 'vlans', '[]') AS vlans, coalesce(policy ->> 'macPrefix', 'fa:16:3e') AS "macPrefix" FROM scheduler.device_pools`);
    const { rows: classes } = await this.db.pool.query<ClassRow>('SELECT name, numa_policy AS "numaPolicy", attach FROM scheduler.device_classes');
    return { pools, classes };
  }

  /** A make that is gone by now belongs to a host that has changed since: the next read brings that. */
  async #learnMakes(hosts: readonly Raw[], anew: boolean, turns: Turns): Promise<void> {
    if (anew) this.#makes = new Map();
    const unknown = new Map<string, Raw>();
    await turns.map(hosts, (host) => { if (host.make_changed && host.make_key !== null && !this.#makes.has(kindOf(host))) unknown.set(kindOf(host), host); });
    if (unknown.size === 0) return;
    const { rows } = await this.db.pool.query<{ make_key: string; make: StoredInventory }>({
      name: 'scheduler-makes', values: [[...new Set([...unknown.values()].map((host) => host.make_key))]],
      text: `SELECT key AS make_key, one.make FROM unnest($1::uuid[]) key, LATERAL (SELECT scheduler.make_of(h.inventory) AS make FROM scheduler.hosts h WHERE h.make_key = key LIMIT 1) one`,
    });
    const stored = new Map(rows.map((row) => [row.make_key, row.make]));
    for (const [kind, { make_key: key, capabilities }] of unknown) {
      const make = stored.get(key!);
      if (make !== undefined) this.#makes.set(kind, makeOf(make, capabilities, 0));
    }
  }
}

const kindOf = ({ make_key: key, capabilities }: Raw): string => `${key} ${capabilities.join()}`;

const CHANGED = `JOIN (SELECT id FROM scheduler.hosts WHERE changed_xid >= $2::xid8
    UNION SELECT host_id FROM scheduler.host_capacity WHERE changed_xid >= $2::xid8) changed ON changed.id = h.id`;

/** What is claimed besides amounts: host by host where few are read, */
const EACH_EXACT = {
  columns: 'CASE WHEN c.used_exact > 0 THEN scheduler.exact_usage(h.id) END AS exact', joins: '',
  devices: '(SELECT json_agg(scheduler.device_row(d)) FROM scheduler.devices d WHERE d.host_id = h.id AND d.changed_xid >= $2::xid8) AS changed_devices',
};
/** and in the same words for all hosts in one go, which for ten thousand is a tenth of the time. */
const ALL_EXACT = {
  columns: `CASE WHEN c.used_exact > 0 THEN json_build_object('cpus', coalesce(e_cpus.cpus, '[]'), 'cells', coalesce(e_cells.cells, '[]'), 'resources', coalesce(e_resources.resources, '{}')) END AS exact`,
  devices: 'e_devices.changed_devices',
  joins: `
    LEFT JOIN (SELECT host_id, json_agg(cpu) AS cpus FROM scheduler.claimed_cpus GROUP BY host_id) e_cpus ON e_cpus.host_id = h.id
    LEFT JOIN (SELECT host_id, json_agg(json_build_object('id', cell, 'memoryMib', memory_mib, 'pages', pages)) AS cells FROM (
      SELECT host_id, cell, coalesce(sum(used) FILTER (WHERE page_kib = 4), 0) / 1024 AS memory_mib,
        coalesce(json_agg(json_build_object('kib', page_kib, 'used', used / page_kib)) FILTER (WHERE page_kib <> 4), '[]') AS pages
      FROM scheduler.cell_memory WHERE used > 0 GROUP BY host_id, cell) by_cell GROUP BY host_id) e_cells ON e_cells.host_id = h.id
    LEFT JOIN (SELECT host_id, json_object_agg(class, used) AS resources FROM scheduler.host_resources WHERE used > 0 GROUP BY host_id) e_resources ON e_resources.host_id = h.id
    LEFT JOIN (SELECT host_id, json_agg(scheduler.device_row(d)) AS changed_devices FROM scheduler.devices d WHERE changed_xid >= $1::xid8 AND $1::xid8 <> '0' GROUP BY host_id) e_devices ON e_devices.host_id = h.id`,
};

const feed = (which: string, exact: typeof ALL_EXACT): string => `
  SELECT s.next, s.at_ms, s.aggregates, s.device_settings, r.*
  FROM (SELECT (SELECT version::float8 FROM scheduler.aggregate_changes) AS aggregates, (SELECT version::float8 FROM scheduler.device_changes) AS device_settings, pg_snapshot_xmin(pg_current_snapshot())::text AS next, (extract(epoch FROM now()) * 1000)::float8 AS at_ms) s
  LEFT JOIN (
    SELECT h.id, h.name, h.availability_zone, h.only_when_asked, c.enabled, CASE WHEN h.fenced_at IS NOT NULL THEN 'fenced' WHEN h.open AND NOT c.enabled THEN 'not adopted since the database was restored' ELSE h.disabled_reason END AS disabled_reason, h.boot_id, h.generation::float8 AS generation,
      c.limit_vcpus, c.limit_memory_mib, c.limit_disk_gib, c.largest_vcpus, c.largest_memory_mib,
      c.used_vcpus, c.used_memory_mib, c.used_disk_gib, c.used_pinned_mib, c.devices, c.device_versions::float8 AS device_versions, c.version::float8 AS version,
      h.make_key, h.changed_xid >= $1::xid8 AS make_changed, h.capabilities, ${exact.columns}, ${exact.devices},
      h.changed_xid >= $1::xid8 OR c.changed_xid >= $1::xid8 AS fresh,
      b.hypervisor_up, 'ECHO' = ANY(h.capabilities) AS echoes, b.lost_since IS NOT NULL AS lost_booked, (extract(epoch FROM now() - b.last_seen_at) * 1000)::float8 AS silent_ms
    FROM scheduler.hosts h ${which}
    JOIN scheduler.host_capacity c ON c.host_id = h.id LEFT JOIN scheduler.host_beats b ON b.host_id = h.id${exact.joins}
  ) r ON true`;

const NOTHING: Claimed = { cpus: [], cells: [], resources: {} };

/** Hosts of one make share all of it but its version. */
const toRow = (raw: Raw, make: HostMake | null): FeedRow => ({
  id: raw.id!, name: raw.name, zone: raw.availability_zone, onlyWhenAsked: raw.only_when_asked,
  enabled: raw.enabled, disabledReason: raw.disabled_reason, bootId: raw.boot_id, generation: raw.generation,
  hypervisorUp: raw.hypervisor_up ?? false, echoes: raw.echoes, lostBooked: raw.lost_booked ?? false, silentMs: raw.silent_ms, fresh: raw.fresh,
  make: make && { ...make, version: raw.generation },
  capacity: { ...capacityOfRow(raw), claimed: raw.exact ?? NOTHING },
  devices: { rows: raw.changed_devices === null ? [] : raw.changed_devices.map(deviceRowOf), count: raw.devices, versions: raw.device_versions },
});
