import { Inject, Injectable } from '@nestjs/common';
import type { InputOf, listTokenKeys, OutputOf, RevocationRow } from '#libs/contracts';
import { DATABASE, HOT, type Database } from '#libs/db';
import { ALLOW_EXPIRED_S, IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { LIMITS } from '../limits.js';

type Question = NonNullable<InputOf<typeof listTokenKeys>['revocations']>;
type Answer = NonNullable<OutputOf<typeof listTokenKeys>['revocations']>;

export interface Row {
  xid: string | null; id: string; audit_id: string | null; audit_chain_id: string | null; user_id: string | null; project_id: string | null;
  domain_id: string | null; role_id: string | null; application_credential_id: string | null; issued_before: number; expires_at: number;
}

/** Of identity.revocations v. */
export const ROW_COLUMNS = `v.xid::text AS xid, v.id::text AS id, audit_id, audit_chain_id, user_id, project_id, domain_id, role_id, application_credential_id,
                  extract(epoch FROM issued_before)::float8 AS issued_before, extract(epoch FROM expires_at)::float8 AS expires_at`;

/**
 * What was revoked, for whoever checks tokens. Nobody waits for transactions that are still open: what is visible is told at
 * once, and the next round begins again at the oldest transaction that was open then, so that none is passed over. The
 * same row may therefore be told twice.
 */
@Injectable()
export class RevocationFeedRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig) {}

  async read({ since, after }: Question): Promise<Answer> {
    const { rows } = await this.db.pool.query<Row & { horizon: string }>(
      `${HOT} WITH here AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot)
       SELECT pg_snapshot_xmin(h.snapshot)::text AS horizon, r.*
         FROM here h LEFT JOIN LATERAL (
           SELECT ${ROW_COLUMNS}
             FROM identity.revocations v
            WHERE v.xid >= CASE WHEN $1::xid8 <= pg_snapshot_xmax(h.snapshot) THEN $1::xid8 ELSE '0'::xid8 END
              AND (v.xid, v.id) > ($2::xid8, $3::bigint) AND v.expires_at > now()
            ORDER BY v.xid, v.id LIMIT ${LIMITS.revocationsPage}) r ON true`,
      [since ?? '0', after?.xid ?? '0', after?.id ?? '0']);
    const list = rows.filter((row): row is Row & { horizon: string; xid: string } => row.xid !== null).map(rowOf);
    return { rows: list, more: list.length === LIMITS.revocationsPage, horizon: rows[0]?.horizon ?? '0' };
  }

  /** Forgets what no token can be concerned by, nor one that has ended and is still told of. */
  async purge(): Promise<void> {
    await this.db.pool.query(
      `DELETE FROM identity.revocations WHERE id IN (SELECT id FROM identity.revocations WHERE expires_at < now() - interval '5 minutes' - $1 * interval '1 s' ORDER BY expires_at LIMIT ${LIMITS.purgedAtOnce})`,
      [this.config.allowExpiredS ?? ALLOW_EXPIRED_S]);
  }
}

export const rowOf = (row: Row & { xid: string }): RevocationRow => ({
  xid: row.xid, id: row.id, auditId: row.audit_id, auditChainId: row.audit_chain_id, userId: row.user_id, projectId: row.project_id, domainId: row.domain_id,
  roleId: row.role_id, applicationCredentialId: row.application_credential_id, issuedBefore: row.issued_before, expiresAt: row.expires_at,
});
