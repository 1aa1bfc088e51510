import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { LIMITS } from '../limits.js';
import type { FeedRow } from './decide/desired-instance.js';

export interface FeedPage {
  /** The highest sequence there is. */
  top: number;
  rows: FeedRow[];
  more: boolean;
}

/** compute.host_feeds and the instances in them: a host's desired state in the order of its own sequence. */
@Injectable()
export class HostFeedsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The highest sequence there is: mostly the host has it, and nothing more need be read. */
  async top(hostId: string): Promise<number> {
    const { rows } = await this.db.pool.query<{ sequence: string }>('SELECT sequence FROM compute.host_feeds WHERE host_id = $1', [hostId]);
    return Number(rows[0]?.sequence ?? 0);
  }

  /**
   * What changed after `since`, as much as fits a message. One statement, so `top` and rows are of one moment; and since
   * taking a sequence locks the feed until commit, nothing below `top` can appear later.
   */
  async page(hostId: string, since: number): Promise<FeedPage> {
    const { rows } = await this.db.pool.query<Partial<FeedRow> & { top: string | null; last: boolean | null }>(`
      WITH due AS (
        SELECT i.*, sum(1024 + coalesce(length(i.user_data), 0) + length(i.metadata::text) + length(i.spec::text)) OVER (ORDER BY i.host_sequence) AS bytes
        FROM compute.instances i WHERE i.host_id = $1 AND i.host_sequence > $2 AND i.deleted_at IS NULL
        ORDER BY i.host_sequence LIMIT $3 + 1),
      page AS (SELECT due.*, row_number() OVER (ORDER BY host_sequence) AS place FROM due)
      SELECT f.sequence AS top, p.id, p.project_id, p.name, p.hostname, p.intent, p.withdrawn, p.generation, p.spec_generation, p.reboot_count, p.reboot_type, p.spec,
        p.vcpus, p.ram_mib, p.metadata, p.key_name, p.user_data, p.launch_index, p.availability_zone, p.host_sequence,
        p.host_sequence = (SELECT max(host_sequence) FROM page) AS last
      FROM (SELECT 1) one
      LEFT JOIN compute.host_feeds f ON f.host_id = $1
      LEFT JOIN page p ON (p.place = 1 OR p.bytes <= $4) AND p.place <= $3
      ORDER BY p.host_sequence`, [hostId, since, LIMITS.pageEntries, LIMITS.pageBytes]);
    const entries = rows.filter((row): row is FeedRow & { top: string | null; last: boolean } => typeof row.id === 'string');
    return { top: Number(rows[0]?.top ?? 0), rows: entries, more: entries.length > 0 && entries.at(-1)?.last !== true };
  }

  /** Remembers the host's epoch here, so that reports of a fenced session are refused by the write itself. */
  async raiseEpoch(hostId: string, epoch: number): Promise<void> {
    await this.db.pool.query(`
      INSERT INTO compute.host_feeds AS f (host_id, epoch) VALUES ($1, $2)
      ON CONFLICT (host_id) DO UPDATE SET epoch = $2 WHERE f.epoch < $2`, [hostId, epoch]);
  }

  /** 0: never heard of. */
  async epoch(hostId: string): Promise<number> {
    const { rows } = await this.db.pool.query<{ epoch: number }>('SELECT epoch FROM compute.host_feeds WHERE host_id = $1', [hostId]);
    return rows[0]?.epoch ?? 0;
  }

  /** Does a server that lives on this host need this image? */
  async needsImage(hostId: string, imageId: string): Promise<boolean> {
    const { rows } = await this.db.pool.query(`
      SELECT 1 FROM compute.instances WHERE host_id = $1 AND image_id = $2 AND intent <> 'deleted' AND NOT withdrawn LIMIT 1`, [hostId, imageId]);
    return rows.length > 0;
  }
}
