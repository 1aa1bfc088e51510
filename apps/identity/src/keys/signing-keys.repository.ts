import { Inject, Injectable } from '@nestjs/common';
import { isKeyOf, makeSigningKey, signingKeyFromJwk, type PublicTokenKey, type SigningJwk, type SigningKey } from '#libs/auth';
import { DATABASE, type Database } from '#libs/db';

/** Serializes the making of the first key between replicas. */
const FIRST_KEY_LOCK = 72_707_371;

/**
 * The keys that sign tokens. Private halves never leave this schema. A key's id commits to its cloud: one that came
 * along in a database copied from another cloud is not ours, and neither are that cloud's tokens.
 */
@Injectable()
export class SigningKeysRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The key that signs now; made on the cloud's first start. */
  ensure(): Promise<SigningKey> {
    return this.db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [FIRST_KEY_LOCK]);
      const { rows } = await client.query<{ kid: string; private_jwk: SigningJwk }>(
        'SELECT kid, private_jwk FROM identity.signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC, kid');
      for (const row of rows) {
        if (isKeyOf(this.db.cloudId, { kid: row.kid, x: row.private_jwk.x })) return signingKeyFromJwk(this.db.cloudId, row.private_jwk);
      }
      const { key, jwk } = makeSigningKey(this.db.cloudId);
      await client.query('INSERT INTO identity.signing_keys (kid, private_jwk, public_jwk) VALUES ($1, $2, $3)',
        [key.kid, jwk, { kty: 'OKP', crv: 'Ed25519', x: key.x }]);
      return key;
    });
  }

  /** Every key whose tokens count. */
  async listPublic(): Promise<PublicTokenKey[]> {
    const { rows } = await this.db.pool.query<PublicTokenKey>(
      "SELECT kid, public_jwk ->> 'x' AS x FROM identity.signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC, kid");
    return rows.filter((key) => isKeyOf(this.db.cloudId, key));
  }
}
