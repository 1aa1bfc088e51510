import { Inject, Injectable } from '@nestjs/common';
import type { Aggregate, AggregateChange } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { changeOf, tooMany, zoneOf, type AggregateOutcome, type AggregateState, type AggregateTotals, type MemberHost } from '../decide/aggregate-change.js';
import type { AggregateRow } from '../decide/host-row.js';
import { book, type By } from '../hosts/hosts.repository.js';
import { LIMITS } from '../limits.js';

interface Raw { id: number; uuid: string; name: string; metadata: Record<string, string>; hosts: string[]; created_at: Date; updated_at: Date | null }

const SELECT = `SELECT a.id, a.uuid, a.name, a.metadata, a.created_at, a.updated_at,
    ARRAY(SELECT h.name FROM scheduler.aggregate_hosts m JOIN scheduler.hosts h ON h.id = m.host_id WHERE m.aggregate_id = a.id ORDER BY h.name) AS hosts
  FROM scheduler.aggregates a`;

const HOST = `SELECT h.id, h.name, c.used_instances AS instances, h.home_zone AS "homeZone",
    (SELECT a.metadata ->> 'availability_zone' FROM scheduler.aggregate_hosts m JOIN scheduler.aggregates a ON a.id = m.aggregate_id
     WHERE m.host_id = h.id AND a.id <> $1 AND a.metadata ? 'availability_zone' LIMIT 1) AS "otherZone"
  FROM scheduler.hosts h JOIN scheduler.host_capacity c ON c.host_id = h.id`;

/** scheduler.aggregates, and the zones that they give to hosts. */
@Injectable()
export class AggregatesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(): Promise<Aggregate[]> {
    return (await this.db.pool.query<Raw>(`${SELECT} ORDER BY a.id`)).rows.map(toAggregate);
  }

  async find(id: number): Promise<Aggregate | undefined> {
    return (await this.db.pool.query<Raw>(`${SELECT} WHERE a.id = $1`, [id])).rows.map(toAggregate)[0];
  }

  /** For placement. */
  async members(): Promise<AggregateRow[]> {
    const { rows } = await this.db.pool.query<AggregateRow>(`
      SELECT a.id::text AS id, a.metadata, ARRAY(SELECT m.host_id::text FROM scheduler.aggregate_hosts m WHERE m.aggregate_id = a.id) AS "hostIds" FROM scheduler.aggregates a ORDER BY a.id`);
    return rows;
  }

  /** taken: another has the name. */
  async create(uuid: string, name: string, metadata: Record<string, string>, by: By): Promise<Aggregate | 'taken' | { tooMany: string }> {
    return this.db.transaction(async (client) => {
      await turn(client);
      const { rows: [there] } = await client.query<Raw>(`${SELECT} WHERE a.uuid = $1 OR a.name = $2 ORDER BY a.uuid = $1 DESC LIMIT 1`, [uuid, name]);
      if (there !== undefined) return there.uuid === uuid ? toAggregate(there) : 'taken';
      const refusal = tooMany(await others(client, null), NONE, totalsOf({ name, metadata, hosts: [] }), LIMITS.aggregates);
      if (refusal !== null) return { tooMany: refusal };
      await client.query('INSERT INTO scheduler.aggregates (uuid, name, metadata) VALUES ($1, $2, $3)', [uuid, name, JSON.stringify(metadata)]);
      await book(client, { hostId: null, kind: 'aggregate-created', message: name, ...by });
      const { rows } = await client.query<Raw>(`${SELECT} WHERE a.uuid = $1`, [uuid]);
      return toAggregate(rows[0]!);
    });
  }

  /** Judged and done in one transaction in which no server can come to the hosts it concerns. undefined: there is no such aggregate. */
  async change(id: number, change: AggregateChange, by: By): Promise<AggregateOutcome | { problem: 'taken' } | undefined> {
    return this.db.transaction(async (client) => {
      await turn(client);
      const { rows: [row] } = await client.query<Raw>(`${SELECT} WHERE a.id = $1`, [id]);
      if (row === undefined) return undefined;
      const named = 'host' in change ? change.host : null;
      // Hosts, then their capacity, each in the order of ids: everybody who needs both locks in this order.
      await client.query('SELECT FROM scheduler.hosts h WHERE h.name = $2 OR h.id IN (SELECT host_id FROM scheduler.aggregate_hosts WHERE aggregate_id = $1) ORDER BY h.id FOR NO KEY UPDATE OF h', [id, named]);
      const { rows: hosts } = await client.query<MemberHost & { member: boolean }>(
        `WITH concerned AS MATERIALIZED (SELECT h.id, m.host_id IS NOT NULL AS member FROM scheduler.hosts h LEFT JOIN scheduler.aggregate_hosts m ON m.host_id = h.id AND m.aggregate_id = $1 WHERE m.host_id IS NOT NULL OR h.name = $2),
           held AS MATERIALIZED (SELECT host_id FROM scheduler.host_capacity WHERE host_id IN (SELECT id FROM concerned) ORDER BY host_id FOR NO KEY UPDATE)
         SELECT t.*, concerned.member FROM (${HOST} WHERE h.id IN (SELECT host_id FROM held)) t JOIN concerned USING (id) ORDER BY t.name`, [id, named]);
      const state: AggregateState = { id, name: row.name, metadata: row.metadata, hosts: hosts.filter(({ member }) => member) };
      const outcome = changeOf(state, change, hosts.find(({ name }) => name === named));
      if ('problem' in outcome) return outcome;
      if (outcome.next !== 'gone' && outcome.next.name !== state.name && (await client.query('SELECT FROM scheduler.aggregates WHERE name = $1', [outcome.next.name])).rowCount !== 0) return { problem: 'taken' };
      const refusal = outcome.next === 'gone' ? null : tooMany(await others(client, id), totalsOf(state), totalsOf(outcome.next), LIMITS.aggregates);
      if (refusal !== null) return { problem: refusal, kind: 'over-quota' };
      await write(client, state, outcome.next);
      await book(client, { hostId: hosts.find(({ name }) => name === named)?.id ?? null, kind: `aggregate-${change.do}`, message: `aggregate ${id} (${row.name}): ${JSON.stringify(change)}`.slice(0, 1_000), ...by });
      return outcome;
    });
  }
}

