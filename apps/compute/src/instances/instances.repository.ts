import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { unavailable } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { changeStatement, type Change } from './change.js';
import type { Usage } from './decide/quota.js';
import type { InstanceRow, InstanceSpec } from './instance-row.js';

/** Servers to make: what they share, and what tells them apart. */
export interface NewInstances {
  projectId: string; userId: string; requestId: string; reservationId: string;
  description: string | null; metadata: Record<string, string>; tags: string[];
  spec: InstanceSpec; keyName: string | null; userData: string | null;
  requestedZone: string | null; requestedHost: string | null;
  /** In launch order; as many of them are made as are allowed. */
  ids: readonly string[];
  /** What a server is called, given its place and how many are made. */
  named(id: string, index: number, count: number): { name: string; hostname: string };
}

export interface InstanceEvent { at: Date; kind: string; message: string; request_id: string | null }

/** Runs one statement: the pool, or a transaction's client. */
type Runner = { query<T extends object>(text: string, values: unknown[]): Promise<{ rows: T[] }> };

/** compute.instances and its events: the rows of servers. Every write compares a version and is one statement. */
@Injectable()
export class InstancesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(TEMPO) private readonly tempo: Tempo) {}

  async find(id: string): Promise<InstanceRow | undefined> {
    return (await this.findMany([id]))[0];
  }

  /** In launch order; those that do not exist are left out. */
  async findMany(ids: readonly string[]): Promise<InstanceRow[]> {
    const { rows } = await this.db.pool.query<InstanceRow>('SELECT * FROM compute.instances WHERE id = ANY($1::uuid[]) ORDER BY launch_index, number', [ids]);
    return rows;
  }

  /** The row as changed, or undefined: its version is not `version` any more. */
  async change(id: string, version: string, change: Change): Promise<InstanceRow | undefined> {
    const { text, values } = changeStatement(id, version, change);
    return (await this.db.pool.query<InstanceRow>(text, values)).rows[0];
  }

  /**
   * Reads, lets `decide` choose a change (or throw, or undefined: nothing to do), writes if nobody was faster; else again.
   * `decide` throws not-found for a row that is not there.
   */
  async decideAndChange(id: string, decide: (row: InstanceRow | undefined) => Change | undefined): Promise<InstanceRow | undefined> {
    for (let attempt = 0; attempt < LIMITS.writeAttempts; attempt += 1) {
      const row = await this.find(id);
      const change = decide(row);
      if (change === undefined || row === undefined) return row;
      const changed = await this.change(id, row.version, change);
      if (changed) return changed;
    }
    throw unavailable(`Instance ${id} is being changed by many at once; try again.`, { retryAfterS: 1 });
  }

  /**
   * Makes the rows and their events, leased to `owner` so that its loop starts without another commit.
   * `limit` counts the project's usage under the project's lock and says how many of `wanted.ids` may be made, or throws.
   * Ids that exist are left as they are and not returned.
   */
  async create(wanted: NewInstances, owner: string, limit: ((used: Usage) => number) | undefined): Promise<InstanceRow[]> {
    if (limit === undefined) return this.#insert(this.db.pool, wanted, wanted.ids, owner);
    return this.db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 1))', [wanted.projectId]);
      // A repeat that overtook its original: the rows are there by now and count already.
      const { rows: there } = await client.query('SELECT 1 FROM compute.instances WHERE id = ANY($1::uuid[]) LIMIT 1', [wanted.ids]);
      if (there.length > 0) return [];
      return this.#insert(client, wanted, wanted.ids.slice(0, limit(await this.#usage(client, wanted.projectId))), owner);
    });
  }

  usage(projectId: string): Promise<Usage> { return this.#usage(this.db.pool, projectId); }

  async keypairCount(userId: string): Promise<number> {
    return this.db.prisma.keypair.count({ where: { userId } });
  }

  /** The newest `limit` events, oldest first. */
  async events(instanceId: string, limit: number): Promise<InstanceEvent[]> {
    const { rows } = await this.db.pool.query<InstanceEvent>(
      'SELECT at, kind, message, request_id FROM compute.instance_events WHERE instance_id = $1 ORDER BY at DESC, id DESC LIMIT $2', [instanceId, limit]);
    return rows.reverse();
  }

  /** What people see of the project counts; a deleted server's resources are its host's business until they are free. */
  async #usage(runner: Runner, projectId: string): Promise<Usage> {
    const { rows } = await runner.query<Record<keyof Usage, number>>(`
      SELECT count(*)::int AS instances, coalesce(sum(vcpus), 0)::int AS cores, coalesce(sum(ram_mib), 0)::int AS "ramMib"
      FROM compute.instances WHERE project_id = $1 AND intent <> 'deleted'`, [projectId]);
    return rows[0] ?? { instances: 0, cores: 0, ramMib: 0 };
  }

  async #insert(runner: Runner, wanted: NewInstances, ids: readonly string[], owner: string): Promise<InstanceRow[]> {
    const each = ids.map((id, index) => wanted.named(id, index, ids.length));
    const { rows } = await runner.query<InstanceRow>(`
      WITH made AS (
        INSERT INTO compute.instances (
          id, name, hostname, launch_index, cell_id, project_id, user_id, description, metadata, tags, intent, flavor_id, image_id, spec, vcpus, ram_mib,
          key_name, user_data, requested_zone, requested_host, reservation_id, step, waiting_for, reconcile_at, lease_owner, lease_until, last_request_id, checked_at)
        SELECT e.id, e.name, e.hostname, e.place - 1, $4, $5, $6, $7, $8, $9, 'running', $10, $11, $12, $13, $14,
          $15, $16, $17, $18, $19, 'claim-host', 'a host that can take it', now(), $20, now() + $21 * interval '1 millisecond', $22, now()
        FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS e (id, name, hostname, place)
        ON CONFLICT (id) DO NOTHING RETURNING *),
      told AS (
        INSERT INTO compute.instance_events (instance_id, project_id, kind, message, request_id, user_id)
        SELECT id, project_id, 'create', '', $22, user_id FROM made)
      SELECT * FROM made ORDER BY launch_index`, [
      ids, each.map(({ name }) => name), each.map(({ hostname }) => hostname),
      this.db.cellId, wanted.projectId, wanted.userId, wanted.description, JSON.stringify(wanted.metadata), wanted.tags,
      wanted.spec.flavor.id, wanted.spec.image.id, JSON.stringify(wanted.spec), wanted.spec.flavor.vcpus, wanted.spec.flavor.ramMib,
      wanted.keyName, wanted.userData, wanted.requestedZone, wanted.requestedHost, wanted.reservationId, owner, this.tempo.leaseMs, wanted.requestId,
    ]);
    return rows;
  }
}
