import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { devicesOfFlavor } from '#libs/openstack';
import { isGone } from '../hosts/decide/is-gone.js';
import { changeStatement, type Change } from '../instances/change.js';
import { firstNumberOf } from '../instances/decide/number-after.js';
import type { Usage } from '../instances/decide/quota.js';
import type { InstanceRow } from '../instances/instance-row.js';
import type { MoveRows, OtherHost } from '../lifecycle/decide/move-rows.js';
import { usageOf } from '../quota/usage.repository.js';
import type { MoveChange } from './decide/move-changes.js';
import type { MigrationChange, MigrationRow } from './migration-row.js';

export type NewMigration = Pick<MigrationRow,
  'uuid' | 'user_id' | 'request_id' | 'kind' | 'new_spec' | 'requested_host' | 'may_stay'>;

/** compute.migrations: moves of instances. A move's row and its instance's change together, and compare the instance's version. */
@Injectable()
export class MigrationsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async find(uuid: string | null): Promise<MigrationRow | undefined> {
    if (uuid === null) return undefined;
    return (await this.db.pool.query<MigrationRow>('SELECT * FROM compute.migrations WHERE uuid = $1', [uuid])).rows[0];
  }

  /** Of this instance: the move under way, and those that left something somewhere. Newest first. */
  async unfinished(instanceId: string): Promise<MigrationRow[]> {
    return (await this.db.pool.query<MigrationRow>(`${UNFINISHED} ORDER BY m.id DESC`, [instanceId])).rows;
  }

  /** Moves that have waited to be confirmed for so long, in the order of their ids, after the one of `after`. Not those of what is deleted. */
  async unconfirmed(forS: number, after: string, limit: number): Promise<{ id: string; moveId: string; instanceId: string }[]> {
    const { rows } = await this.db.pool.query<{ id: string; moveId: string; instanceId: string }>(`
      SELECT m.id::text AS id, m.uuid AS "moveId", m.instance_id AS "instanceId" FROM compute.migrations m JOIN compute.instances i ON i.id = m.instance_id AND i.move_id = m.uuid
      WHERE m.finished_at IS NULL AND m.status = 'finished' AND i.move_phase = 'verify' AND i.intent <> 'deleted' AND m.id > $2::bigint AND m.updated_at <= now() - make_interval(secs => $1)
      ORDER BY m.id LIMIT $3`, [forS, after, limit]);
    return rows;
  }

  /** The same as what the loop decides by, with the fences of the hosts as they are now: after the instance's row was read. */
  async rows(row: InstanceRow): Promise<MoveRows> {
    const { rows } = await this.db.pool.query<MigrationRow & { fenced_at: Date | null; returned_at: Date | null; own_fenced_at: Date | null; own_returned_at: Date | null }>(`
      SELECT m.*, f.fenced_at, f.returned_at, own.fenced_at AS own_fenced_at, own.returned_at AS own_returned_at
      FROM (SELECT 1) one LEFT JOIN compute.host_feeds own ON own.host_id = $2 LEFT JOIN (${UNFINISHED}) m ON true LEFT JOIN compute.host_feeds f ON f.host_id = m.other_host_id
      ORDER BY m.id`, [row.id, row.host_id]);
    const found = rows.filter(({ uuid }) => uuid !== null);
    const open = found.find(({ uuid }) => uuid === row.move_id);
    return {
      open: open === undefined ? null : {
        id: open.uuid, kind: open.kind, source: { id: open.source_host_id, name: open.source_host_name }, error: open.error,
        destination: open.dest_host_id === null ? null : { id: open.dest_host_id, name: open.dest_host_name ?? '', zone: open.dest_zone ?? '' },
      },
      others: found.filter(({ other_host_id: other }) => other !== null).map((move): OtherHost => ({
        moveId: move.uuid, open: move.uuid === row.move_id, wanted: move.other_wanted ?? 'stopped',
        host: { id: move.other_host_id as string, name: otherName(move) },
        absent: move.other_wanted === 'deleted' && move.other_observed_state === 'absent' && move.other_observed_generation === move.other_generation,
        gone: isGone({ fencedAt: move.fenced_at, returnedAt: move.returned_at }),
      })),
      hostGone: isGone({ fencedAt: rows[0]?.own_fenced_at ?? null, returnedAt: rows[0]?.own_returned_at ?? null }),
    };
  }

  /** Hosts to which this instance must not come: something of it is or may be there. */
  async hostsToAvoid(instanceId: string): Promise<string[]> {
    const { rows } = await this.db.pool.query<{ host_id: string }>(`
      SELECT other_host_id AS host_id FROM compute.migrations WHERE instance_id = $1 AND other_host_id IS NOT NULL
      UNION SELECT host_id FROM compute.departures WHERE instance_id = $1`, [instanceId]);
    return rows.map(({ host_id: id }) => id);
  }

  /**
   * Begins a move, if the row is still of this version: the instance's change and the new row in one commit. `limit` counts the
   * project's usage under the project's lock, or throws. undefined: somebody was faster.
   */
  async begin(row: InstanceRow, change: Change, move: NewMigration, limit: ((used: Usage) => void) | undefined): Promise<InstanceRow | undefined> {
    return this.db.transaction(async (client) => {
      if (limit !== undefined) {
        await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 1))', [row.project_id]);
        limit(await usageOf(client, row.project_id, devicesOfFlavor(move.new_spec.flavor)));
      }
      const { text, values } = changeStatement(row.id, row.version, change);
      const changed = (await client.query<InstanceRow>(text, values)).rows[0];
      if (changed === undefined) return undefined;
      // A number above every one this instance ever built or claimed by, also in moves that were taken back.
      await client.query(`
        INSERT INTO compute.migrations (uuid, instance_id, project_id, user_id, request_id, kind, status, old_spec, new_spec, old_spec_generation, new_spec_generation,
          requested_host, may_stay, source_host_id, source_host_name, source_zone, old_layout)
        SELECT $1, i.id, i.project_id, $3, $4, $5, 'queued', i.spec, $6, i.spec_generation,
          greatest(i.spec_generation, coalesce((SELECT max(m.new_spec_generation) + 1 FROM compute.migrations m WHERE m.instance_id = i.id), 0), $9) + 1,
          $7, $8, i.host_id, coalesce(i.host_name, ''), coalesce(i.availability_zone, ''), i.layout
        FROM compute.instances i WHERE i.id = $2`, [
        move.uuid, row.id, move.user_id, move.request_id, move.kind, JSON.stringify(move.new_spec), move.requested_host, move.may_stay, firstNumberOf(this.db.incarnation),
      ]);
      return changed;
    });
  }

  /** Writes one turn of a move in one commit. undefined: the instance's row is of another version by now, and nothing was written. */
  async apply(row: InstanceRow, { instance, migrations }: MoveChange): Promise<InstanceRow | undefined> {
    return this.db.transaction(async (client) => {
      const held = await client.query('SELECT 1 FROM compute.instances WHERE id = $1 AND version = $2 FOR UPDATE', [row.id, row.version]);
      if (held.rowCount !== 1) return undefined;
      await lockFeeds(client, [instance.feedOf, ...migrations.map(({ tell }) => tell)].filter((id) => id !== undefined));
      for (const { uuid, set, finished, tell } of migrations) await changeMigration(client, uuid, set, finished === true, tell);
      const { text, values } = changeStatement(row.id, row.version, instance);
      return (await client.query<InstanceRow>(text, values)).rows[0];
    });
  }
}

