/**
 * What was revoked, as a service knows it, and whether a token is among it. A revocation counts against a token that was
 * issued no later, and against one whose maker did not see it yet (by the database's own snapshot): so neither a token made
 * while the change was under way slips through, nor is one refused that was made right after it.
 * Never forgets one before the last token that it can concern has ended; when there are too many it refuses all
 * tokens of before rather than any less. A crash loses nothing: all is asked for again.
 */
import type { RevocationRow } from '#libs/contracts';
import { TOKEN_LIMITS } from './limits.js';
import type { RevocableClaims as Claims } from './token.js';

type Columns = Pick<RevocationRow, 'auditId' | 'auditChainId' | 'userId' | 'projectId' | 'domainId' | 'roleId' | 'applicationCredentialId'>;
interface Entry { columns: Columns; issuedBefore: number; expiresAt: number; xids: number[] }

export class RevocationList {
  /** By the first column that is set, then by all of them. */
  readonly #buckets = new Map<string, Map<string, Entry>>();
  #size = 0;
  #version = 0;
  /** Everything issued before is refused: there were more revocations than are kept. */
  #allBefore = -Infinity;

  constructor(private readonly most: number = TOKEN_LIMITS.revocations) {}

  /** Rises with everything that is new: what was good at one version is still good while it stays. */
  get version(): number { return this.#version; }
  get size(): number { return this.#size; }

  add(row: RevocationRow): void {
    const bucketKey = bucketOf(row);
    if (bucketKey === undefined) return;
    const bucket = this.#buckets.get(bucketKey) ?? new Map<string, Entry>();
    this.#buckets.set(bucketKey, bucket);
    const key = fullKey(row);
    const xid = Number(row.xid);
    const known = bucket.get(key);
    if (known === undefined) {
      bucket.set(key, { columns: row, issuedBefore: row.issuedBefore, expiresAt: row.expiresAt, xids: [xid] });
      this.#size += 1;
      if (isWholeUser(row)) this.#dropCovered(bucket, row.issuedBefore);
      this.#version += 1;
      if (this.#size > this.most) this.#refuseAllBefore(row.issuedBefore);
      return;
    }
    if (known.xids.includes(xid) && known.issuedBefore >= row.issuedBefore) return;
    known.issuedBefore = Math.max(known.issuedBefore, row.issuedBefore);
    known.expiresAt = Math.max(known.expiresAt, row.expiresAt);
    if (!known.xids.includes(xid)) known.xids = [...known.xids, xid].slice(-TOKEN_LIMITS.revocationXids);
    if (isWholeUser(row)) this.#dropCovered(bucket, row.issuedBefore);
    this.#version += 1;
  }

  revokes(claims: Claims): boolean {
    if (claims.issuedAt <= this.#allBefore) return true;
    if (this.#size === 0) return false;
    const seen = snapshotOf(claims.snapshot);
    for (const key of bucketsOf(claims)) {
      const bucket = this.#buckets.get(key);
      if (bucket === undefined) continue;
      for (const entry of bucket.values()) {
        if (concerns(entry.columns, claims) && (claims.issuedAt <= entry.issuedBefore || entry.xids.some((xid) => !seen(xid)))) return true;
      }
    }
    return false;
  }

  /** @param nowS seconds since the epoch. */
  prune(nowS: number): void {
    // Clocks of two machines differ.
    const ended = nowS - TOKEN_LIMITS.clockSkewS;
    for (const [name, bucket] of this.#buckets) {
      for (const [key, { expiresAt }] of bucket) {
        if (expiresAt >= ended) continue;
        bucket.delete(key);
        this.#size -= 1;
      }
      if (bucket.size === 0) this.#buckets.delete(name);
    }
  }

  /** Single tokens and credentials of a user, of whom all tokens have ended since; not the latest, whose transactions may have been longer. */
  #dropCovered(bucket: Map<string, Entry>, issuedBefore: number): void {
    for (const [key, { columns, issuedBefore: earlier }] of bucket) {
      if ((columns.auditId === null && columns.applicationCredentialId === null) || earlier >= issuedBefore - TOKEN_LIMITS.clockSkewS) continue;
      bucket.delete(key);
      this.#size -= 1;
    }
  }

  #refuseAllBefore(issuedBefore: number): void {
    this.#allBefore = Math.max(this.#allBefore, issuedBefore);
    this.#buckets.clear();
    this.#size = 0;
  }
}

/** A user's together, whatever else they name (one has at most some thousand); then from what matches fewest tokens to what matches most. */
function bucketOf(row: Columns): string | undefined {
  if (row.userId !== null) return `u:${row.userId}`;
  if (row.auditId !== null) return `a:${row.auditId}`;
  if (row.auditChainId !== null) return `c:${row.auditChainId}`;
  if (row.applicationCredentialId !== null) return `p:${row.applicationCredentialId}`;
  if (row.projectId !== null) return `j:${row.projectId}`;
  if (row.roleId !== null) return `r:${row.roleId}`;
  return row.domainId === null ? undefined : `d:${row.domainId}`;
}

function* bucketsOf(claims: Claims): Generator<string> {
  yield `a:${claims.auditId}`;
  yield `c:${chainOf(claims)}`;
  if (claims.applicationCredential !== undefined) yield `p:${claims.applicationCredential.id}`;
  yield `u:${claims.user.id}`;
  if (claims.project !== null) yield `j:${claims.project.id}`;
  for (const role of claims.roles) yield `r:${role.id}`;
  for (const id of domainsOf(claims)) yield `d:${id}`;
}

const chainOf = (claims: Claims): string => claims.parentAuditId ?? claims.auditId;
const domainsOf = (claims: Claims): Set<string> =>
  new Set([claims.user.domain.id, ...(claims.project === null ? [] : [claims.project.domain.id]), ...(claims.scopeDomain === undefined ? [] : [claims.scopeDomain.id])]);

const concerns = (row: Columns, claims: Claims): boolean =>
  (row.auditId === null || row.auditId === claims.auditId)
  && (row.auditChainId === null || row.auditChainId === chainOf(claims))
  && (row.applicationCredentialId === null || row.applicationCredentialId === claims.applicationCredential?.id)
  && (row.userId === null || row.userId === claims.user.id)
  && (row.projectId === null || row.projectId === claims.project?.id)
  && (row.roleId === null || claims.roles.some((role) => role.id === row.roleId))
  && (row.domainId === null || domainsOf(claims).has(row.domainId));

const isWholeUser = (row: Columns): boolean =>
  row.userId !== null && row.auditId === null && row.auditChainId === null && row.applicationCredentialId === null && row.projectId === null && row.roleId === null && row.domainId === null;

const fullKey = (row: Columns): string =>
  JSON.stringify([row.auditId, row.auditChainId, row.userId, row.projectId, row.domainId, row.roleId, row.applicationCredentialId]);

/** Did whoever made the token see what this transaction did? A token of before there were snapshots counts by its time alone. */
function snapshotOf(text: string | undefined): (xid: number) => boolean {
  if (text === undefined) return () => true;
  const [oldest, next, running] = text.split(':');
  const [xmin, xmax] = [Number(oldest), Number(next)];
  const under = new Set((running ?? '').split(',').filter(Boolean).map(Number));
  return (xid) => xid < xmin || (xid < xmax && !under.has(xid));
}
