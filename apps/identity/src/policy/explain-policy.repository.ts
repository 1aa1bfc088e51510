import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import type { ScopeRef } from '../role-assignments/standing.repository.js';

export interface ExplainedUser { id: string; name: string; domainId: string; enabled: boolean }

/** Who somebody is, by id or name; and the names of groups, domains and projects that a role comes from. */
@Injectable()
export class ExplainPolicyRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Several: the name is one of several domains. */
  async users({ id, name, domain }: ScopeRef): Promise<ExplainedUser[]> {
    const { rows } = await this.db.pool.query<ExplainedUser>(
      `SELECT u.id, u.name, u.domain_id AS "domainId", u.enabled AND d.enabled AS enabled FROM identity.users u JOIN identity.domains d ON d.id = u.domain_id
        WHERE ($1::text IS NULL OR u.id = $1) AND ($2::text IS NULL OR u.name = $2) AND ($3::text IS NULL OR d.id = $3) AND ($4::text IS NULL OR d.name = $4) LIMIT 2`,
      [id ?? null, name ?? null, domain?.id ?? null, domain?.name ?? null]);
    return rows;
  }

  async names(ids: readonly string[]): Promise<Map<string, string>> {
    const { rows } = await this.db.pool.query<{ id: string; name: string }>(
      'SELECT id, name FROM identity.groups WHERE id = ANY($1) UNION ALL SELECT id, name FROM identity.domains WHERE id = ANY($1) UNION ALL SELECT id, name FROM identity.projects WHERE id = ANY($1)', [ids]);
    return new Map(rows.map((row) => [row.id, row.name]));
  }
}
