import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, HOT, type Database } from '#libs/db';
import { LIMITS } from '../limits.js';
import type { FeedRow } from './decide/desired-instance.js';

/** The highest sequence there is, and whether the host is fenced. */
export interface FeedTop { top: number; epoch: number; fencedAt: Date | null; returnedAt: Date | null }

export interface FeedPage extends FeedTop {
  /** Something that left the host while it was fenced is to be told, too. */
  departs: boolean;
  rows: FeedRow[];
  more: boolean;
}

const COLUMNS = 'i.id, i.project_id, i.user_id, i.flavor_id, i.name, i.hostname, i.reboot_count, i.reboot_type, i.metadata, i.key_name, i.user_data, i.launch_index, i.disk_generation, i.group_id, i.hints';
/** Instances of the host; with what it must know of a move that ends on it, or that it carries out all by itself. */
const ITS_OWN = `(
  SELECT ${COLUMNS}, i.intent, i.withdrawn, i.hold, i.generation, i.spec_generation, i.spec, i.vcpus, i.ram_mib, i.availability_zone, i.layout, i.host_sequence,
    CASE WHEN m.transfer_key IS NOT NULL THEN m.uuid END AS transfer_id, m.transfer_key,
    CASE WHEN m.dest_host_id = m.source_host_id AND i.spec_generation <> m.old_spec_generation AND i.move_phase <> 'confirm' THEN m.old_spec_generation END AS previous_generation,
    CASE WHEN i.move_phase = 'return' THEN 'restore' ELSE 'keep' END AS previous_then,
    -- While it arrives from another host, nothing has run here yet.
    (i.launched_disk_generation = i.disk_generation AND (i.move_phase IS DISTINCT FROM 'arrive' OR m.dest_host_id = m.source_host_id)) IS TRUE AS disk_launched
  FROM compute.instances i LEFT JOIN compute.migrations m ON m.uuid = i.move_id
  WHERE i.host_id = $1 AND i.host_sequence > $2 AND i.deleted_at IS NULL ORDER BY i.host_sequence LIMIT $3 + 1)`;
/** Instances that are on another host, or nowhere any more, and of which this one still has something. */
const ELSEWHERE = `(
  SELECT ${COLUMNS}, m.other_wanted, false, NULL, m.other_generation, m.other_spec_generation, s.spec, (s.spec->'flavor'->>'vcpus')::int, (s.spec->'flavor'->>'ramMib')::int,
    CASE WHEN m.other_host_id = m.source_host_id THEN m.source_zone ELSE m.dest_zone END, CASE WHEN m.other_host_id = m.source_host_id THEN m.old_layout ELSE m.new_layout END, m.other_sequence, NULL, NULL, NULL, NULL,
    (i.launched_disk_generation = i.disk_generation) IS TRUE
  FROM compute.migrations m JOIN compute.instances i ON i.id = m.instance_id,
    LATERAL (SELECT CASE WHEN m.other_host_id = m.source_host_id THEN m.old_spec ELSE m.new_spec END AS spec) s
  WHERE m.other_host_id = $1 AND m.other_sequence > $2 ORDER BY m.other_sequence LIMIT $3 + 1)`;

interface RawTop { top: string | null; epoch: number | null; fenced_at: Date | null; returned_at: Date | null }
const topOf = (row: RawTop | undefined): FeedTop => ({ top: Number(row?.top ?? 0), epoch: row?.epoch ?? 0, fencedAt: row?.fenced_at ?? null, returnedAt: row?.returned_at ?? null });

