import { Inject, Injectable } from '@nestjs/common';
import type { Hints } from '#libs/contracts';
import { DATABASE, HOT, type Database } from '#libs/db';
import { overQuota, unavailable } from '#libs/errors';
import { devicesOfFlavor } from '#libs/openstack';
import { LIMITS } from '../limits.js';
import { usageOf } from '../quota/usage.repository.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { changeStatement, type Change, type ChangeBy } from './change.js';
import type { Usage } from './decide/quota.js';
import type { InstanceRow, InstanceSpec } from './instance-row.js';

/** Servers to make: what they share, and what tells them apart. */
export interface NewInstances {
  projectId: string; userId: string; requestId: string; reservationId: string; by?: ChangeBy | undefined;
  description: string | null; metadata: Record<string, string>; tags: string[];
  spec: InstanceSpec; keyName: string | null; userData: string | null;
  requestedZone: string | null; requestedHost: string | null; hints: Hints | null;
  /** The server group they join, and how many members it may have (negative: no limit). */
  group: { id: string; maxMembers: number } | null;
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
  readonly #turns = new Map<string, Promise<void>>();

  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(TEMPO) private readonly tempo: Tempo) {}

  /** Rises when the database is restored. */
  get incarnation(): number { return this.db.incarnation; }

  async find(id: string): Promise<InstanceRow | undefined> {
    return (await this.findMany([id]))[0];
  }

  /** In launch order; those that do not exist are left out. */
  async findMany(ids: readonly string[]): Promise<InstanceRow[]> {
    const { rows } = await this.db.pool.query<InstanceRow>(`${HOT} SELECT * FROM compute.instances WHERE id = ANY($1::uuid[]) ORDER BY launch_index, number`, [ids]);
    return rows;
  }

  /** The row as changed, or undefined: its version is not `version` any more. */
  async change(id: string, version: string, change: Change): Promise<InstanceRow | undefined> {
    const { text, values } = changeStatement(id, version, change);
    return (await this.db.pool.query<InstanceRow>(`${HOT}${text}`, values)).rows[0];
  }

  /**
   * Reads, lets `decide` choose a change (or throw, or undefined: nothing to do), writes if nobody was faster; else again.
   * `decide` throws not-found for a row that is not there. Requests of this process take turns at one instance, so that many at
   * once do not lose their races to each other.
   */
  async decideAndChange(id: string, decide: (row: InstanceRow | undefined) => Change | undefined): Promise<InstanceRow | undefined> {
    const before = this.#turns.get(id);
    let end = (): void => undefined;
    const turn = new Promise<void>((resolve) => { end = resolve; });
    this.#turns.set(id, turn);
    try {
      await before;
      return await this.#decideAndChange(id, decide);
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
      end();
    }
  }

  async #decideAndChange(id: string, decide: (row: InstanceRow | undefined) => Change | undefined): Promise<InstanceRow | undefined> {
    for (let attempt = 0; attempt < LIMITS.writeAttempts; attempt += 1) {
      const row = await this.find(id);
      const change = decide(row);
      if (change === undefined || row === undefined) return row;
      const changed = await this.change(id, row.version, change).catch((error: unknown) => {
        // PostgreSQL chose this write to end a deadlock: nothing was written, and it may be tried again.
        if ((error as { code?: unknown }).code === '40P01') return undefined;
        throw error;
      });
      if (changed) return changed;
    }
    throw unavailable(`Instance ${id} is being changed by many at once; try again.`, { retryAfterS: 1 });
  }

  /**
   * Makes the rows and their events, leased to `owner` so that its loop starts without another commit.
   * `limit` counts the project's usage under the project's lock and says how many of `wanted.ids` may be made, or throws.
   * Ids that exist are left as they are and not returned. `over-quota` when their server group would have too many members.
   */
  async create(wanted: NewInstances, owner: string, limit: ((used: Usage) => number) | undefined): Promise<InstanceRow[]> {
    if (limit === undefined && (wanted.group?.maxMembers ?? -1) < 0) return this.#insert(this.db.pool, wanted, wanted.ids, owner);
    return this.db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 1))', [wanted.projectId]);
      // A repeat that overtook its original: the rows are there by now and count already.
      const { rows: there } = await client.query('SELECT 1 FROM compute.instances WHERE id = ANY($1::uuid[]) LIMIT 1', [wanted.ids]);
      if (there.length > 0) return [];
      const ids = limit === undefined ? wanted.ids : wanted.ids.slice(0, limit(await usageOf(client, wanted.projectId, devicesOfFlavor(wanted.spec.flavor))));
      if (wanted.group !== null) await this.#roomInGroup(client, wanted.group, ids.length);
      return this.#insert(client, wanted, ids, owner);
    });
  }

  usage(projectId: string): Promise<Usage> { return usageOf(this.db.pool, projectId); }

  async keypairCount(userId: string): Promise<number> {
    return this.db.prisma.keypair.count({ where: { userId } });
  }

  async serverGroupCount(projectId: string): Promise<number> {
    const { rows } = await this.db.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM compute.server_groups WHERE project_id = $1', [projectId]);
    return rows[0]?.count ?? 0;
  }

  /** The newest `limit` events, oldest first. */
  async events(instanceId: string, limit: number): Promise<InstanceEvent[]> {
    const { rows } = await this.db.pool.query<InstanceEvent>(
      'SELECT at, kind, message, request_id FROM compute.instance_events WHERE instance_id = $1 ORDER BY at DESC, id DESC LIMIT $2', [instanceId, limit]);
    return rows.reverse();
  }

  /** Counted under the group's lock, which lasts until the members are there. */
  async #roomInGroup(runner: Runner, { id, maxMembers }: { id: string; maxMembers: number }, more: number): Promise<void> {
    if (maxMembers < 0) return;
    await runner.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 4))', [id]);
    const { rows } = await runner.query<{ count: number }>("SELECT count(*)::int AS count FROM compute.instances WHERE group_id = $1 AND intent <> 'deleted'", [id]);
    if ((rows[0]?.count ?? 0) + more > maxMembers) throw overQuota('Quota exceeded, too many servers in group');
  }

  async #insert(runner: Runner, wanted: NewInstances, ids: readonly string[], owner: string): Promise<InstanceRow[]> {
    const each = ids.map((id, index) => wanted.named(id, index, ids.length));
    const { rows } = await runner.query<InstanceRow>(`${HOT}
      WITH made AS (
        INSERT INTO compute.instances (
          id, name, hostname, launch_index, cell_id, project_id, user_id, description, metadata, tags, intent, flavor_id, image_id, spec, vcpus, ram_mib,
          key_name, user_data, requested_zone, requested_host, reservation_id, group_id, step, waiting_for, reconcile_at, lease_owner, lease_until, last_request_id, checked_at, hints)
        SELECT e.id, e.name, e.hostname, e.place - 1, $4, $5, $6, $7, $8, $9, 'running', $10, $11, $12, $13, $14,
          $15, $16, $17, $18, $19, (SELECT g.id FROM compute.server_groups g WHERE g.id = $23 FOR KEY SHARE), 'claim-host', 'a host that can take it', now(), $20, now() + $21 * interval '1 millisecond', $22, now(), $24
        FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS e (id, name, hostname, place)
        ON CONFLICT (id) DO NOTHING RETURNING *),
      told AS (
        INSERT INTO compute.instance_events (instance_id, project_id, kind, message, request_id, user_id, step, user_name, address)
        SELECT id, project_id, 'create', '', $22, user_id, step, $25, $26 FROM made)
      SELECT * FROM made ORDER BY launch_index`, [
      ids, each.map(({ name }) => name), each.map(({ hostname }) => hostname),
      this.db.cellId, wanted.projectId, wanted.userId, wanted.description, JSON.stringify(wanted.metadata), wanted.tags,
      wanted.spec.flavor.id, wanted.spec.image.id, JSON.stringify(wanted.spec), wanted.spec.flavor.vcpus, wanted.spec.flavor.ramMib,
      wanted.keyName, wanted.userData, wanted.requestedZone, wanted.requestedHost, wanted.reservationId, owner, this.tempo.leaseMs, wanted.requestId, wanted.group?.id ?? null,
      wanted.hints === null ? null : JSON.stringify(wanted.hints), wanted.by?.userName ?? null, wanted.by?.address ?? null,
    ]);
    return rows;
  }
}
