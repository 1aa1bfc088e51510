import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { IMAGE_CONFIG, timingsOf, type ImageConfig } from '../config.js';
import type { ImageUsage } from './decide/image-quota.js';

/**
 * What a project ($1) has, except one image ($2): an image counts by its bytes, and one that is uploaded by what it has reserved.
 * An upload that is silent for $3 milliseconds is none any more; its bytes count until they are swept.
 */
const USAGE_SQL = `
  SELECT count(*)::int AS count,
    coalesce(sum(CASE status WHEN 'saving' THEN upload_reserved_bytes ELSE coalesce(size_bytes, 0) END), 0)::float8 AS bytes,
    (count(*) FILTER (WHERE status = 'saving' AND upload_beat_at >= now() - $3::float8 * interval '1 millisecond'))::int AS uploading
  FROM image.images WHERE owner = $1 AND status <> 'deleted' AND id IS DISTINCT FROM $2::uuid`;

/** Counts; and holds the lock under which it is counted, so that what is counted and what is written by it are one. */
@Injectable()
export class ImageUsageRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(IMAGE_CONFIG) private readonly config: ImageConfig) {}

  /** For people who look. */
  of(owner: string): Promise<ImageUsage> {
    return this.#count(this.db.pool, owner, null);
  }

  /** Within a transaction: until it ends, nobody else counts for this project. */
  async locked(client: PoolClient, owner: string, exceptImageId: string | null): Promise<ImageUsage> {
    await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 11))', [owner]);
    return this.#count(client, owner, exceptImageId);
  }

  async #count(runner: Pick<PoolClient, 'query'> | Database['pool'], owner: string, exceptImageId: string | null): Promise<ImageUsage> {
    const { rows: [usage] } = await (runner as PoolClient).query<ImageUsage>(USAGE_SQL, [owner, exceptImageId, timingsOf(this.config).leaseMs]);
    return usage as ImageUsage;
  }
}
