import { Inject, Injectable } from '@nestjs/common';
import type { Layout } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { LIMITS } from '../limits.js';
import { claimExactly, placesOf } from './exact-claims.repository.js';
import type { CapacityNow, Taken, Wanted } from './wanted.js';
import { Whereabouts, type Asking } from './whereabouts.js';
import { capacityOfRow, type CapacityColumns } from '../snapshot/capacity-row.js';

/** devices: it had some, which its host is to make clean. */
export interface Released { instanceId: string; hostId: string; devices: boolean }

interface Raw extends CapacityColumns {
  instance_id: string; taken_host: string | null; known_generation: number | null; known_host: string | null; known_layout: Layout | null;
  host_name: string | null; availability_zone: string | null; at_host: string | null; enabled: boolean;
}

/** The claims of instances on hosts: the only place that takes and frees them. */
@Injectable()
export class ClaimsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Takes a batch: one statement for all that are plain, one for all others; each instance at most once in it. */
  async claim(wanted: readonly Wanted[]): Promise<{ taken: Taken[]; hosts: CapacityNow[] }> {
    const exact = wanted.filter((want) => want.exact !== null);
    if (exact.length === 0) return this.#claimPlainly(wanted);
    const plain = wanted.filter((want) => want.exact === null);
    const first = plain.length > 0 ? await this.#claimPlainly(plain) : { taken: [], hosts: [] };
    const then = await claimExactly(this.db, exact);
    const inTurn = { plain: first.taken.values(), exact: then.taken.values() };
    // Of a host that both wrote, the later state comes later.
    return { taken: wanted.map((want) => inTurn[want.exact === null ? 'plain' : 'exact'].next().value!), hosts: [...first.hosts, ...then.hosts] };
  }

  /**
   * Where the groups and servers are that these requests name. Asks nothing when they name none.
   * @param within servers of hints count only as far as they are this project's; null: whosever they are
   */
  async whereabouts(requests: readonly Asking[], within: string | null = null): Promise<Whereabouts> {
    const { groups, instances } = Whereabouts.named(requests);
    return new Whereabouts(groups.length + instances.length === 0 ? [] : await placesOf(this.db, groups, instances, within));
  }

  /**
   * Takes what needs amounts only, in one statement.
   *
   * Why it cannot overcommit under READ COMMITTED: the statement locks the capacity rows of its hosts first, in id
   * order. A row that another transaction was writing is read again after that one's commit, so what is compared
   * with the limit is the newest usage, and nobody else can change it before this commit. Within the batch, each claim
   * counts all those before it on the same host. Usage itself is raised by a trigger from the rows that were really
   * inserted, and a second trigger refuses any rise above a limit, whatever this code does.
   *
   * Why it cannot claim twice: claims and tombstones of an instance are one row; whoever comes second on its unique
   * key sees the first's commit in ON CONFLICT, and takes it only when it is a tombstone below its own generation.
   */
  async #claimPlainly(wanted: readonly Wanted[]): Promise<{ taken: Taken[]; hosts: CapacityNow[] }> {
    const { rows } = await this.db.pool.query<Raw>({ name: 'scheduler-claim', text: CLAIM, values: columns(wanted) });
    const byInstance = new Map(rows.map((row) => [row.instance_id, row]));
    const hosts = new Map<string, CapacityNow>();
    for (const row of rows) if (row.at_host !== null && !hosts.has(row.at_host)) hosts.set(row.at_host, toCapacity(row));
    const versions = new Map([...hosts].map(([id, host]) => [id, host.capacity.version]));
    const taken = wanted.map((want) => {
      const row = byInstance.get(want.instanceId)!;
      if (row.taken_host !== null) {
        // The capacity was read before this statement's own claims, which raise its version by one at least.
        const { capacity } = hosts.get(row.taken_host)!;
        capacity.used.vcpus += want.vcpus;
        capacity.used.memoryMib += want.memoryMib;
        capacity.used.diskGib += want.diskGib;
        capacity.version = versions.get(row.taken_host)! + 1;
      }
      return outcome(want, row);
    });
    return { taken, hosts: [...hosts.values()] };
  }

  /**
   * Frees a batch in one statement and raises tombstones; each instance at most once in it. Usage falls by the trigger,
   * exactly when a live claim became a tombstone. A claim of a newer generation is left alone. Answers what was freed.
   */
  async release(wanted: readonly { instanceId: string; purpose: string; generation: number }[]): Promise<Released[]> {
    const { rows } = await this.db.pool.query<{ instance_id: string; released_from: string; devices: boolean }>({
      name: 'scheduler-release', text: RELEASE, values: [wanted.map((want) => want.instanceId), wanted.map((want) => want.generation), wanted.map((want) => want.purpose)],
    });
    return rows.map((row) => ({ instanceId: row.instance_id, hostId: row.released_from, devices: row.devices }));
  }

  /**
   * The claim for `move` of this generation becomes the one for `run`, in one statement, and leaves a tombstone under its own
   * name. The old one goes, or stays counted under `keepOldAs`: its row is renamed, so that usage never rises on the way and
   * a host that is over its limit hinders nobody. `none`: there is no such claim, and there was none.
   */
  async settleMove(instanceId: string, generation: number, keepOldAs: string | null): Promise<'settled' | 'was settled' | 'none'> {
    const { rows } = await this.db.transaction((client) => client.query<{ settled: boolean; known: boolean }>(SETTLE, [instanceId, generation, keepOldAs]));
    if (rows[0]?.settled === true) return 'settled';
    return rows[0]?.known === true ? 'was settled' : 'none';
  }

  /** Drops tombstones that no late message can meet any more. Answers how many; call again while it is the batch. */
  async sweepTombstones(): Promise<number> {
    const { rowCount } = await this.db.pool.query(
      `DELETE FROM scheduler.claims WHERE (instance_id, purpose) IN (
        SELECT instance_id, purpose FROM scheduler.claims WHERE released_at < now() - make_interval(days => $1) LIMIT $2 FOR UPDATE SKIP LOCKED)`,
      [LIMITS.tombstoneDays, LIMITS.sweepBatch],
    );
    return rowCount ?? 0;
  }
}

