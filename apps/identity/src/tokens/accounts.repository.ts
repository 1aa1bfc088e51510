import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';

/** What Keystone lets an admin say about one user's logins. */
export interface AccountOptions { ignoresExpiry: boolean; ignoresFirstUse: boolean; ignoresLockout: boolean; factorRules: readonly (readonly string[])[] }

export interface Account {
  id: string; name: string; domain: { id: string; name: string };
  passwordHash: string | null;
  /** The user and their domain. */
  enabled: boolean;
  passwordExpiresAt: Date | null;
  mustChangePassword: boolean;
  defaultProjectId: string | null;
  options: AccountOptions;
  /** When this was read: seconds since the epoch by the database's clock, and its snapshot. */
  readAt: number;
  snapshot: string;
}

/** By id, or by name within a domain that is known by id or name. */
export interface Ref { id?: string | undefined; name?: string | undefined; domain?: { id?: string | undefined; name?: string | undefined } | undefined }

interface AccountRow {
  id: string; name: string; password_hash: string | null; enabled: boolean; password_expires_at: Date | null; must_change_password: boolean; default_project_id: string | null;
  options: unknown; domain_id: string; domain_name: string; read_at: number; snapshot: string;
}

/** What a login needs to know of a user, in one statement. */
@Injectable()
export class AccountsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async findUser(ref: Ref): Promise<Account | null> {
    return (await this.lookUp(ref)).account;
  }

  /** @returns also the domain that was named, when there is one: found in the same statement, so that a nobody costs as much as somebody. */
  async lookUp(ref: Ref): Promise<{ account: Account | null; domainId: string | null }> {
    const { rows: [row] } = await this.db.pool.query<(AccountRow | { [K in keyof AccountRow]: null }) & { named_domain_id: string | null }>({
      name: 'identity-find-user',
      text: `SELECT (SELECT id FROM identity.domains WHERE $1::text IS NULL AND (id = $3 OR name = $4)) AS named_domain_id, account.* FROM (SELECT 1) AS one LEFT JOIN LATERAL (
             SELECT u.id, u.name, u.password_hash, u.enabled AND d.enabled AS enabled, u.password_expires_at, u.must_change_password, u.default_project_id, u.options,
                    d.id AS domain_id, d.name AS domain_name, extract(epoch FROM clock_timestamp())::float8 AS read_at, pg_current_snapshot()::text AS snapshot
               FROM identity.users u JOIN identity.domains d ON d.id = u.domain_id
              WHERE ($1::text IS NOT NULL AND u.id = $1) OR ($1::text IS NULL AND u.name = $2 AND (d.id = $3 OR d.name = $4))) AS account ON true`,
      values: valuesOf(ref),
    });
    return { account: row === undefined || row.id === null ? null : accountOf(row), domainId: row?.named_domain_id ?? null };
  }

  /** The same password at today's cost; nothing when it was changed meanwhile. */
  async rehash(userId: string, before: string, after: string): Promise<void> {
    await this.db.pool.query('UPDATE identity.users SET password_hash = $3 WHERE id = $1 AND password_hash = $2', [userId, before, after]);
  }
}

const accountOf = (row: AccountRow): Account => ({
  id: row.id, name: row.name, domain: { id: row.domain_id, name: row.domain_name }, passwordHash: row.password_hash,
  enabled: row.enabled, passwordExpiresAt: row.password_expires_at, mustChangePassword: row.must_change_password, defaultProjectId: row.default_project_id,
  options: optionsOf(row.options), readAt: row.read_at, snapshot: row.snapshot,
});

/** An id decides alone; a domain's id before its name. */
const valuesOf = ({ id, name, domain }: Ref): (string | null)[] =>
  [id ?? null, name ?? null, domain?.id ?? null, domain?.id === undefined ? (domain?.name ?? null) : null];

function optionsOf(stored: unknown): AccountOptions {
  const options = (typeof stored === 'object' && stored !== null ? stored : {}) as Record<string, unknown>;
  const rules = options['multi_factor_auth_enabled'] === true && Array.isArray(options['multi_factor_auth_rules']) ? options['multi_factor_auth_rules'] as unknown[] : [];
  return {
    ignoresExpiry: options['ignore_password_expiry'] === true, ignoresFirstUse: options['ignore_change_password_upon_first_use'] === true,
    ignoresLockout: options['ignore_lockout_failure_attempts'] === true,
    factorRules: rules.filter((rule): rule is string[] => Array.isArray(rule) && rule.every((method) => typeof method === 'string')),
  };
}
