import { Inject, Injectable } from '@nestjs/common';
import { audited } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import type { ImageUsage } from '../quota/decide/image-quota.js';
import { ImageUsageRepository } from '../quota/image-usage.repository.js';

export interface Received { location: string; sizeBytes: number; virtualSizeBytes: number | null; md5: string; sha512: string }

/** An upload that begins; `reservedBytes` of its project's are its own from now on. */
export interface NewUpload { imageId: string; owner: string; uploadId: string; leaseMs: number; reservedBytes: number }

/** Runs one statement: the pool, or a transaction's client. */
type Runner = { query(text: string, values: unknown[]): Promise<{ rowCount: number | null }> };

/** What a sweep must know of an image to judge one of its files. */
export interface FileOwner { id: string; status: string; location: string | null; uploadId: string | null }

/**
 * The life of an upload, in columns of its image: begin, beat, finish or give back. Every statement names the upload, so
 * that one which was given up cannot touch its successor; each may be repeated.
 */
@Injectable()
export class UploadsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly usage: ImageUsageRepository) {}

  /**
   * Takes a queued image, or one whose upload went silent. False: it is neither. `allow` sees what else its project has, under
   * the project's lock, and throws to refuse; left out: nothing is limited.
   */
  async begin(upload: NewUpload, allow: ((others: ImageUsage) => void) | undefined): Promise<boolean> {
    if (allow === undefined) return take(this.db.pool, upload);
    return this.db.transaction(async (client) => {
      const others = await this.usage.locked(client, upload.owner, upload.imageId);
      // First whether it takes an upload at all: that is the better answer where both are true.
      if (!await take(client, upload)) return false;
      allow(others);
      return true;
    });
  }

  /** Reserves as much as `grant` says, seeing what else its project has: under the project's lock where that is limited. undefined: the upload was given up. */
  async reserve({ imageId, owner, uploadId }: Pick<NewUpload, 'imageId' | 'owner' | 'uploadId'>, limited: boolean, grant: (others: ImageUsage) => number): Promise<number | undefined> {
    const write = async (runner: Runner, bytes: number): Promise<number | undefined> => {
      const { rowCount } = await runner.query(`UPDATE image.images SET upload_reserved_bytes = $3 WHERE id = $1 AND upload_id = $2 AND status = 'saving'`, [imageId, uploadId, bytes]);
      return rowCount === 1 ? bytes : undefined;
    };
    if (!limited) return write(this.db.pool, grant({ count: 0, bytes: 0, uploading: 0 }));
    return this.db.transaction(async (client) => write(client, grant(await this.usage.locked(client, owner, imageId))));
  }

  /** Says that these are alive; comes back with those that still hold their image. */
  async beat(uploadIds: readonly string[]): Promise<string[]> {
    const { rows } = await this.db.pool.query<{ upload_id: string }>(
      `UPDATE image.images SET upload_beat_at = now() WHERE upload_id = ANY($1::uuid[]) AND status = 'saving' RETURNING upload_id`, [uploadIds]);
    return rows.map((row) => row.upload_id);
  }

  /** The image is active with these bytes. False: it was deleted, or its upload taken over. */
  async finish(imageId: string, uploadId: string, received: Received, by: Caller): Promise<boolean> {
    const { rowCount } = await this.db.pool.query(...audited(by, { service: 'image', action: 'images:upload', target: { kind: 'image', id: imageId }, detail: { sizeBytes: received.sizeBytes, sha512: received.sha512 } },
      `UPDATE image.images SET status = 'active', location = $3, size_bytes = $4, virtual_size_bytes = $5, md5 = $6, sha512 = $7,
         upload_id = NULL, upload_started_at = NULL, upload_beat_at = NULL, updated_at = now(), generation = generation + 1
       WHERE id = $1 AND upload_id = $2 AND status = 'saving' RETURNING id`,
      [imageId, uploadId, received.location, received.sizeBytes, received.virtualSizeBytes, received.md5, received.sha512]));
    if (rowCount === 1) return true;
    // The answer to an earlier try may have been lost.
    const { rowCount: done } = await this.db.pool.query(`SELECT 1 FROM image.images WHERE id = $1 AND status = 'active' AND location = $2`, [imageId, received.location]);
    return done === 1;
  }

  /** The upload failed: the image waits for another one. */
  async giveBack(imageId: string, uploadId: string): Promise<void> {
    await this.db.pool.query(
      `UPDATE image.images SET status = 'queued', upload_id = NULL, upload_started_at = NULL, upload_beat_at = NULL, updated_at = now(), generation = generation + 1
       WHERE id = $1 AND upload_id = $2 AND status = 'saving'`, [imageId, uploadId]);
  }

  /** Gives back every image whose upload went silent; their ids. */
  async giveBackSilent(leaseMs: number): Promise<string[]> {
    const { rows } = await this.db.pool.query<{ id: string }>(
      `UPDATE image.images SET status = 'queued', upload_id = NULL, upload_started_at = NULL, upload_beat_at = NULL, updated_at = now(), generation = generation + 1
       WHERE status = 'saving' AND (upload_beat_at IS NULL OR upload_beat_at < now() - $1::float8 * interval '1 millisecond') RETURNING id`, [leaseMs]);
    return rows.map((row) => row.id);
  }

  async ownersOf(imageIds: readonly string[]): Promise<Map<string, FileOwner>> {
    const { rows } = await this.db.pool.query<FileOwner>(`SELECT id, status, location, upload_id AS "uploadId" FROM image.images WHERE id = ANY($1::uuid[])`, [imageIds]);
    return new Map(rows.map((row) => [row.id, row]));
  }
}

async function take(runner: Runner, { imageId, owner, uploadId, leaseMs, reservedBytes }: NewUpload): Promise<boolean> {
  const { rowCount } = await runner.query(
    `UPDATE image.images SET status = 'saving', upload_id = $2, upload_started_at = now(), upload_beat_at = now(), upload_reserved_bytes = $5, updated_at = now(), generation = generation + 1
     WHERE id = $1 AND owner = $4 AND disk_format IS NOT NULL AND container_format IS NOT NULL
       AND (status = 'queued' OR (status = 'saving' AND upload_beat_at < now() - $3::float8 * interval '1 millisecond'))`,
    [imageId, uploadId, leaseMs, owner, reservedBytes]);
  return rowCount === 1;
}