const CLAIM = `
  WITH want AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::integer[], $6::integer[], $7::integer[], $8::text[])
      WITH ORDINALITY AS w(instance_id, generation, host_id, project_id, vcpus, memory_mib, disk_gib, purpose, place)
  ), known AS MATERIALIZED (
    SELECT c.instance_id, c.generation, c.host_id, c.layout FROM want JOIN scheduler.claims c ON c.instance_id = want.instance_id AND c.purpose = want.purpose
  ), locked AS MATERIALIZED (
    SELECT * FROM scheduler.host_capacity WHERE host_id = ANY ($3::uuid[]) ORDER BY host_id FOR NO KEY UPDATE
  ), counted AS (
    SELECT want.*, sum(want.vcpus) OVER before AS vcpus_to, sum(want.memory_mib) OVER before AS memory_to, sum(want.disk_gib) OVER before AS disk_to
    FROM want JOIN locked USING (host_id)
    WHERE locked.enabled AND want.vcpus <= locked.largest_vcpus AND want.memory_mib <= locked.largest_memory_mib
      AND NOT EXISTS (SELECT FROM known WHERE known.instance_id = want.instance_id AND (known.host_id IS NOT NULL OR known.generation >= want.generation))
    WINDOW before AS (PARTITION BY want.host_id ORDER BY want.place)
  ), taken AS (
    INSERT INTO scheduler.claims AS c (instance_id, purpose, generation, host_id, project_id, vcpus, memory_mib, disk_gib)
    SELECT n.instance_id, n.purpose, n.generation, n.host_id, n.project_id, n.vcpus, n.memory_mib, n.disk_gib
    FROM counted n JOIN locked USING (host_id)
    WHERE locked.used_vcpus + n.vcpus_to <= locked.limit_vcpus AND locked.used_memory_mib + n.memory_to <= locked.limit_memory_mib
      AND scheduler.pinned_fits((locked.used_memory_mib + n.memory_to)::integer, locked.used_pinned_mib, locked.largest_memory_mib, locked.limit_memory_mib)
      AND (n.disk_gib = 0 OR locked.used_disk_gib + n.disk_to <= locked.limit_disk_gib)
    ORDER BY n.instance_id
    ON CONFLICT (instance_id, purpose) DO UPDATE
      SET generation = excluded.generation, host_id = excluded.host_id, project_id = excluded.project_id, vcpus = excluded.vcpus,
        memory_mib = excluded.memory_mib, disk_gib = excluded.disk_gib, created_at = now(), released_at = NULL, released_from = NULL,
        layout = NULL, resources = NULL, group_id = NULL, group_policy = NULL -- an older scheduler's release leaves them there
      WHERE c.host_id IS NULL AND c.generation < excluded.generation
    RETURNING c.instance_id, c.host_id
  )
  SELECT want.instance_id, taken.host_id AS taken_host, known.generation AS known_generation, known.host_id AS known_host, known.layout AS known_layout,
    h.name AS host_name, h.availability_zone, locked.host_id AS at_host, locked.enabled,
    locked.limit_vcpus, locked.limit_memory_mib, locked.limit_disk_gib, locked.largest_vcpus, locked.largest_memory_mib,
    locked.used_vcpus, locked.used_memory_mib, locked.used_disk_gib, locked.used_pinned_mib, locked.version::float8 AS version
  FROM want LEFT JOIN taken USING (instance_id) LEFT JOIN known USING (instance_id)
    LEFT JOIN locked ON locked.host_id = want.host_id
    LEFT JOIN scheduler.hosts h ON h.id = coalesce(taken.host_id, known.host_id)`;

