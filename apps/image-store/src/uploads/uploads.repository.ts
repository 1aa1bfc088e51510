import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';

export interface Received { location: string; sizeBytes: number; virtualSizeBytes: number | null; md5: string; sha512: string }

/** What a sweep must know of an image to judge one of its files. */
export interface FileOwner { id: string; status: string; location: string | null; uploadId: string | null }

/**
 * The life of an upload, in columns of its image: begin, beat, finish or give back. Every statement names the upload, so
 * that one which was given up cannot touch its successor; each may be repeated.
 */
@Injectable()
export class UploadsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Takes a queued image, or one whose upload went silent. False: it is neither. */
  async begin(imageId: string, uploadId: string, leaseMs: number): Promise<boolean> {
    const { rowCount } = await this.db.pool.query(
      `UPDATE image.images SET status = 'saving', upload_id = $2, upload_started_at = now(), upload_beat_at = now(), updated_at = now(), generation = generation + 1
       WHERE id = $1 AND disk_format IS NOT NULL AND container_format IS NOT NULL
         AND (status = 'queued' OR (status = 'saving' AND upload_beat_at < now() - $3::float8 * interval '1 millisecond'))`,
      [imageId, uploadId, leaseMs]);
    return rowCount === 1;
  }

  /** Says that these are alive; comes back with those that still hold their image. */
  async beat(uploadIds: readonly string[]): Promise<string[]> {
    const { rows } = await this.db.pool.query<{ upload_id: string }>(
      `UPDATE image.images SET upload_beat_at = now() WHERE upload_id = ANY($1::uuid[]) AND status = 'saving' RETURNING upload_id`, [uploadIds]);
    return rows.map((row) => row.upload_id);
  }

  /** The image is active with these bytes. False: it was deleted, or its upload taken over. */
  async finish(imageId: string, uploadId: string, received: Received): Promise<boolean> {
    const { rowCount } = await this.db.pool.query(
      `UPDATE image.images SET status = 'active', location = $3, size_bytes = $4, virtual_size_bytes = $5, md5 = $6, sha512 = $7,
         upload_id = NULL, upload_started_at = NULL, upload_beat_at = NULL, updated_at = now(), generation = generation + 1
       WHERE id = $1 AND upload_id = $2 AND status = 'saving'`,
      [imageId, uploadId, received.location, received.sizeBytes, received.virtualSizeBytes, received.md5, received.sha512]);
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
