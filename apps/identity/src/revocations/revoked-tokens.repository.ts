import { RevocationList, type RevocableClaims, type VerifiedToken } from '#libs/auth';
import type { Database, PoolClient } from '#libs/db';
import { rowOf, ROW_COLUMNS, type Row } from './revocation-feed.repository.js';

/**
 * Was the token revoked, as far as this transaction sees? For what must not be made by a token that ended while the request
 * waited for a lock. Looks only at what whoever made the token did not see.
 */
export const isRevoked = (client: PoolClient, { claims }: VerifiedToken): Promise<boolean> => revokedBy(client, claims, 'AND v.expires_at > now()');

/** The same of a token that may have ended: its revocation may have, too. They are kept for that long. */
export const wasRevoked = (runner: Runner, claims: RevocableClaims): Promise<boolean> => revokedBy(runner, claims, '');

type Runner = Pick<PoolClient, 'query'> | Database['pool'];

async function revokedBy(runner: Runner, claims: RevocableClaims, and: string): Promise<boolean> {
  const { rows } = await (runner as PoolClient).query<Row & { xid: string }>(
    `SELECT ${ROW_COLUMNS} FROM identity.revocations v
      WHERE v.xid >= CASE WHEN $1::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) THEN $1::xid8 ELSE '0'::xid8 END
        ${and} AND (v.user_id IS NULL OR v.user_id = $2) AND (v.audit_id IS NULL OR v.audit_id = $3)`,
    [claims.snapshot?.split(':', 1)[0] ?? '0', claims.user.id, claims.auditId]);
  const list = new RevocationList(Infinity);
  for (const row of rows) list.add(rowOf(row));
  return list.revokes(claims);
}