// The host's row first, as a claim does, so that the two never wait for each other crosswise.
const RELEASE = `
  WITH want AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS w(instance_id, generation, purpose)
  ), had AS MATERIALIZED (
    SELECT c.instance_id FROM want JOIN scheduler.claims c ON c.instance_id = want.instance_id AND c.purpose = want.purpose WHERE c.layout -> 'devices' IS NOT NULL
  ), locked AS MATERIALIZED (
    SELECT host_id FROM scheduler.host_capacity WHERE host_id IN (
      SELECT c.host_id FROM want JOIN scheduler.claims c ON c.instance_id = want.instance_id AND c.purpose = want.purpose WHERE c.generation <= want.generation)
    ORDER BY host_id FOR NO KEY UPDATE
  ), released AS (
    INSERT INTO scheduler.claims AS c (instance_id, purpose, generation, released_at)
    SELECT want.instance_id, want.purpose, want.generation, now() FROM want, (SELECT count(*) FROM locked) locks
    ORDER BY want.instance_id
    ON CONFLICT (instance_id, purpose) DO UPDATE
      SET generation = excluded.generation, released_at = now(), released_from = c.host_id, host_id = NULL,
        vcpus = 0, memory_mib = 0, disk_gib = 0, layout = NULL, resources = NULL, group_id = NULL, group_policy = NULL
      WHERE c.generation < excluded.generation OR (c.generation = excluded.generation AND c.host_id IS NOT NULL)
    RETURNING c.instance_id, c.released_from
  )
  SELECT instance_id, released_from, instance_id IN (SELECT had.instance_id FROM had) AS devices FROM released WHERE released_from IS NOT NULL`;

