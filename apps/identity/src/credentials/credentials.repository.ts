import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { unavailable } from '#libs/errors';
import type { Extra } from '../http/body.js';
import { cutPage, type Paged } from '../http/links.js';
import { ListSql } from '../http/list-sql.js';
import { LIMITS } from '../limits.js';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import type { CredentialsQuery } from './credentials.schema.js';
import { keyHash, seal, unseal } from './seal.js';

export interface Credential { id: string; userId: string; projectId: string | null; type: string; blob: string; extra: Extra }
/** One in a list; without a blob when it was stored with a key that this cloud does not have. */
export type ListedCredential = Omit<Credential, 'blob'> & { blob: string | undefined };
interface SealedRow extends Omit<Credential, 'blob'> { sealed: Buffer; keyHash: string }

const COLUMNS = 'c.id, c.user_id AS "userId", c.project_id AS "projectId", c.type, c.extra, c.sealed_blob AS sealed, c.key_hash AS "keyHash"';

/** Credentials; what they hold is open only between here and the answer. */
@Injectable()
export class CredentialsRepository {
  readonly #key: Buffer | undefined;
  /** By their hashes: the key that seals, and those that did. */
  readonly #keys: ReadonlyMap<string, Buffer>;

  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(IDENTITY_CONFIG) { credentialKey, oldCredentialKeys = [] }: IdentityConfig) {
    this.#key = credentialKey === undefined ? undefined : Buffer.from(credentialKey, 'hex');
    const known = [...oldCredentialKeys.map((key) => Buffer.from(key, 'hex')), ...(this.#key === undefined ? [] : [this.#key])];
    this.#keys = new Map(known.map((key) => [keyHash(key), key]));
  }

  /** @param within only this user's (and of them only this project's), whatever the query says. */
  async list(query: CredentialsQuery, within: { userId?: string | undefined; projectId?: string | undefined }): Promise<Paged<ListedCredential>> {
    const sql = new ListSql().equals('c.user_id', query.user_id).equals('c.type', query.type).equals('c.user_id', within.userId).equals('c.project_id', within.projectId);
    const limit = Math.min(query.limit ?? LIMITS.credentialsPage, LIMITS.credentialsPage);
    const { rows } = await this.db.pool.query<SealedRow>(`SELECT ${COLUMNS} FROM identity.credentials c ${sql.end({ ...query, limit }, 'c', 'identity.credentials', {})}`, sql.values);
    const { rows: page, next } = cutPage(rows, Math.min(limit, fitting(rows)), (row) => row.id);
    return { rows: page.map(({ sealed, ...row }) => (this.#keys.has(row.keyHash) ? this.open({ sealed, ...row }) : { ...row, blob: undefined })), next };
  }

  async get(id: string): Promise<Credential | null> {
    const { rows: [row] } = await this.db.pool.query<SealedRow>(`SELECT ${COLUMNS} FROM identity.credentials c WHERE c.id = $1`, [id]);
    return row === undefined ? null : this.open(row);
  }

  async lock(client: PoolClient, id: string): Promise<Credential | null> {
    const { rows: [row] } = await client.query<SealedRow>(`SELECT ${COLUMNS} FROM identity.credentials c WHERE c.id = $1 FOR UPDATE`, [id]);
    return row === undefined ? null : this.open(row);
  }

  /** The same without what it holds: it can go also when nobody can open it any more. */
  async lockSealed(client: PoolClient, id: string): Promise<Omit<Credential, 'blob'> | null> {
    return (await client.query<SealedRow>(`SELECT ${COLUMNS} FROM identity.credentials c WHERE c.id = $1 FOR UPDATE`, [id])).rows[0] ?? null;
  }

  /** How many the user has; null: there is no such user. Others who count meanwhile wait. */
  async count(client: PoolClient, userId: string): Promise<number | null> {
    const { rows: [row] } = await client.query<{ id: string }>('SELECT id FROM identity.users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
    if (row === undefined) return null;
    return (await client.query<{ n: number }>('SELECT count(*)::int AS n FROM identity.credentials WHERE user_id = $1', [userId])).rows[0]?.n ?? 0;
  }

  async hasProject(id: string): Promise<boolean> {
    return (await this.db.pool.query('SELECT FROM identity.projects WHERE id = $1', [id])).rowCount === 1;
  }

  async insert(client: PoolClient, it: Credential): Promise<void> {
    await client.query(
      'INSERT INTO identity.credentials (id, user_id, project_id, type, sealed_blob, key_hash, extra) VALUES ($1, $2, $3, $4, $5, $6, $7)', [it.id, it.userId, it.projectId, it.type, ...this.sealed(it), it.extra]);
  }

  async update(client: PoolClient, it: Credential): Promise<void> {
    await client.query(
      'UPDATE identity.credentials SET user_id = $2, project_id = $3, type = $4, sealed_blob = $5, key_hash = $6, extra = $7 WHERE id = $1', [it.id, it.userId, it.projectId, it.type, ...this.sealed(it), it.extra]);
  }

  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query('DELETE FROM identity.credentials WHERE id = $1', [id]);
  }

  private sealed({ id, blob }: Credential): [Buffer, string] {
    const key = this.key();
    return [seal(key, id, blob), keyHash(key)];
  }

  private open({ sealed, keyHash: by, ...row }: SealedRow): Credential {
    const key = this.#keys.get(by);
    if (key === undefined) throw unavailable('Credentials cannot be read: this cloud does not have the key with which they were stored.', { internal: `credential ${row.id} was sealed with key ${by}` });
    return { ...row, blob: unseal(key, row.id, sealed) };
  }

  private key(): Buffer {
    if (this.#key === undefined) throw unavailable('Credentials cannot be kept: this cloud has no key for them.');
    return this.#key;
  }
}

/** How many of the first stay within the bytes of a page; one at least. */
function fitting(rows: readonly SealedRow[]): number {
  let bytes = 0;
  const over = rows.findIndex(({ sealed }) => (bytes += sealed.length) > LIMITS.credentialsPageBytes);
  return over === -1 ? rows.length : Math.max(over, 1);
}
