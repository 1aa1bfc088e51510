import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, HOT, type Database } from '#libs/db';
import type { InstanceRow } from '../instances/instance-row.js';
import type { FactColumns } from '../lifecycle/facts-of-row.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { LIMITS } from '../limits.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { noteOf } from '../timeline/decide/notes.js';
import type { Booking } from './decide/book-report.js';

/** What judging an observation needs of a row; not its user data, which may be long. */
export type ObservedRow = FactColumns & Pick<InstanceRow, 'id' | 'version'>;

export interface Booked { id: string; wake: boolean; leased: boolean }

/**
 * What hosts saw, written into the rows of their instances: a whole batch in one statement. `IS NOT DISTINCT FROM` the host keeps
 * plans, which are made once for any values, at the servers' ids: not at all that the host has.
 */
@Injectable()
export class ObservationsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly bell: LoopBell, @Inject(TEMPO) private readonly tempo: Tempo) {}

  /** Is the host fenced, and the rows of these ids that are on it and not finished: of one moment. */
  async look(hostId: string, ids: readonly string[]): Promise<{ fenced: boolean; rows: ObservedRow[] }> {
    const { rows } = await this.db.pool.query<ObservedRow & { fenced: boolean }>(`${HOT}
      SELECT f.fenced_at IS NOT NULL AS fenced, id, intent, withdrawn, generation, spec_generation, reboot_count, step, i.host_id, host_name, observed_state, observed_generation,
        observed_reboot_count, observed, waited_ms, attempts, last_error, launched_at, deleted_at, version,
        disk_generation, rebuilding, hold, move_kind, move_phase, elsewhere, attachments
      FROM (SELECT 1) one LEFT JOIN compute.host_feeds f ON f.host_id = $2
        LEFT JOIN compute.instances i ON i.id = ANY($1::uuid[]) AND i.host_id IS NOT DISTINCT FROM $2 AND i.deleted_at IS NULL`, [ids, hostId]);
    return { fenced: rows[0]?.fenced ?? false, rows: rows.filter(({ id }) => (id as string | null) !== null) };
  }

  async rows(hostId: string, ids: readonly string[]): Promise<ObservedRow[]> { return (await this.look(hostId, ids)).rows; }

  /** Writes those whose version is unchanged, under the host's epoch; gives what was written. Rows are locked in one order. */
  async book(hostId: string, epoch: number, bookings: readonly { row: ObservedRow; booking: Booking; at: string }[], from: { bootId: string; sequence?: number | undefined }): Promise<Booked[]> {
    const column = <T>(of: (entry: (typeof bookings)[number]) => T): T[] => bookings.map(of);
    const events = bookings.map(({ row, booking }) => booking.event ?? noteOf(row, booking));
    const { rows } = await this.db.pool.query<Booked>(`${HOT}
      WITH b AS (
        SELECT * FROM unnest(
          $1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::int[], $6::jsonb[], $7::text[], $8::text[], $9::text[], $10::text[],
          $11::boolean[], $12::boolean[], $13::text[], $14::jsonb[], $15::boolean[], $16::text[], $17::text[]
        ) AS b (id, version, state, generation, reboot_count, observed, step, loop, waiting_for, last_error,
          restart_clock, launched, fault_change, fault, visible, event_kind, event_message)),
      target AS (
        SELECT i.id, i.project_id, i.lease_until, i.host_id, i.host_name, i.move_phase, i.last_request_id FROM compute.instances i JOIN b ON b.id = i.id
        WHERE i.version = b.version AND i.host_id IS NOT DISTINCT FROM $18 AND NOT EXISTS (SELECT 1 FROM compute.host_feeds f WHERE f.host_id = $18 AND f.epoch > $19)
        ORDER BY i.id FOR UPDATE OF i),
      booked AS (
        UPDATE compute.instances i SET
          observed_state = b.state, observed_generation = b.generation, observed_reboot_count = b.reboot_count, observed = b.observed, observed_at = now(),
          step = b.step, waiting_for = b.waiting_for, last_error = b.last_error,
          attempts = CASE WHEN b.loop = 'never' THEN 0 ELSE i.attempts END,
          waited_ms = CASE WHEN b.restart_clock THEN 0 ELSE i.waited_ms END, checked_at = CASE WHEN b.restart_clock THEN now() ELSE i.checked_at END,
          rebuilding = i.rebuilding AND NOT (b.step = 'settled' AND b.launched),
          launched_at = CASE WHEN b.launched THEN coalesce(i.launched_at, now()) ELSE i.launched_at END,
          -- Also when the wish is not met: from its first moment on a guest's disk is not to be made twice.
          launched_disk_generation = CASE WHEN b.launched OR (b.state IN ('running', 'paused', 'suspended') AND (b.observed #>> '{built,diskGeneration}')::int = i.disk_generation)
            THEN i.disk_generation ELSE i.launched_disk_generation END,
          fault = CASE b.fault_change WHEN 'set' THEN b.fault WHEN 'clear' THEN NULL ELSE i.fault END,
          -- While something of it is elsewhere, that may be proven gone by now and not looked at yet: a wake is not taken back.
          reconcile_at = CASE b.loop WHEN 'now' THEN now() WHEN 'later' THEN now() + $20 * interval '1 millisecond' WHEN 'never' THEN CASE WHEN i.elsewhere > 0 THEN i.reconcile_at END ELSE i.reconcile_at END,
          lease_owner = CASE WHEN b.loop = 'now' AND coalesce(t.lease_until, '-infinity') < now() THEN $21 WHEN b.loop = 'never' THEN NULL ELSE i.lease_owner END,
          lease_until = CASE WHEN b.loop = 'now' AND coalesce(t.lease_until, '-infinity') < now() THEN now() + $22 * interval '1 millisecond'
            WHEN b.loop = 'never' THEN NULL ELSE i.lease_until END,
          version = i.version + 1, updated_at = CASE WHEN b.visible THEN now() ELSE i.updated_at END
        FROM target t JOIN b ON b.id = t.id WHERE i.id = t.id
        RETURNING i.id, b.loop = 'now' AS wake, b.loop = 'now' AND coalesce(t.lease_until, '-infinity') < now() AS leased),
      told AS (
        INSERT INTO compute.instance_events (instance_id, project_id, host_id, host_name, step, phase, kind, message, request_id, detail)
        SELECT t.id, t.project_id, t.host_id, t.host_name, b.step, t.move_phase, b.event_kind, b.event_message, t.last_request_id, b.fault->>'details' FROM target t JOIN b ON b.id = t.id WHERE b.event_kind IS NOT NULL)
      SELECT * FROM booked`, [
      column(({ row }) => row.id), column(({ row }) => row.version),
      column(({ booking }) => booking.observed.state), column(({ booking }) => booking.observed.generation), column(({ booking }) => booking.observed.rebootCount),
      column(({ row, booking: { observed } }) => JSON.stringify({
        startedAtMs: observed.startedAtMs, doing: observed.doing, error: observed.error, frozen: observed.frozen ?? row.observed?.frozen,
        ...(observed.built !== undefined && { built: observed.built }), ...(observed.savedMemory === true && { savedMemory: true }), ...(observed.devices !== undefined && { devices: observed.devices }),
        ...(from.sequence !== undefined && { reported: { bootId: from.bootId, sequence: from.sequence } }),
      })),
      column(({ booking }) => booking.step), column(({ booking }) => booking.loop), column(({ booking }) => booking.waitingFor), column(({ booking }) => booking.lastError),
      column(({ booking }) => booking.restartClock), column(({ booking }) => booking.launched),
      column(({ booking: { fault } }) => (fault === undefined ? 'keep' : fault === null ? 'clear' : 'set')),
      column(({ booking: { fault }, at }) => (fault ? JSON.stringify({ code: fault.code, message: fault.message, details: fault.details, createdAt: at }) : null)),
      column(({ row, booking }) => booking.step !== row.step || booking.observed.state !== row.observed_state),
      events.map((event) => event?.kind ?? null), events.map((event) => event?.message ?? null),
      hostId, epoch, this.tempo.waitTickMs, this.bell.owner, this.tempo.leaseMs,
    ]);
    return rows;
  }

  /** Domains nobody here asked for: shown, never touched. Written when new (of each host only so many), and now and then that they are still there. */
  async noteOrphans(hostId: string, orphans: readonly { uuid: string; name: string }[]): Promise<void> {
    if (orphans.length === 0) return;
    await this.db.pool.query(`
      INSERT INTO compute.orphans AS o (host_id, domain_uuid, name)
      SELECT DISTINCT ON (e.uuid) $1::uuid, e.uuid, e.name FROM unnest($2::uuid[], $3::text[]) AS e (uuid, name)
      WHERE EXISTS (SELECT FROM compute.orphans k WHERE k.host_id = $1 AND k.domain_uuid = e.uuid) OR (SELECT count(*) FROM compute.orphans k WHERE k.host_id = $1) < $4
      ORDER BY e.uuid
      ON CONFLICT (host_id, domain_uuid) DO UPDATE SET name = excluded.name, last_seen_at = now()
        WHERE o.last_seen_at < now() - interval '5 minutes' OR o.name <> excluded.name`, [hostId, orphans.map(({ uuid }) => uuid), orphans.map(({ name }) => name), LIMITS.orphansOfHost]);
  }

  /** Notes of orphans that nobody has seen for so long go, the oldest first. Gives how many. */
  async forgetOrphans(olderThanMs: number, atMost: number): Promise<number> {
    return (await this.db.pool.query(`
      DELETE FROM compute.orphans WHERE (host_id, domain_uuid) IN (
        SELECT host_id, domain_uuid FROM compute.orphans WHERE last_seen_at < now() - $1 * interval '1 millisecond' ORDER BY last_seen_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, [olderThanMs, atMost])).rowCount ?? 0;
  }
}