// Hosts' rows first, then both claims as they are once nobody else has them, then one update of the two. The row of the move
// takes over what the row of the run held when that is to be kept: for each host the sum stays as it was or falls.
const SETTLE = `
  WITH locked AS MATERIALIZED (
    SELECT host_id FROM scheduler.host_capacity
    WHERE host_id IN (SELECT c.host_id FROM scheduler.claims c WHERE c.instance_id = $1 AND c.purpose IN ('run', 'move')) ORDER BY host_id FOR NO KEY UPDATE
  ), held AS MATERIALIZED (
    SELECT c.* FROM scheduler.claims c, (SELECT count(*) FROM locked) locks WHERE c.instance_id = $1 AND c.purpose IN ('run', 'move') ORDER BY c.purpose FOR UPDATE OF c
  ), run AS (SELECT * FROM held WHERE purpose = 'run'),
  moving AS (SELECT * FROM held WHERE purpose = 'move' AND generation = $2 AND host_id IS NOT NULL AND EXISTS (SELECT FROM run WHERE run.generation < $2)),
  settled AS (
    UPDATE scheduler.claims c SET
      purpose = coalesce(CASE WHEN c.purpose = 'move' THEN $3::text END, c.purpose),
      generation = becomes.generation, host_id = becomes.host_id, project_id = becomes.project_id,
      vcpus = becomes.vcpus, memory_mib = becomes.memory_mib, disk_gib = becomes.disk_gib, created_at = becomes.created_at,
      layout = becomes.layout, resources = becomes.resources, group_id = becomes.group_id, group_policy = becomes.group_policy, group_max = becomes.group_max,
      released_at = becomes.released_at, released_from = becomes.released_from
    FROM (
      SELECT 'run' AS was, generation, host_id, project_id, vcpus, memory_mib, disk_gib, created_at, released_at, released_from, layout, resources, group_id, group_policy, group_max FROM moving
      UNION ALL
      SELECT 'move', run.generation, run.host_id, run.project_id, run.vcpus, run.memory_mib, run.disk_gib, run.created_at, run.released_at, run.released_from,
        run.layout, run.resources, run.group_id, run.group_policy, run.group_max FROM run, moving WHERE $3::text IS NOT NULL
      UNION ALL
      SELECT 'move', moving.generation, NULL, moving.project_id, 0, 0, 0, moving.created_at, now(), coalesce(run.host_id, run.released_from), NULL, NULL, NULL, NULL, 1
        FROM run, moving WHERE $3::text IS NULL
    ) becomes
    WHERE c.instance_id = $1 AND c.purpose = becomes.was
    RETURNING c.purpose
  ), tombstone AS (
    INSERT INTO scheduler.claims (instance_id, purpose, generation, released_at) SELECT $1, 'move', $2, now() FROM settled WHERE purpose = $3::text
  )
  SELECT EXISTS (SELECT FROM settled) AS settled, EXISTS (SELECT FROM run WHERE generation >= $2) AS known`;

const columns = (wanted: readonly Wanted[]): unknown[] => [
  wanted.map((want) => want.instanceId), wanted.map((want) => want.generation), wanted.map((want) => want.hostId), wanted.map((want) => want.projectId),
  wanted.map((want) => want.vcpus), wanted.map((want) => want.memoryMib), wanted.map((want) => want.diskGib),
  wanted.map((want) => want.purpose),
];

function outcome(want: Wanted, row: Raw): Taken {
  const there = row.taken_host ?? (row.known_generation === want.generation ? row.known_host : null);
  if (there !== null) return { is: 'claimed', hostId: there, hostName: row.host_name!, availabilityZone: row.availability_zone!, layout: row.taken_host === null ? row.known_layout : null };
  if (row.known_generation === null) return { is: 'lost' };
  if (row.known_generation >= want.generation) return { is: 'stale', generation: row.known_generation };
  return row.known_host === null ? { is: 'lost' } : { is: 'held', generation: row.known_generation };
}

const toCapacity = (row: Raw): CapacityNow => ({
  hostId: row.at_host!,
  enabled: row.enabled,
  capacity: capacityOfRow(row),
});
