import { Inject, Injectable } from '@nestjs/common';
import type { DesiredInstance, ObservedInstance } from '#libs/contracts';
import { DATABASE, HOT, type Database } from '#libs/db';
import type { InstanceRow } from '../instances/instance-row.js';
import { LIMITS } from '../limits.js';
import { desiredInstance } from './decide/desired-instance.js';
import { isGone, type FeedFence } from './decide/is-gone.js';

export interface DepartureEntry { sequence: number; instance: DesiredInstance }

/**
 * compute.departures: what left a fenced host without its proof of absence, and is told `deleted` there once the host is
 * taken back, until it has shown that nothing is left.
 */
@Injectable()
export class DeparturesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /**
   * The row gives up its fenced host: one statement, which looks at the fence once more. Gives the row as it is then;
   * undefined: the row changed, or the host is not gone any more.
   */
  async leave(row: InstanceRow): Promise<InstanceRow | undefined> {
    const desired = desiredInstance({ ...row, withdrawn: true, host_sequence: row.host_sequence ?? '0' });
    const { rows } = await this.db.pool.query<InstanceRow>(`
      WITH target AS (SELECT id, host_id, host_name FROM compute.instances WHERE id = $1 AND version = $2 AND host_id = $3 FOR UPDATE),
      feed AS (
        UPDATE compute.host_feeds f SET sequence = f.sequence + 1 FROM target
        WHERE f.host_id = target.host_id AND f.fenced_at IS NOT NULL AND f.returned_at IS NULL RETURNING f.sequence),
      departed AS (
        INSERT INTO compute.departures AS d (host_id, instance_id, sequence, generation, desired)
        SELECT target.host_id, target.id, feed.sequence, $4, $5 FROM target, feed
        ON CONFLICT (host_id, instance_id) DO UPDATE SET sequence = excluded.sequence, generation = greatest(d.generation, excluded.generation), desired = excluded.desired),
      changed AS (
        UPDATE compute.instances i SET host_id = NULL, host_sequence = NULL, layout = NULL, version = i.version + 1, step = CASE WHEN i.step = 'failed' THEN 'failed' ELSE 'release-claim' END,
          waiting_for = NULL, attempts = 0, waited_ms = 0, checked_at = now()
        FROM target, feed WHERE i.id = target.id RETURNING i.*),
      told AS (
        INSERT INTO compute.instance_events (instance_id, project_id, host_id, host_name, step, kind, message)
        SELECT changed.id, changed.project_id, target.host_id, target.host_name, changed.step, 'left-fenced-host', 'its host is fenced: what is left there goes when the host is taken back' FROM changed JOIN target ON target.id = changed.id)
      SELECT * FROM changed`, [row.id, row.version, row.host_id, row.generation, JSON.stringify(desired)]);
    return rows[0];
  }

  /** Is what was on this host as good as gone? Ask after the instance's row was read, and write by its version. */
  async isGone(hostId: string): Promise<boolean> {
    const { rows } = await this.db.pool.query<FeedFence>('SELECT fenced_at AS "fencedAt", returned_at AS "returnedAt" FROM compute.host_feeds WHERE host_id = $1', [hostId]);
    return isGone(rows[0] ?? null);
  }

  /** What this host is to be told, above `since` and up to `upTo`, in order. */
  async page(hostId: string, since: number, upTo: number): Promise<DepartureEntry[]> {
    const { rows } = await this.db.pool.query<{ sequence: string; desired: DesiredInstance }>(
      `${HOT} SELECT sequence, desired FROM compute.departures WHERE host_id = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT $4`, [hostId, since, upTo, LIMITS.pageEntries + 1]);
    return rows.map(({ sequence, desired }) => ({ sequence: Number(sequence), instance: desired }));
  }

  /** Books what a host says of instances that left it: absence ends the departure. Gives the ids that it had. */
  async seen(hostId: string, instances: readonly ObservedInstance[]): Promise<Set<string>> {
    if (instances.length === 0) return new Set();
    const { rows } = await this.db.pool.query<{ instance_id: string }>(`${HOT}
      WITH seen AS (SELECT * FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS s(id, state, generation)),
      known AS (SELECT d.instance_id FROM compute.departures d JOIN seen ON seen.id = d.instance_id WHERE d.host_id = $1),
      over AS (
        DELETE FROM compute.departures d USING seen WHERE d.host_id = $1 AND d.instance_id = seen.id AND seen.state = 'absent' AND seen.generation >= d.generation),
      still AS (
        UPDATE compute.departures d SET observed_state = seen.state, observed_at = now() FROM seen
        WHERE d.host_id = $1 AND d.instance_id = seen.id AND NOT (seen.state = 'absent' AND seen.generation >= d.generation) AND d.observed_state IS DISTINCT FROM seen.state)
      SELECT instance_id FROM known`, [hostId, instances.map(({ id }) => id), instances.map(({ state }) => state), instances.map(({ generation }) => generation)]);
    return new Set(rows.map((row) => row.instance_id));
  }
}