const NONE: AggregateTotals = { count: 0, bytes: 0 };
/** A name in a list has its quotes and a comma. */
const BESIDE = 3;
const totalsOf = ({ name, metadata, hosts }: Pick<AggregateState, 'name' | 'metadata' | 'hosts'>): AggregateTotals =>
  ({ count: 1, bytes: Buffer.byteLength(name) + Buffer.byteLength(JSON.stringify(metadata)) + hosts.reduce((sum, host) => sum + Buffer.byteLength(host.name) + BESIDE, 0) });

/** Of all aggregates but this one. */
async function others(client: PoolClient, id: number | null): Promise<AggregateTotals> {
  const { rows } = await client.query<AggregateTotals>(`
    SELECT count(*)::int AS count, (coalesce(sum(octet_length(a.name) + octet_length(a.metadata::text)), 0)
      + (SELECT coalesce(sum(octet_length(h.name) + ${BESIDE}), 0) FROM scheduler.aggregate_hosts m JOIN scheduler.hosts h ON h.id = m.host_id WHERE m.aggregate_id IS DISTINCT FROM $1::integer))::float8 AS bytes
    FROM scheduler.aggregates a WHERE a.id IS DISTINCT FROM $1::integer`, [id]);
  return rows[0]!;
}

/** Changes of aggregates one after the other: what one finds stays so until it ends. */
const turn = (client: PoolClient) => client.query('UPDATE scheduler.aggregate_changes SET version = version + 1');

async function write(client: PoolClient, before: AggregateState, next: AggregateState | 'gone'): Promise<void> {
  if (next === 'gone') {
    await client.query('DELETE FROM scheduler.aggregates WHERE id = $1', [before.id]);
    return;
  }
  await client.query('UPDATE scheduler.aggregates SET name = $2, metadata = $3, updated_at = now() WHERE id = $1', [next.id, next.name, JSON.stringify(next.metadata)]);
  await client.query('DELETE FROM scheduler.aggregate_hosts WHERE aggregate_id = $1 AND host_id <> ALL ($2::uuid[])', [next.id, next.hosts.map(({ id }) => id)]);
  await client.query('INSERT INTO scheduler.aggregate_hosts (aggregate_id, host_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING', [next.id, next.hosts.map(({ id }) => id)]);
  const stays = new Set(next.hosts.map(({ id }) => id));
  const zones = [...next.hosts.map((host) => [host.id, zoneOf(host, next.metadata)] as const), ...before.hosts.filter(({ id }) => !stays.has(id)).map((host) => [host.id, zoneOf(host, null)] as const)];
  await client.query(
    `UPDATE scheduler.hosts h SET availability_zone = z.zone, only_when_asked = h.home_only_when_asked AND z.zone = h.home_zone
     FROM unnest($1::uuid[], $2::text[]) AS z(id, zone) WHERE h.id = z.id AND h.availability_zone <> z.zone`, [zones.map(([id]) => id), zones.map(([, zone]) => zone)]);
}

const toAggregate = ({ created_at: createdAt, updated_at: updatedAt, ...row }: Raw): Aggregate => ({ ...row, createdAt: createdAt.toISOString(), updatedAt: updatedAt?.toISOString() ?? null });
