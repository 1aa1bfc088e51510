import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { isKeyOf, makeSigningKey, signingKeyFromJwk, type PublicTokenKey, type SigningJwk, type SigningKey } from '#libs/auth';
import type { Caller, TokenKeyView } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { conflict } from '#libs/errors';
import { LIMITS } from '../limits.js';

/** Serializes the making of keys between replicas. */
const KEYS_LOCK = 72_707_371;

/** A key that signs, and from when on (milliseconds since the epoch). */
export interface ScheduledKey { key: SigningKey; activatesAtMs: number }

interface KeyRow { kid: string; x: string; private_jwk: SigningJwk; activates_at: Date }
interface ViewRow { kid: string; x: string; created_at: Date; activates_at: Date; retired_at: Date | null; now: Date }

const UNRETIRED = '(retired_at IS NULL OR retired_at > now())';
const SIGNERS = `SELECT kid, public_jwk ->> 'x' AS x, private_jwk, activates_at FROM identity.signing_keys WHERE ${UNRETIRED} ORDER BY activates_at DESC, kid`;

/**
 * The keys that sign tokens. Private halves never leave this schema. A key's id commits to its cloud: one that came
 * along in a database copied from another cloud is not ours, and neither are that cloud's tokens.
 * A key is published before it signs, and verifies until the last token that it signed has ended.
 */
@Injectable()
export class SigningKeysRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The keys that sign now or soon, the latest first; the first one is made on the cloud's first start. */
  ensure(): Promise<ScheduledKey[]> {
    return this.db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [KEYS_LOCK]);
      const known = this.ours((await client.query<KeyRow>(SIGNERS)).rows);
      return known.some(({ activatesAtMs }) => activatesAtMs <= Date.now()) ? known : [...known, { key: await this.make(client, 0), activatesAtMs: 0 }];
    });
  }

  /** The same, without making any. */
  async schedule(): Promise<ScheduledKey[]> {
    return this.ours((await this.db.pool.query<KeyRow>(SIGNERS)).rows);
  }

  /** Every key whose tokens count, and those that will sign soon. */
  async listPublic(): Promise<PublicTokenKey[]> {
    const { rows } = await this.db.pool.query<PublicTokenKey>(
      `SELECT kid, public_jwk ->> 'x' AS x FROM identity.signing_keys WHERE ${UNRETIRED} ORDER BY activates_at DESC, kid`);
    return rows.filter((key) => isKeyOf(this.db.cloudId, key));
  }

  /** Keys of which no stranger knows, that signed tokens which ended no longer ago than that. */
  async listUndropped(windowS: number): Promise<PublicTokenKey[]> {
    const { rows } = await this.db.pool.query<PublicTokenKey>(
      "SELECT kid, public_jwk ->> 'x' AS x FROM identity.signing_keys WHERE NOT dropped AND (retired_at IS NULL OR retired_at > now() - $1 * interval '1 s')", [windowS]);
    return rows.filter((key) => isKeyOf(this.db.cloudId, key));
  }

  /** All there were lately, the newest first. */
  async view(): Promise<TokenKeyView[]> {
    const { rows } = await this.db.pool.query<ViewRow>(
      `SELECT kid, public_jwk ->> 'x' AS x, created_at, activates_at, retired_at, now() FROM identity.signing_keys ORDER BY activates_at DESC, created_at DESC, kid LIMIT ${LIMITS.tokenKeysShown}`);
    const mine = rows.filter((key) => isKeyOf(this.db.cloudId, key));
    const signs = mine.find(({ activates_at, retired_at, now }) => activates_at <= now && (retired_at === null || retired_at > now));
    return mine.map((row) => ({
      kid: row.kid, createdAt: row.created_at.toISOString(), activatesAt: row.activates_at.toISOString(), retiresAt: row.retired_at?.toISOString() ?? null,
      state: row.retired_at !== null && row.retired_at <= row.now ? 'retired' : row.activates_at > row.now ? 'next' : row === signs ? 'active' : 'retiring',
    }));
  }

  /** @param ttlS seconds that the old keys' last tokens live. @throws SkyError `conflict` while a new key waits already. */
  rotate(caller: Caller, ttlS: number, dropOld: boolean): Promise<void> {
    return this.db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [KEYS_LOCK]);
      const { rowCount: waiting } = await client.query(`SELECT 1 FROM identity.signing_keys WHERE activates_at > now() AND ${UNRETIRED}`);
      if (waiting && !dropOld) throw conflict('A new key has been published already and will sign within seconds. See `skylite keys list`.');
      // Those that are retired already may be in the same hands.
      if (dropOld) await client.query('UPDATE identity.signing_keys SET dropped = true WHERE NOT dropped');
      const afterMs = dropOld ? 0 : LIMITS.keyPublishedMs;
      await client.query(
        `UPDATE identity.signing_keys SET retired_at = now() + $1 * interval '1 ms' WHERE ${UNRETIRED} AND (retired_at IS NULL OR $2)`,
        [dropOld ? 0 : afterMs + ttlS * 1_000 + LIMITS.keyOverlapMs, dropOld]);
      const { kid } = await this.make(client, afterMs);
      await audit(client, caller, { service: 'identity', action: 'token-keys:rotate', target: { kind: 'signing-key', id: kid }, detail: { dropOld } });
    });
  }

  /** Forgets keys of long ago. */
  async purge(): Promise<void> {
    await this.db.pool.query(`DELETE FROM identity.signing_keys WHERE retired_at < now() - interval '${LIMITS.keysKeptDays} days'`);
  }

  private async make(client: PoolClient, afterMs: number): Promise<SigningKey> {
    const { key, jwk } = makeSigningKey(this.db.cloudId);
    await client.query("INSERT INTO identity.signing_keys (kid, private_jwk, public_jwk, activates_at) VALUES ($1, $2, $3, now() + $4 * interval '1 ms')",
      [key.kid, jwk, { kty: 'OKP', crv: 'Ed25519', x: key.x }, afterMs]);
    return key;
  }

  private ours(rows: readonly KeyRow[]): ScheduledKey[] {
    return rows.filter((row) => isKeyOf(this.db.cloudId, row)).map((row) => ({ key: signingKeyFromJwk(this.db.cloudId, row.private_jwk), activatesAtMs: row.activates_at.getTime() }));
  }
}
