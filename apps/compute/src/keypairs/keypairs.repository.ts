import { Inject, Injectable } from '@nestjs/common';
import { audit, audited } from '#libs/audit';
import type { Caller, Keypair } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';

interface Row { request_id: string | null; user_id: string; name: string; number: number; type: 'ssh' | 'x509'; fingerprint: string; public_key: string; created_at: Date }
const keypairOf = (row: Row): Keypair => ({
  id: row.number, userId: row.user_id, name: row.name, type: row.type, fingerprint: row.fingerprint, publicKey: row.public_key, createdAt: row.created_at.toISOString(),
});

/** compute.keypairs: public halves only; private ones are never kept. */
@Injectable()
export class KeypairsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async find(userId: string, name: string): Promise<Keypair | undefined> {
    const { rows } = await this.db.pool.query<Row>('SELECT * FROM compute.keypairs WHERE user_id = $1 AND name = $2', [userId, name]);
    return rows[0] && keypairOf(rows[0]);
  }

  /** By name, after `marker`; one more than `limit`. Names compare by bytes, so that a page's end does not depend on a locale. */
  async list(userId: string, limit: number, marker: string | undefined): Promise<Keypair[]> {
    const { rows } = await this.db.pool.query<Row>(`
      SELECT * FROM compute.keypairs WHERE user_id = $1 AND ($3::text IS NULL OR name COLLATE "C" > $3::text COLLATE "C") ORDER BY name COLLATE "C" LIMIT $2`,
    [userId, limit + 1, marker ?? null]);
    return rows.map(keypairOf);
  }

  /** `exists` or `full` (the user has `max` already; negative: no limit) when it was not made. Counted under the user's lock. */
  async create(keypair: Pick<Keypair, 'userId' | 'name' | 'type' | 'fingerprint' | 'publicKey'>, max: number, asked: Caller): Promise<Keypair | 'exists' | 'full'> {
    return this.db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 2))', [keypair.userId]);
      if (asked.repeat === true) {
        // Made by this very request, whose answer nobody got: with a key made here, nobody has the private half of that one.
        const { rows: [made] } = await client.query<Row>('UPDATE compute.keypairs SET fingerprint = $4, public_key = $5 WHERE user_id = $1 AND name = $2 AND request_id = $3 RETURNING *',
          [keypair.userId, keypair.name, asked.requestId, keypair.fingerprint, keypair.publicKey]);
        if (made !== undefined) return keypairOf(made);
      }
      const { rows: [state] } = await client.query<{ count: number; exists: boolean }>(
        'SELECT count(*)::int AS count, coalesce(bool_or(name = $2), false) AS exists FROM compute.keypairs WHERE user_id = $1', [keypair.userId, keypair.name]);
      if (state?.exists === true) return 'exists';
      if (max >= 0 && (state?.count ?? 0) >= max) return 'full';
      const { rows } = await client.query<Row>('INSERT INTO compute.keypairs (user_id, name, type, fingerprint, public_key, request_id) VALUES ($1, $2, $3, $4, $5, $6) RETURNING *',
        [keypair.userId, keypair.name, keypair.type, keypair.fingerprint, keypair.publicKey, asked.requestId]);
      await audit(client, asked, { service: 'compute', action: 'keypairs:create', target: { kind: 'keypair', id: keypair.name }, detail: { userId: keypair.userId, fingerprint: keypair.fingerprint } });
      return keypairOf(rows[0] as Row);
    });
  }

  async delete(userId: string, name: string, by: Caller): Promise<boolean> {
    return ((await this.db.pool.query(...audited(by, { service: 'compute', action: 'keypairs:delete', target: { kind: 'keypair', id: name }, detail: { userId } }, 'DELETE FROM compute.keypairs WHERE user_id = $1 AND name = $2 RETURNING name', [userId, name]))).rowCount ?? 0) > 0;
  }
}
