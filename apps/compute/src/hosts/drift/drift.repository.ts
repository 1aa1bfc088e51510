import { Inject, Injectable } from '@nestjs/common';
import { auditPart } from '#libs/audit';
import type { Caller, DesiredInstance, DriftEntry } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';

export interface DriftRow { host_id: string; host_name: string | null; kind: string; subject_id: string; what: string; since: Date; first_seen_at: Date; orphan: boolean }

/** Kinds that no server of this cloud need have to do with. */
const ORPHANS = ['orphan-domain', 'orphan-files'];

/** compute.drift: what each host says differs now; and orphans on their way out, which are departures that left from nowhere. */
@Injectable()
export class DriftRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The host's whole word, in one statement; a row that stays keeps since when it is there. */
  async replace(hostId: string, entries: readonly DriftEntry[]): Promise<void> {
    await this.db.pool.query(`
      WITH said AS (
        SELECT DISTINCT ON (kind, id) * FROM unnest($2::text[], $3::text[], $4::text[], $5::double precision[]) AS s(kind, id, what, since_ms) ORDER BY kind, id, since_ms),
      over AS (DELETE FROM compute.drift d WHERE d.host_id = $1 AND NOT EXISTS (SELECT 1 FROM said WHERE said.kind = d.kind AND said.id = d.subject_id))
      INSERT INTO compute.drift AS d (host_id, kind, subject_id, what, since) SELECT $1, kind, id, what, to_timestamp(since_ms / 1000) FROM said
      ON CONFLICT (host_id, kind, subject_id) DO UPDATE SET what = excluded.what WHERE d.what <> excluded.what`,
    [hostId, entries.map(({ kind }) => kind), entries.map(({ id }) => id), entries.map(({ what }) => what), entries.map(({ sinceMs }) => sinceMs)]);
  }

  async list(hostId: string | null, limit: number): Promise<DriftRow[]> {
    const { rows } = await this.db.pool.query<DriftRow>(`
      SELECT d.*, (SELECT i.host_name FROM compute.instances i WHERE i.host_id = d.host_id AND i.host_name IS NOT NULL LIMIT 1) AS host_name, d.kind = ANY($3) AS orphan
      FROM compute.drift d WHERE $1::uuid IS NULL OR d.host_id = $1 ORDER BY d.first_seen_at, d.host_id, d.subject_id, d.kind LIMIT $2`, [hostId, limit, ORPHANS]);
    return rows;
  }

  /**
   * Tells the host `deleted` for an id that is nobody's there, in one statement. Gives why not: what of ours is there, that the
   * host is not adopted since a restore, or that it never said it has it.
   */
  async clean(hostId: string, id: string, entry: DesiredInstance, by: Caller, statement: string): Promise<'told' | 'ours' | 'not-adopted' | 'unknown'> {
    const record = auditPart(by, { service: 'compute', action: 'drift:clean', target: { kind: 'orphan', id }, detail: { hostId, statement } }, 'told', 6);
    const { rows } = await this.db.pool.query<{ ours: boolean; foreign: boolean; told: boolean }>(`
      WITH alien AS (SELECT 1 FROM compute.host_feeds WHERE host_id = $1 AND adopted_incarnation <> $6),
      ours AS (
        SELECT 1 FROM compute.instances WHERE id = $2 AND host_id = $1 AND deleted_at IS NULL
        UNION ALL SELECT 1 FROM compute.migrations m WHERE m.instance_id = $2 AND (m.other_host_id = $1 OR (m.finished_at IS NULL AND $1 IN (m.source_host_id, m.dest_host_id)))),
      said AS (
        SELECT 1 FROM compute.drift WHERE host_id = $1 AND subject_id = $2::text AND kind = ANY($4)
        UNION ALL SELECT 1 FROM compute.orphans WHERE host_id = $1 AND domain_uuid = $2 AND last_seen_at > now() - interval '15 minutes'),
      feed AS (
        INSERT INTO compute.host_feeds AS f (host_id, sequence) SELECT $1, 1 WHERE EXISTS (SELECT 1 FROM said) AND NOT EXISTS (SELECT 1 FROM ours) AND NOT EXISTS (SELECT 1 FROM alien)
        ON CONFLICT (host_id) DO UPDATE SET sequence = f.sequence + 1 RETURNING f.sequence),
      told AS (
        INSERT INTO compute.departures AS d (host_id, instance_id, sequence, generation, desired) SELECT $1, $2, feed.sequence, $5, $3 FROM feed
        ON CONFLICT (host_id, instance_id) DO UPDATE SET sequence = excluded.sequence RETURNING 1),
      audited AS (${record.text})
      SELECT EXISTS (SELECT 1 FROM ours) AS ours, EXISTS (SELECT 1 FROM alien) AS "foreign", EXISTS (SELECT 1 FROM told) AS told`,
    [hostId, id, JSON.stringify(entry), ORPHANS, entry.generation, this.db.incarnation, ...record.values]);
    const answer = rows[0];
    if (answer?.told) return 'told';
    if (answer?.ours) return 'ours';
    return answer?.foreign ? 'not-adopted' : 'unknown';
  }
}
