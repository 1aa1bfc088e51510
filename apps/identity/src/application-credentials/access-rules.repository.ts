import { Inject, Injectable } from '@nestjs/common';
import type { AccessRule } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import type { AccessRuleRow } from './application-credentials.repository.js';
import type { AccessRulesQuery } from './application-credentials.schema.js';

/** The access rules that users have written; several credentials may share one. */
@Injectable()
export class AccessRulesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(userId: string, query: AccessRulesQuery): Promise<Paged<AccessRuleRow>> {
    const limit = pageSize(query.limit);
    const { rows } = await this.db.pool.query<AccessRuleRow>(
      `SELECT id, service, method, path FROM identity.access_rules
        WHERE user_id = $1 AND ($2::text IS NULL OR service = $2) AND ($3::text IS NULL OR method = $3) AND ($4::text IS NULL OR path = $4) AND ($5::text IS NULL OR id > $5)
        ORDER BY id LIMIT $6`,
      [userId, query.service ?? null, query.method ?? null, query.path ?? null, query.marker ?? null, limit + 1]);
    return cutPage(rows, limit, (row) => row.id);
  }

  async get(userId: string, id: string): Promise<AccessRuleRow | null> {
    return (await this.db.pool.query<AccessRuleRow>('SELECT id, service, method, path FROM identity.access_rules WHERE user_id = $1 AND id = $2', [userId, id])).rows[0] ?? null;
  }

  async count(client: PoolClient, userId: string): Promise<number> {
    return (await client.query<{ n: number }>('SELECT count(*)::int AS n FROM identity.access_rules WHERE user_id = $1', [userId])).rows[0]?.n ?? 0;
  }

  /** Those of the user among these ids. */
  async known(client: PoolClient, userId: string, ids: readonly string[]): Promise<string[]> {
    const { rows } = await client.query<{ id: string }>('SELECT id FROM identity.access_rules WHERE user_id = $1 AND id = ANY($2::text[])', [userId, ids]);
    return rows.map(({ id }) => id);
  }

  /** The user's rule that says the same, made when there is none. @returns its id. */
  async ensure(client: PoolClient, userId: string, id: string, rule: AccessRule): Promise<string> {
    const { rows: [row] } = await client.query<{ id: string }>(
      `INSERT INTO identity.access_rules (id, user_id, service, method, path) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (user_id, service, method, path) DO UPDATE SET service = excluded.service RETURNING id`, [id, userId, rule.service, rule.method, rule.path]);
    return row?.id ?? id;
  }

  /** @returns undefined: there is none; false: credentials use it. */
  async remove(client: PoolClient, userId: string, id: string): Promise<boolean | undefined> {
    const { rows: [row] } = await client.query<{ used: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM identity.application_credential_access_rules WHERE access_rule_id = r.id) AS used FROM identity.access_rules r WHERE user_id = $1 AND id = $2 FOR UPDATE`, [userId, id]);
    if (row === undefined || row.used) return row === undefined ? undefined : false;
    await client.query('DELETE FROM identity.access_rules WHERE id = $1', [id]);
    return true;
  }
}