/** compute.host_feeds and the instances in them: a host's desired state in the order of its own sequence. */
@Injectable()
export class HostFeedsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The highest sequence there is (mostly the host has it, and nothing more need be read), and whether it is fenced. */
  async top(hostId: string): Promise<FeedTop> {
    const { rows } = await this.db.pool.query<RawTop>(`${HOT} SELECT sequence AS top, epoch, fenced_at, returned_at FROM compute.host_feeds WHERE host_id = $1`, [hostId]);
    return topOf(rows[0]);
  }

  /**
   * What changed after `since`, as much as fits a message. One statement, so `top` and rows are of one moment; and since
   * taking a sequence locks the feed until commit, nothing below `top` can appear later.
   */
  async page(hostId: string, since: number): Promise<FeedPage> {
    const { rows } = await this.db.pool.query<Partial<FeedRow> & RawTop & { last: boolean | null; departs: boolean }>(`${HOT}
      WITH due AS (
        SELECT told.*, sum(1024 + coalesce(length(told.user_data), 0) + length(told.metadata::text) + length(told.spec::text) + coalesce(length(told.layout::text), 0) + coalesce(length(told.hints::text), 0)) OVER (ORDER BY told.host_sequence) AS bytes
        FROM (${ITS_OWN} UNION ALL ${ELSEWHERE}) told ORDER BY told.host_sequence LIMIT $3 + 1),
      page AS (SELECT due.*, row_number() OVER (ORDER BY host_sequence) AS place FROM due)
      SELECT f.sequence AS top, f.epoch, f.fenced_at, f.returned_at, EXISTS (SELECT 1 FROM compute.departures d WHERE d.host_id = $1 AND d.sequence > $2) AS departs, p.id, p.project_id, p.user_id, p.flavor_id, p.group_id, p.hints, p.name, p.hostname, p.intent, p.withdrawn, p.hold, p.disk_generation, p.generation, p.spec_generation, p.reboot_count, p.reboot_type, p.spec,
        p.vcpus, p.ram_mib, p.metadata, p.key_name, p.user_data, p.launch_index, p.availability_zone, p.layout, p.host_sequence, p.transfer_id, p.transfer_key, p.previous_generation, p.previous_then, p.disk_launched,
        p.host_sequence = (SELECT max(host_sequence) FROM page) AS last
      FROM (SELECT 1) one
      LEFT JOIN compute.host_feeds f ON f.host_id = $1
      LEFT JOIN page p ON (p.place = 1 OR p.bytes <= $4) AND p.place <= $3
      ORDER BY p.host_sequence`, [hostId, since, LIMITS.pageEntries, LIMITS.pageBytes]);
    const entries = rows.filter((row): row is FeedRow & (typeof rows)[number] => typeof row.id === 'string');
    return { ...topOf(rows[0]), departs: rows[0]?.departs ?? false, rows: entries, more: entries.length > 0 && entries.at(-1)?.last !== true };
  }

  /** Remembers the host's epoch here, so that reports of a fenced session are refused by the write itself. */
  async raiseEpoch(hostId: string, epoch: number, adoptedIncarnation: number | null): Promise<void> {
    await this.db.pool.query(`
      INSERT INTO compute.host_feeds AS f (host_id, epoch, adopted_incarnation) VALUES ($1, $2, $3)
      ON CONFLICT (host_id) DO UPDATE SET epoch = greatest(f.epoch, $2), adopted_incarnation = $3
      WHERE f.epoch < $2 OR f.adopted_incarnation IS DISTINCT FROM $3`, [hostId, epoch, adoptedIncarnation]);
  }

  /** Epoch 0: never heard of. */
  async known(hostId: string): Promise<{ epoch: number; adoptedIncarnation: number | null }> {
    const { rows } = await this.db.pool.query<{ epoch: number; adoptedIncarnation: number | null }>('SELECT epoch, adopted_incarnation AS "adoptedIncarnation" FROM compute.host_feeds WHERE host_id = $1', [hostId]);
    return rows[0] ?? { epoch: 0, adoptedIncarnation: null };
  }

  /** Does a server that lives on this host need this image? */
  async needsImage(hostId: string, imageId: string): Promise<boolean> {
    const { rows } = await this.db.pool.query(`
      SELECT 1 FROM compute.instances WHERE host_id = $1 AND image_id = $2 AND intent <> 'deleted' AND NOT withdrawn LIMIT 1`, [hostId, imageId]);
    return rows.length > 0;
  }
}
