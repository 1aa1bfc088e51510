import { Inject, Injectable } from '@nestjs/common';
import type { AccessRule } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import type { CredentialsQuery } from './application-credentials.schema.js';

export interface AccessRuleRow extends AccessRule { id: string }
export interface CredentialRole { id: string; name: string; domain_id: string | null }
export interface CredentialRow {
  id: string; userId: string; projectId: string; name: string; description: string | null; expiresAt: Date | null; unrestricted: boolean;
  roles: CredentialRole[]; accessRules: AccessRuleRow[];
}

/** What a login with it needs. `readAt` and `snapshot`: when this was read, by the database. */
export interface LoginCredential {
  id: string; userId: string; projectId: string; name: string; secretHash: string; restricted: boolean; ruled: boolean; roleIds: string[];
  /** Seconds since the epoch. */
  expiresAt: number | null;
  readAt: number; snapshot: string;
}

interface Row {
  id: string; user_id: string; project_id: string; name: string; description: string | null; expires_at: Date | null; unrestricted: boolean;
  roles: CredentialRole[]; access_rules: AccessRuleRow[];
}
interface LoginRow {
  id: string; user_id: string; project_id: string; name: string; secret_hash: string; unrestricted: boolean; ruled: boolean; role_ids: string[];
  expires_at: number | null; read_at: number; snapshot: string;
}

const SELECT = `
  SELECT c.id, c.user_id, c.project_id, c.name, c.description, c.expires_at, c.unrestricted,
         coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name, 'domain_id', r.domain_id) ORDER BY r.name, r.id)
                     FROM identity.application_credential_roles cr JOIN identity.roles r ON r.id = cr.role_id WHERE cr.application_credential_id = c.id), '[]') AS roles,
         coalesce((SELECT jsonb_agg(jsonb_build_object('id', a.id, 'service', a.service, 'method', a.method, 'path', a.path) ORDER BY a.service, a.path, a.method, a.id)
                     FROM identity.application_credential_access_rules ca JOIN identity.access_rules a ON a.id = ca.access_rule_id WHERE ca.application_credential_id = c.id), '[]') AS access_rules
    FROM identity.application_credentials c`;

@Injectable()
export class ApplicationCredentialsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(userId: string, query: CredentialsQuery): Promise<Paged<CredentialRow>> {
    const limit = pageSize(query.limit);
    const { rows } = await this.db.pool.query<Row>(
      `${SELECT} WHERE c.user_id = $1 AND ($2::text IS NULL OR c.name = $2) AND ($3::text IS NULL OR c.id > $3) ORDER BY c.id LIMIT $4`,
      [userId, query.name ?? null, query.marker ?? null, limit + 1]);
    return cutPage(rows.map(rowOf), limit, (row) => row.id);
  }

  async get(id: string): Promise<CredentialRow | null> {
    const { rows: [row] } = await this.db.pool.query<Row>(`${SELECT} WHERE c.id = $1`, [id]);
    return row === undefined ? null : rowOf(row);
  }

  /** By its id, or by its owner and name. */
  async findForLogin(id: string | null, userId: string | null, name: string | null): Promise<LoginCredential | null> {
    const { rows: [row] } = await this.db.pool.query<LoginRow>({
      name: 'identity-application-credential',
      text: `SELECT c.id, c.user_id, c.project_id, c.name, c.secret_hash, c.unrestricted, extract(epoch FROM c.expires_at)::float8 AS expires_at,
                    EXISTS (SELECT 1 FROM identity.application_credential_access_rules ca WHERE ca.application_credential_id = c.id) AS ruled,
                    ARRAY(SELECT cr.role_id FROM identity.application_credential_roles cr WHERE cr.application_credential_id = c.id) AS role_ids,
                    extract(epoch FROM clock_timestamp())::float8 AS read_at, pg_current_snapshot()::text AS snapshot
               FROM identity.application_credentials c
              WHERE ($1::text IS NOT NULL AND c.id = $1) OR ($1::text IS NULL AND c.user_id = $2 AND c.name = $3)`,
      values: [id, userId, name],
    });
    return row === undefined ? null : {
      id: row.id, userId: row.user_id, projectId: row.project_id, name: row.name, secretHash: row.secret_hash, restricted: !row.unrestricted, ruled: row.ruled,
      roleIds: row.role_ids, expiresAt: row.expires_at, readAt: row.read_at, snapshot: row.snapshot,
    };
  }

  async rulesOf(id: string): Promise<AccessRule[]> {
    const { rows } = await this.db.pool.query<AccessRule>(
      `SELECT a.service, a.method, a.path FROM identity.application_credential_access_rules ca JOIN identity.access_rules a ON a.id = ca.access_rule_id WHERE ca.application_credential_id = $1`, [id]);
    return rows;
  }

  async count(client: PoolClient, userId: string): Promise<number> {
    const { rows: [row] } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM identity.application_credentials WHERE user_id = $1', [userId]);
    return row?.n ?? 0;
  }

  /** When it ends; null: never, undefined: there is no such one. */
  async endOf(client: PoolClient, id: string): Promise<Date | null | undefined> {
    return (await client.query<{ expires_at: Date | null }>('SELECT expires_at FROM identity.application_credentials WHERE id = $1', [id])).rows[0]?.expires_at;
  }

  async insert(client: PoolClient, row: Omit<CredentialRow, 'roles' | 'accessRules'>, secretHash: string, roleIds: readonly string[], ruleIds: readonly string[]): Promise<void> {
    await client.query(
      'INSERT INTO identity.application_credentials (id, user_id, project_id, name, description, secret_hash, expires_at, unrestricted) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)',
      [row.id, row.userId, row.projectId, row.name, row.description, secretHash, row.expiresAt, row.unrestricted]);
    await client.query('INSERT INTO identity.application_credential_roles SELECT $1, role_id FROM unnest($2::text[]) AS role_id', [row.id, roleIds]);
    await client.query('INSERT INTO identity.application_credential_access_rules SELECT $1, rule_id FROM unnest($2::text[]) AS rule_id', [row.id, ruleIds]);
  }

  /** @returns whether it was there. */
  async remove(client: PoolClient, id: string): Promise<boolean> {
    return (await client.query('DELETE FROM identity.application_credentials WHERE id = $1', [id])).rowCount === 1;
  }
}

const rowOf = (row: Row): CredentialRow => ({
  id: row.id, userId: row.user_id, projectId: row.project_id, name: row.name, description: row.description, expiresAt: row.expires_at, unrestricted: row.unrestricted,
  roles: row.roles, accessRules: row.access_rules,
});
