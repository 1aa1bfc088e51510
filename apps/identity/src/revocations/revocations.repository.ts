import { internalError } from '#libs/errors';
import type { PoolClient } from '#libs/db';

/** What ends: every token that all named columns match, and that was made before this transaction could be seen. */
export interface Revocation {
  userId?: string | undefined;
  /** Tokens for this project. */
  projectId?: string | undefined;
  /** Tokens for this domain, for any of its projects, or of any of its users. */
  domainId?: string | undefined;
  /** Tokens in which this role is. */
  roleId?: string | undefined;
  /** One token. */
  auditId?: string | undefined;
  /** A token and all that were made from it. */
  auditChainId?: string | undefined;
  applicationCredentialId?: string | undefined;
  /** For people; the token's owner never hears it. */
  reason: string;
  /** When the last token that it can concern ends by itself; default: no token lives longer than a day. */
  expiresAt?: Date | undefined;
}

const COLUMNS = '(audit_id, audit_chain_id, user_id, project_id, domain_id, role_id, application_credential_id, reason, expires_at)';
/** Longest life that SKYLITE_TOKEN_TTL_S allows: a token of before a smaller setting must not come back to life. */
const LONGEST_TOKEN = "interval '86460 seconds'";

/**
 * Takes tokens away, in the transaction of the change that is the reason. Every service hears it within a second of
 * the commit. Tokens made after the commit are not concerned, however soon.
 */
export async function revoke(client: PoolClient, what: Revocation): Promise<void> {
  const values = [what.auditId, what.auditChainId, what.userId, what.projectId, what.domainId, what.roleId, what.applicationCredentialId].map((value) => value ?? null);
  if (values.every((value) => value === null)) throw internalError('a revocation of everything was asked for');
  await client.query(
    `INSERT INTO identity.revocations ${COLUMNS} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9::timestamptz, clock_timestamp() + ${LONGEST_TOKEN}))`,
    [...values, what.reason.slice(0, 255), what.expiresAt ?? null]);
}

/** The same for many users at once: a group that went, a role on a group. */
export async function revokeUsers(client: PoolClient, userIds: readonly string[], what: Pick<Revocation, 'projectId' | 'domainId' | 'roleId' | 'reason'>): Promise<void> {
  if (userIds.length === 0) return;
  await client.query(
    `INSERT INTO identity.revocations ${COLUMNS}
     SELECT NULL, NULL, user_id, $2, $3, $4, NULL, $5, clock_timestamp() + ${LONGEST_TOKEN} FROM unnest($1::text[]) AS user_id`,
    [[...new Set(userIds)], what.projectId ?? null, what.domainId ?? null, what.roleId ?? null, what.reason.slice(0, 255)]);
}
