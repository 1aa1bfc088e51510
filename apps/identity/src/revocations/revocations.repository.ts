import { internalError } from '#libs/errors';
import type { PoolClient } from '#libs/db';
import { LIMITS } from '../limits.js';

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
  /** When the last token that it can concern ends by itself; default: as long as tokens live here. */
  expiresAt?: Date | undefined;
}

const COLUMNS = '(audit_id, audit_chain_id, user_id, project_id, domain_id, role_id, application_credential_id, reason, expires_at)';
/**
 * When the last token of now has ended: by the longest life that any process has given to tokens that may still be alive
 * (one of before a smaller setting must not come back), a minute more since clocks differ. Nothing noted: the longest that can be set.
 */
const WHEN_ENDED = `clock_timestamp() + make_interval(secs => 60 + coalesce(
  (SELECT max(ttl_s) FROM identity.token_lifetimes WHERE used_at + make_interval(secs => ttl_s) > now() - interval '10 minutes'), 86400))`;

/** Clients whose transaction has revoked something. */
const revoking = new WeakSet<PoolClient>();

/** Did the client's transaction revoke anything since it was last asked? */
export const hasRevoked = (client: PoolClient): boolean => revoking.delete(client);

/** Tokens that are made from now on live that long at most. */
export async function noteTokenLifetime(client: Pick<PoolClient, 'query'>, ttlS: number): Promise<void> {
  await client.query('INSERT INTO identity.token_lifetimes (ttl_s) VALUES ($1) ON CONFLICT (ttl_s) DO UPDATE SET used_at = now()', [ttlS]);
}

/**
 * Takes tokens away, in the transaction of the change that is the reason. Every service hears it within a second of
 * the commit. Tokens made after the commit are not concerned, however soon.
 */
export async function revoke(client: PoolClient, what: Revocation): Promise<void> {
  const values = [what.auditId, what.auditChainId, what.userId, what.projectId, what.domainId, what.roleId, what.applicationCredentialId].map((value) => value ?? null);
  if (values.every((value) => value === null)) throw internalError('a revocation of everything was asked for');
  revoking.add(client);
  await client.query(
    `INSERT INTO identity.revocations ${COLUMNS} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9::timestamptz, ${WHEN_ENDED}))`,
    [...values, what.reason.slice(0, 255), what.expiresAt ?? null]);
}

type Where = Pick<Revocation, 'projectId' | 'domainId' | 'roleId'>;

/**
 * The same for many users at once: a group that went, a role on a group.
 * @param instead what ends all of those tokens and some of others too: written when the users are so many that a row for each
 * would fill everybody's list.
 */
export async function revokeUsers(client: PoolClient, userIds: readonly string[], { reason, ...what }: Where & Pick<Revocation, 'reason'>, instead: readonly Where[] = []): Promise<void> {
  const users = [...new Set(userIds)];
  if (users.length === 0) return;
  if (users.length > LIMITS.revokedOneByOne && instead.length > 0 && instead.length < users.length) {
    for (const where of instead) await revoke(client, { ...where, reason });
    return;
  }
  revoking.add(client);
  await client.query(
    `INSERT INTO identity.revocations ${COLUMNS}
     SELECT NULL, NULL, user_id, $2, $3, $4, NULL, $5, ${WHEN_ENDED} FROM unnest($1::text[]) AS user_id`,
    [users, what.projectId ?? null, what.domainId ?? null, what.roleId ?? null, reason.slice(0, 255)]);
}

/** One token of a user. Somebody who ends very many gets one row for all of theirs: nobody fills the list alone. */
export const revokeToken = (client: PoolClient, one: { userId: string; auditId: string; expiresAt: Date; reason: string }): Promise<void> => revokeOne(client, one, 'audit_id');

/** The tokens of one application credential, which goes; bounded in the same way. */
export const revokeCredential = (client: PoolClient, one: { userId: string; applicationCredentialId: string; reason: string }): Promise<void> => revokeOne(client, one, 'application_credential_id');

async function revokeOne(client: PoolClient, one: Revocation & { userId: string }, column: 'audit_id' | 'application_credential_id'): Promise<void> {
  await revoke(client, one);
  const { rows: [row] } = await client.query<{ alive: number; kept: number }>(
    `SELECT (count(*) FILTER (WHERE expires_at > now()))::int AS alive, count(*)::int AS kept FROM identity.revocations WHERE user_id = $1 AND ${column} IS NOT NULL`, [one.userId]);
  if (row === undefined || (row.alive <= LIMITS.revocationsPerUser && row.kept <= LIMITS.revocationsKeptPerUser)) return;
  await client.query(`DELETE FROM identity.revocations WHERE user_id = $1 AND ${column} IS NOT NULL`, [one.userId]);
  await revoke(client, { userId: one.userId, reason: 'the user ended very many tokens' });
}
