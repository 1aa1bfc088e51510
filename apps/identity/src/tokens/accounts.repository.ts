import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import type { ProjectStanding, Role } from '../decide/grant-token.js';

export interface Account {
  id: string; name: string; domain: { id: string; name: string };
  passwordHash: string | null;
  /** The user and their domain. */
  enabled: boolean;
  passwordExpiresAt: Date | null;
  defaultProjectId: string | null;
}

/** By id, or by name within a domain that is known by id or name. */
export interface Ref { id?: string | undefined; name?: string | undefined; domain?: { id?: string | undefined; name?: string | undefined } | undefined }

interface AccountRow {
  id: string; name: string; password_hash: string | null; enabled: boolean; password_expires_at: Date | null; default_project_id: string | null;
  domain_id: string; domain_name: string;
}
interface StandingRow { id: string; name: string; enabled: boolean; domain_id: string; domain_name: string; domain_enabled: boolean; roles: Role[] }

/** What a login needs to know, in one statement each. */
@Injectable()
export class AccountsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async findUser(ref: Ref): Promise<Account | null> {
    const { rows } = await this.db.pool.query<AccountRow>({
      name: 'identity-find-user',
      text: `SELECT u.id, u.name, u.password_hash, u.enabled AND d.enabled AS enabled, u.password_expires_at, u.default_project_id,
                    d.id AS domain_id, d.name AS domain_name
               FROM identity.users u JOIN identity.domains d ON d.id = u.domain_id
              WHERE ($1::text IS NOT NULL AND u.id = $1) OR ($1::text IS NULL AND u.name = $2 AND (d.id = $3 OR d.name = $4))`,
      values: valuesOf(ref),
    });
    const row = rows[0];
    return row === undefined ? null : {
      id: row.id, name: row.name, domain: { id: row.domain_id, name: row.domain_name }, passwordHash: row.password_hash,
      enabled: row.enabled, passwordExpiresAt: row.password_expires_at, defaultProjectId: row.default_project_id,
    };
  }

  /** A project and the roles that the user has on it. */
  async standing(userId: string, project: Ref): Promise<ProjectStanding | null> {
    const { rows } = await this.db.pool.query<StandingRow>({
      name: 'identity-standing',
      text: `SELECT p.id, p.name, p.enabled, d.id AS domain_id, d.name AS domain_name, d.enabled AS domain_enabled,
                    coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name) ORDER BY r.name, r.id)
                                FROM identity.role_assignments a JOIN identity.roles r ON r.id = a.role_id
                               WHERE a.user_id = $5 AND a.project_id = p.id), '[]') AS roles
               FROM identity.projects p JOIN identity.domains d ON d.id = p.domain_id
              WHERE ($1::text IS NOT NULL AND p.id = $1) OR ($1::text IS NULL AND p.name = $2 AND (d.id = $3 OR d.name = $4))`,
      values: [...valuesOf(project), userId],
    });
    const row = rows[0];
    return row === undefined ? null : {
      id: row.id, name: row.name, enabled: row.enabled, domain: { id: row.domain_id, name: row.domain_name }, domainEnabled: row.domain_enabled, roles: row.roles,
    };
  }
}

/** An id decides alone; a domain's id before its name. */
const valuesOf = ({ id, name, domain }: Ref): (string | null)[] =>
  [id ?? null, name ?? null, domain?.id ?? null, domain?.id === undefined ? (domain?.name ?? null) : null];
