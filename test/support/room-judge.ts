import type { Pool, PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg';
import type { GroupWish, PlacementExplanation } from '#libs/contracts';
import type { Database } from '#libs/db';

interface Room { room: Record<string, string[]> | null }

/**
 * Says of every refusal whether it was right. Each reading of the fleet that a scheduler makes is joined by one of our own in the
 * same snapshot of the database: plain SQL over the claims alone that says which kinds of server which hosts had room for.
 * A refusal names the reading it was made on; if any host had room in that one, it was wrong.
 */
export class RoomJudge {
  /** By the time that a refusal says. Two readings of one millisecond: both count. */
  readonly #readings = new Map<string, Record<string, string[]>[]>();

  constructor(private readonly groups: readonly GroupWish[]) {}

  /** The scheduler's own database handle, whose readings of the fleet are watched. */
  watch(db: Database): Database {
    const { pool } = db;
    const plainly = pool.query.bind(pool) as (...words: unknown[]) => unknown;
    const query = (asked: string | QueryConfig, ...more: unknown[]): unknown =>
      (typeof asked === 'object' && asked.name?.startsWith('scheduler-feed') === true ? this.#read(pool, asked) : plainly(asked, ...more));
    const watched = Object.create(pool, { query: { value: query } }) as Pool;
    const transaction = <T>(work: (client: PoolClient) => Promise<T>): Promise<T> => db.transaction((client) => work(this.#watchAll(client)));
    return Object.create(db, { pool: { value: watched }, transaction: { value: transaction } }) as Database;
  }

  /** The reading of everything is a cursor in a transaction, which says the moment at which that began. */
  #watchAll(client: PoolClient): PoolClient {
    const plainly = client.query.bind(client) as (...words: unknown[]) => Promise<QueryResult>;
    const query = async (asked: unknown, ...more: unknown[]): Promise<QueryResult> => {
      if (typeof asked !== 'string' || !asked.startsWith('DECLARE feed')) return plainly(asked, ...more);
      await plainly('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      const declared = await plainly(asked, ...more);
      const { rows: [began] } = await plainly('SELECT (extract(epoch FROM now()) * 1000)::float8 AS at_ms') as QueryResult<{ at_ms: number }>;
      this.#note(began!.at_ms, await plainly({ name: 'room', text: ROOM, values: [JSON.stringify(this.groups)] }) as QueryResult<Room>);
      return declared;
    };
    return Object.create(client, { query: { value: query } }) as PoolClient;
  }

  #note(atMs: number, { rows: [room] }: QueryResult<Room>): void {
    const at = new Date(atMs).toISOString();
    this.#readings.set(at, [...(this.#readings.get(at) ?? []), room!.room ?? {}]);
    if (this.#readings.size > 2_000) this.#readings.delete(this.#readings.keys().next().value!);
  }

  async #read(pool: Pool, asked: QueryConfig): Promise<QueryResult<QueryResultRow>> {
    const client = await pool.connect();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const read = await client.query<{ at_ms: number }>(asked);
      const room = await client.query<Room>({ name: 'room', text: ROOM, values: [JSON.stringify(this.groups)] });
      await client.query('COMMIT');
      client.release();
      this.#note(read.rows[0]!.at_ms, room);
      return read;
    } catch (error) {
      client.release(error as Error);
      throw error;
    }
  }

  /** @returns what is wrong with this refusal; null: nothing. */
  wrong(kind: Kind, group: GroupWish | null, requestedAt: string, { snapshotAt, filters }: PlacementExplanation): string | null {
    const readings = this.#readings.get(snapshotAt);
    if (readings === undefined) return `${kind}: refused on ${snapshotAt}, which nobody read`;
    if (snapshotAt < requestedAt) return `${kind}: asked at ${requestedAt}, refused on ${snapshotAt}`;
    const key = group ? `${kind} ${group.id}` : kind;
    const hosts = readings.map((room) => room[key] ?? []);
    if (hosts.some((list) => list.length === 0)) return null;
    return `${kind}${group ? ` of a group (${group.policy}, ${group.maxServerPerHost})` : ''}: there was room on ${hosts.map((list) => list.length).join('/')} hosts when it was refused: ${filters.map(({ name, refused }) => `${name} ${refused}`).join(', ')}`;
  }
}

/** The kinds of server that the storm asks for; what each of them needs is said twice: in claim-storm.ts, and in the SQL below. */
export type Kind = 'pinned' | 'pinned-emulator-paged' | 'paged' | 'two-cells' | 'isolated' | 'key' | 'plain-1' | 'plain-2' | 'plain-3' | 'one-pinned';

/** $1: the groups. Answers {"kind" or "kind group": [hosts with room]}; only such as have any. */
const ROOM = `
  WITH grp AS MATERIALIZED (SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(id uuid, policy text, "maxServerPerHost" integer)),
  live AS MATERIALIZED (SELECT * FROM scheduler.claims WHERE host_id IS NOT NULL),
  given AS MATERIALIZED (SELECT live.host_id, c.* FROM live, jsonb_to_recordset(live.layout -> 'cells') AS c("hostCell" integer, "memoryMib" bigint, "pageKib" integer, pins jsonb)),
  owned AS MATERIALIZED (
    SELECT host_id, (pin ->> 'host')::integer AS cpu FROM given, jsonb_array_elements(pins) pin
    UNION SELECT host_id, (layout ->> 'emulatorCpu')::integer FROM live WHERE layout ->> 'emulatorCpu' IS NOT NULL
    UNION SELECT host_id, idle::integer FROM live, jsonb_array_elements_text(layout -> 'idleCpus') idle WHERE layout IS NOT NULL),
  core AS MATERIALIZED (
    SELECT h.id AS host_id, (cell ->> 'id')::integer AS cell, core.place, count(*) AS cpus, count(*) FILTER (WHERE cpu.no::integer = ANY (h.dedicated_cpus) AND owned.cpu IS NULL) AS free
    FROM scheduler.hosts h CROSS JOIN jsonb_array_elements(h.inventory -> 'cells') cell CROSS JOIN jsonb_array_elements(cell -> 'cores') WITH ORDINALITY AS core(cpus, place) CROSS JOIN jsonb_array_elements_text(core.cpus) AS cpu(no)
      LEFT JOIN owned ON owned.host_id = h.id AND owned.cpu = cpu.no::integer
    GROUP BY 1, 2, 3),
  cell AS MATERIALIZED (
    SELECT host_id, cell, cpus, cores, memory_mib, pages FROM (SELECT host_id, cell, sum(free) AS cpus, count(*) FILTER (WHERE free = cpus) AS cores FROM core GROUP BY 1, 2) c
      JOIN LATERAL (SELECT m.amount / 1024 - coalesce((SELECT sum(g."memoryMib") FROM given g WHERE g.host_id = m.host_id AND g."hostCell" = m.cell AND g."pageKib" IS NULL), 0) AS memory_mib
        FROM scheduler.cell_memory m WHERE m.host_id = c.host_id AND m.cell = c.cell AND m.page_kib = 4) small ON true
      JOIN LATERAL (SELECT m.amount / 2048 - coalesce((SELECT sum(g."memoryMib" / 2) FROM given g WHERE g.host_id = m.host_id AND g."hostCell" = m.cell AND g."pageKib" = 2048), 0) AS pages
        FROM scheduler.cell_memory m WHERE m.host_id = c.host_id AND m.cell = c.cell AND m.page_kib = 2048) huge ON true),
  host AS MATERIALIZED (
    SELECT c.host_id, c.limit_vcpus - coalesce(sum(live.vcpus), 0) AS vcpus, c.limit_memory_mib - coalesce(sum(live.memory_mib), 0) AS memory_mib,
      (SELECT r.amount FROM scheduler.host_resources r WHERE r.host_id = c.host_id AND r.class = 'CUSTOM_KEY') - coalesce(sum((live.resources ->> 'CUSTOM_KEY')::bigint), 0) AS keys
    FROM scheduler.host_capacity c LEFT JOIN live USING (host_id) GROUP BY c.host_id),
  fits AS MATERIALIZED (
    SELECT h.host_id, kind.name FROM host h, LATERAL (VALUES
      ('pinned', h.memory_mib >= 256 AND EXISTS (SELECT FROM cell c WHERE c.host_id = h.host_id AND c.cpus >= 2 AND c.memory_mib >= 256)),
      ('pinned-emulator-paged', EXISTS (SELECT FROM cell c WHERE c.host_id = h.host_id AND c.cpus >= 4 AND c.pages >= 32)),
      ('paged', h.vcpus >= 2 AND EXISTS (SELECT FROM cell c WHERE c.host_id = h.host_id AND c.pages >= 64)),
      ('two-cells', h.vcpus >= 2 AND h.memory_mib >= 512 AND (SELECT count(*) FROM cell c WHERE c.host_id = h.host_id AND c.memory_mib >= 256) >= 2),
      ('isolated', h.memory_mib >= 64 AND EXISTS (SELECT FROM cell c WHERE c.host_id = h.host_id AND c.cores >= 1 AND c.memory_mib >= 64)),
      ('one-pinned', h.memory_mib >= 1 AND EXISTS (SELECT FROM cell c WHERE c.host_id = h.host_id AND c.cpus >= 1 AND c.memory_mib >= 1)),
      ('key', h.keys >= 1 AND h.vcpus >= 1 AND h.memory_mib >= 64),
      ('plain-1', h.vcpus >= 1 AND h.memory_mib >= 128), ('plain-2', h.vcpus >= 2 AND h.memory_mib >= 128), ('plain-3', h.vcpus >= 3 AND h.memory_mib >= 128)
    ) AS kind(name, it) WHERE kind.it),
  member AS MATERIALIZED (SELECT group_id, host_id, count(DISTINCT instance_id) AS members FROM live WHERE group_id IS NOT NULL AND purpose IN ('run', 'move') GROUP BY 1, 2)
  SELECT jsonb_object_agg(name, hosts) AS room FROM (
    SELECT name, jsonb_agg(host_id) AS hosts FROM fits GROUP BY name
    UNION ALL SELECT fits.name || ' ' || grp.id, jsonb_agg(fits.host_id) FROM fits, grp
    WHERE CASE grp.policy
      WHEN 'affinity' THEN NOT EXISTS (SELECT FROM member m WHERE m.group_id = grp.id) OR EXISTS (SELECT FROM member m WHERE m.group_id = grp.id AND m.host_id = fits.host_id)
      WHEN 'anti-affinity' THEN NOT EXISTS (SELECT FROM member m WHERE m.group_id = grp.id AND m.host_id = fits.host_id AND m.members >= grp."maxServerPerHost")
      ELSE true END
    GROUP BY fits.name, grp.id) every`;
