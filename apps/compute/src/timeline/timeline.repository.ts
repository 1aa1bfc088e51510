import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import type { TimelineRow } from './decide/timeline.js';

export interface Position { xid: string; id: string }
export interface ChangeRow extends Position { kind: string; instance_id: string; project_id: string; at: Date; request_id: string | null }

/** compute.instance_events: read as one server's history, and as the outbox of everything in the order of commits. */
@Injectable()
export class TimelineRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The newest `limit` rows of an instance in the order in which they were written (its row is locked meanwhile, so ids are that order). */
  async rows(instanceId: string, limit: number): Promise<TimelineRow[]> {
    const { rows } = await this.db.pool.query<Omit<TimelineRow, 'at'> & { at: Date }>(`
      SELECT at, kind, message, detail, request_id AS "requestId", user_id AS "userId", project_id AS "projectId", step, phase, host_id AS "hostId", host_name AS "hostName"
      FROM compute.instance_events WHERE instance_id = $1 ORDER BY id DESC LIMIT $2`, [instanceId, limit]);
    return rows.reverse().map((row) => ({ ...row, at: { iso: row.at.toISOString(), ms: row.at.getTime() } }));
  }

  /**
   * What was committed after `after`, up to the oldest transaction that still runs: whatever commits later has a higher
   * transaction id than everything given here, or was running and is waited for.
   */
  async changes(after: Position, limit: number): Promise<{ rows: ChangeRow[]; horizon: string }> {
    const { rows } = await this.db.pool.query<ChangeRow & { horizon: string }>(`
      WITH now_at AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS horizon)
      SELECT now_at.horizon::text, e.* FROM now_at LEFT JOIN LATERAL (
        SELECT xid::text, id::text, kind, instance_id, project_id, at, request_id FROM compute.instance_events
        WHERE (xid, id) > ($1::text::xid8, $2::bigint) AND xid < now_at.horizon ORDER BY compute.instance_events.xid, compute.instance_events.id LIMIT $3) e ON true`, [after.xid, after.id, limit]);
    return { rows: rows.filter((row) => row.id !== null), horizon: rows[0]?.horizon ?? after.xid };
  }

  async horizon(): Promise<string> {
    const { rows } = await this.db.pool.query<{ horizon: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon');
    return rows[0]?.horizon ?? '0';
  }

  /** Can one go on from there: nothing after it was dropped by age, and it is no position of a future that never was. */
  async holds(position: Position, keepDays: number): Promise<boolean> {
    const { rows } = await this.db.pool.query<{ ok: boolean }>(`
      SELECT $1::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) AND (
        (SELECT created_at > now() - make_interval(days => $2) FROM control.cell LIMIT 1)
        OR coalesce((SELECT xid FROM compute.instance_events ORDER BY xid, id LIMIT 1) <= $1::text::xid8, true)) AS ok`, [position.xid, keepDays]);
    return rows[0]?.ok === true;
  }

  /** Partitions ahead made, old ones dropped; by a function of the tables' owner, for this app may not. Gives how many changed. */
  async keepPartitions(monthsAhead: number, keepDays: number): Promise<number> {
    const { rows } = await this.db.pool.query<{ changed: number }>('SELECT compute.keep_event_partitions($1, $2) AS changed', [monthsAhead, keepDays]);
    return rows[0]?.changed ?? 0;
  }

  get incarnation(): number { return this.db.incarnation; }
}