const UNFINISHED = 'SELECT m.* FROM compute.migrations m WHERE m.instance_id = $1 AND (m.finished_at IS NULL OR m.other_host_id IS NOT NULL)';
const JSON_COLUMNS: ReadonlySet<string> = new Set(['other_observed', 'new_layout']);
const otherName = (move: MigrationRow): string => (move.other_host_id === move.source_host_id ? move.source_host_name : move.dest_host_name ?? '');

/** Several feeds: always in one order, so that two moves never wait for each other crosswise. */
async function lockFeeds(client: PoolClient, hostIds: readonly string[]): Promise<void> {
  if (new Set(hostIds).size > 1) await client.query('SELECT 1 FROM compute.host_feeds WHERE host_id = ANY($1::uuid[]) ORDER BY host_id FOR UPDATE', [hostIds]);
}

async function changeMigration(client: PoolClient, uuid: string, set: MigrationChange, finished: boolean, tell: string | undefined): Promise<void> {
  const values: unknown[] = [uuid];
  const param = (value: unknown): string => `$${values.push(value)}`;
  const columns = Object.entries(set).filter(([column]) => tell === undefined || column !== 'other_sequence')
    .map(([column, value]) => `${column} = ${param(JSON_COLUMNS.has(column) && value !== null ? JSON.stringify(value) : value)}`);
  const feed = tell === undefined ? '' : `WITH feed AS (
    INSERT INTO compute.host_feeds AS f (host_id, sequence) VALUES (${param(tell)}::uuid, 1) ON CONFLICT (host_id) DO UPDATE SET sequence = f.sequence + 1 RETURNING f.sequence)`;
  await client.query(`${feed}
    UPDATE compute.migrations SET ${[...columns, ...(tell === undefined ? [] : ['other_sequence = feed.sequence']), ...(finished ? ['finished_at = now()'] : []),
    'updated_at = now()', 'version = version + 1'].join(', ')} ${tell === undefined ? '' : 'FROM feed'} WHERE uuid = $1`, values);
}
