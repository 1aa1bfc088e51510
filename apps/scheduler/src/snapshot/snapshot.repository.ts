import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import type { Claimed, HostRow } from '../decide/host-row.js';
import { makeOf, type StoredInventory } from '../decide/make.js';
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
  rows: FeedRow[];
}

interface Raw extends CapacityColumns {
  next: string; at_ms: number; aggregates: number; id: string | null; name: string; availability_zone: string; only_when_asked: boolean; enabled: boolean;
  disabled_reason: string | null; boot_id: string | null; generation: number; hypervisor_up: boolean | null; silent_ms: number | null; echoes: boolean; lost_booked: boolean | null;
  inventory: StoredInventory | null; capabilities: string[]; exact: Claimed | null; fresh: boolean;
}

/** Read everything. */
export const EVERYTHING = '0';

/** Reads hosts for the snapshot. */
@Injectable()
export class SnapshotRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /**
   * Hosts whose rows changed since an earlier read; all for EVERYTHING. Sequence numbers are not commit order: a row
   * may commit after a later one was read. So a read goes from the oldest transaction that was still running at the
   * previous one, in one statement whose snapshot is also the one that names the next start: some rows come twice,
   * none is skipped. How hosts are made is large and changes seldom: it comes with those that changed since `makesSince`.
   */
  async read(since: string, makesSince: string): Promise<FeedRead> {
    const { rows } = since === EVERYTHING
      ? await this.db.pool.query<Raw>({ name: 'scheduler-feed-all', text: feed(''), values: [makesSince] })
      : await this.db.pool.query<Raw>({ name: 'scheduler-feed-changes', text: feed(CHANGED), values: [makesSince, since] });
    const first = rows[0]!;
    return { next: first.next, atMs: first.at_ms, aggregates: first.aggregates, rows: rows.filter((row) => row.id !== null).map(toRow) };
  }
}

const CHANGED = `JOIN (SELECT id FROM scheduler.hosts WHERE changed_xid >= $2::xid8
    UNION SELECT host_id FROM scheduler.host_capacity WHERE changed_xid >= $2::xid8) changed ON changed.id = h.id`;

const feed = (which: string): string => `
  SELECT s.next, s.at_ms, s.aggregates, r.*
  FROM (SELECT (SELECT version::float8 FROM scheduler.aggregate_changes) AS aggregates, pg_snapshot_xmin(pg_current_snapshot())::text AS next, (extract(epoch FROM now()) * 1000)::float8 AS at_ms) s
  LEFT JOIN (
    SELECT h.id, h.name, h.availability_zone, h.only_when_asked, c.enabled, CASE WHEN h.fenced_at IS NOT NULL THEN 'fenced' WHEN h.open AND NOT c.enabled THEN 'not adopted since the database was restored' ELSE h.disabled_reason END AS disabled_reason, h.boot_id, h.generation::float8 AS generation,
      c.limit_vcpus, c.limit_memory_mib, c.limit_disk_gib, c.largest_vcpus, c.largest_memory_mib,
      c.used_vcpus, c.used_memory_mib, c.used_disk_gib, c.version::float8 AS version,
      CASE WHEN h.changed_xid >= $1::xid8 THEN h.inventory END AS inventory, h.capabilities, CASE WHEN c.used_exact > 0 THEN scheduler.exact_usage(h.id) END AS exact,
      h.changed_xid >= $1::xid8 OR c.changed_xid >= $1::xid8 AS fresh,
      b.hypervisor_up, 'ECHO' = ANY(h.capabilities) AS echoes, b.lost_since IS NOT NULL AS lost_booked, (extract(epoch FROM now() - b.last_seen_at) * 1000)::float8 AS silent_ms
    FROM scheduler.hosts h ${which}
    JOIN scheduler.host_capacity c ON c.host_id = h.id LEFT JOIN scheduler.host_beats b ON b.host_id = h.id
  ) r ON true`;

const NOTHING: Claimed = { cpus: [], cells: [], resources: {} };

const toRow = (raw: Raw): FeedRow => ({
  id: raw.id!, name: raw.name, zone: raw.availability_zone, onlyWhenAsked: raw.only_when_asked,
  enabled: raw.enabled, disabledReason: raw.disabled_reason, bootId: raw.boot_id, generation: raw.generation,
  hypervisorUp: raw.hypervisor_up ?? false, echoes: raw.echoes, lostBooked: raw.lost_booked ?? false, silentMs: raw.silent_ms, fresh: raw.fresh,
  make: raw.inventory && makeOf(raw.inventory, raw.capabilities, raw.generation),
  capacity: { ...capacityOfRow(raw), claimed: raw.exact ?? NOTHING },
});
