import { Inject, Injectable } from '@nestjs/common';
import { audit, audited, type AuditEntry } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { ImageUsage } from '../quota/decide/image-quota.js';
import { ImageUsageRepository } from '../quota/image-usage.repository.js';
import type { Image, ImageSpec } from './image.js';
import type { ListQuery } from './list-query.js';
import { listStatement } from './list-sql.js';

const COLUMNS = `id, owner, name, status, visibility, disk_format AS "diskFormat", container_format AS "containerFormat",
  size_bytes::float8 AS "sizeBytes", virtual_size_bytes::float8 AS "virtualSizeBytes", md5, sha512, min_disk_gib AS "minDiskGib", min_ram_mib AS "minRamMib",
  protected, os_hidden AS "osHidden", tags, properties, location, upload_id AS "uploadId", created_at AS "createdAt", updated_at AS "updatedAt"`;

/** The project that is to have an image. `allow` sees what else it has, and the image, and throws to refuse. */
export interface NewOwner { owner: string; allow(others: ImageUsage, image: Image): void }

const isUuid = (text: string): boolean => /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text);

/** The rows of image.images. Deleted ones stay as tombstones: their ids are never used again, and their bytes are known to be unwanted. */
@Injectable()
export class ImagesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly usage: ImageUsageRepository) {}

  /** undefined: no such image, or deleted. */
  async find(id: string): Promise<Image | undefined> {
    if (!isUuid(id)) return undefined;
    const { rows } = await this.db.pool.query<Image>({ name: 'image-find', text: `SELECT ${COLUMNS} FROM image.images WHERE id = $1 AND status <> 'deleted'`, values: [id] });
    return rows[0];
  }

  async list(query: ListQuery, caller: Caller): Promise<{ images: Image[]; more: boolean }> {
    const { rows } = await this.db.pool.query<Image>(listStatement(query, caller, COLUMNS));
    return { images: rows.slice(0, query.limit), more: rows.length > query.limit };
  }

  /**
   * undefined: the id is taken, also by a deleted image. `allow` sees what the project has, under the project's lock, and throws to
   * refuse; left out: nothing is limited.
   */
  create(id: string, spec: ImageSpec, by: Caller, allow?: (used: ImageUsage) => void): Promise<Image | undefined> {
    if (allow === undefined) return this.#insert(this.db.pool, id, spec, by);
    return this.db.transaction(async (client) => {
      const used = await this.usage.locked(client, spec.owner, null);
      // A taken id is the better answer: it may be this very request, asked once more.
      const { rowCount: taken } = await client.query('SELECT 1 FROM image.images WHERE id = $1', [id]);
      if (taken === 1) return undefined;
      allow(used);
      return this.#insert(client, id, spec, by);
    });
  }

  async #insert(runner: { query<T extends object>(text: string, values: unknown[]): Promise<{ rows: T[] }> }, id: string, spec: ImageSpec, by: Caller): Promise<Image | undefined> {
    const { rows } = await runner.query<Image>(...audited(by, entry('create', id, { name: spec.name, owner: spec.owner, visibility: spec.visibility }),
      `INSERT INTO image.images (id, cell_id, owner, name, status, visibility, disk_format, container_format, min_disk_gib, min_ram_mib, protected, os_hidden, tags, properties)
       VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING RETURNING ${COLUMNS}`,
      [id, this.db.cellId, ...specValues(spec)]));
    return rows[0];
  }

  /**
   * Changes a row under its lock. `change` sees it as it is and may throw; undefined: gone.
   * @param newOwner when it becomes another project's: counted under that project's lock, which everybody takes before a row's.
   */
  update(id: string, change: (image: Image) => ImageSpec, by: Caller, newOwner?: NewOwner): Promise<Image | undefined> {
    if (!isUuid(id)) return Promise.resolve(undefined);
    return this.db.transaction(async (client) => {
      const others = newOwner === undefined ? undefined : await this.usage.locked(client, newOwner.owner, id);
      const image = await lockRow(client, id);
      if (image === undefined) return undefined;
      if (others !== undefined) newOwner?.allow(others, image);
      const { rows } = await client.query<Image>(
        `UPDATE image.images SET owner = $2, name = $3, visibility = $4, disk_format = $5, container_format = $6, min_disk_gib = $7, min_ram_mib = $8, protected = $9,
           os_hidden = $10, tags = $11, properties = $12, updated_at = now(), generation = generation + 1 WHERE id = $1 RETURNING ${COLUMNS}`,
        [id, ...specValues(change(image))]);
      await audit(client, by, entry('update', id, changes(image, rows[0])));
      return rows[0];
    });
  }

  /** Marks as deleted, after `mayDelete` has not thrown; undefined: gone already. */
  remove(id: string, mayDelete: (image: Image) => void, by: Caller): Promise<Image | undefined> {
    if (!isUuid(id)) return Promise.resolve(undefined);
    return this.db.transaction(async (client) => {
      const image = await lockRow(client, id);
      if (image === undefined) return undefined;
      mayDelete(image);
      await client.query(
        `UPDATE image.images SET status = 'deleted', upload_id = NULL, upload_beat_at = NULL, deleted_at = now(), updated_at = now(), generation = generation + 1 WHERE id = $1`, [id]);
      await audit(client, by, entry('delete', id, { name: image.name, owner: image.owner }));
      return image;
    });
  }
}

const entry = (verb: string, id: string, detail: Record<string, unknown>): AuditEntry => ({ service: 'image', action: `images:${verb}`, target: { kind: 'image', id }, detail });

/** Which of the columns differ, by name; and who sees the image from now on, if that changed. */
const changes = (before: Image, after: Image | undefined): Record<string, unknown> => ({
  changed: (Object.keys(before) as (keyof Image)[]).filter((key) => key !== 'updatedAt' && JSON.stringify(before[key]) !== JSON.stringify(after?.[key])),
  ...(before.visibility !== after?.visibility && { visibility: after?.visibility }), ...(before.owner !== after?.owner && { owner: after?.owner }),
});

const specValues = (spec: ImageSpec): unknown[] => [
  spec.owner, spec.name, spec.visibility, spec.diskFormat, spec.containerFormat, spec.minDiskGib, spec.minRamMib, spec.protected, spec.osHidden, spec.tags, JSON.stringify(spec.properties),
];

async function lockRow(client: PoolClient, id: string): Promise<Image | undefined> {
  const { rows } = await client.query<Image>(`SELECT ${COLUMNS} FROM image.images WHERE id = $1 AND status <> 'deleted' FOR UPDATE`, [id]);
  return rows[0];
}
