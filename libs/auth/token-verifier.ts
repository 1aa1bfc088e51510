import type { Caller, InputOf, listTokenKeys, OutputOf } from '#libs/contracts';
import { SkyError, unauthorized, unavailable } from '#libs/errors';
import { TOKEN_LIMITS } from './limits.js';
import { REAUTHENTICATE } from './messages.js';
import { RevocationList } from './revocation-list.js';
import { importPublicKey, verifyToken, type ImportedKey, type RevocableClaims, type TokenClaims } from './token.js';

/** A token whose signature and times were checked. Shared between requests: never change it. */
export interface VerifiedToken { readonly claims: Readonly<TokenClaims>; readonly kid: string }

/** What is left of a verified token where it is only asked about again: no way to act with it. */
export interface Login { readonly claims: Readonly<RevocableClaims>; readonly kid: string }

/** Asks identity for keys and revocations (listTokenKeys). */
export type AskTrust = (question: InputOf<typeof listTokenKeys>) => Promise<OutputOf<typeof listTokenKeys>>;

/** A good token, and up to which revocation it was looked for. */
interface Known { token: VerifiedToken; version: number }

/**
 * Checks tokens inside this process: microseconds for one seen before, 0.1 ms for a new one, no round trip.
 * Keys and revocations come from identity every second; a key that identity no longer lists stops counting with the next
 * answer. When the last answer is too old a request waits for a new one; without it the answer is `unavailable`, never trust.
 */
export class TokenVerifier {
  private keys = new Map<string, ImportedKey>();
  private readonly revocations = new RevocationList();
  /** Up to where revocations are known. */
  private since: string | null = null;
  private prunedAt = -Infinity;
  /** When the last question was asked that was answered: what was committed before is known. */
  private refreshedAt = -Infinity;
  private attemptedAt = -Infinity;
  private refreshing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Insertion order is the order of last use: the first is the oldest. */
  private readonly verified = new Map<string, Known>();

  constructor(private readonly ask: AskTrust, private readonly now: () => number = Date.now) {}

  /** Keeps keys and revocations fresh in the background until stop(). */
  start(): void {
    if (this.timer !== undefined) return;
    const again = (afterMs: number): void => {
      this.timer = setTimeout(() => {
        // A failure is made up for by the next round, or by the first token.
        void this.refresh().then(() => TOKEN_LIMITS.refreshMs, () => TOKEN_LIMITS.failedRefreshMs).then((ms) => { if (this.timer !== undefined) again(ms); });
      }, afterMs).unref();
    };
    again(0);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Hears at once what was revoked up to now, for who revoked it. Never fails: without an answer the next round tells. */
  async renew(): Promise<void> {
    // One that is under way may have been answered before.
    await this.refreshing?.catch(() => undefined);
    await this.refresh().catch(() => undefined);
  }

  /** @throws SkyError `unauthorized` for anything but a good token, without a hint why; `unavailable` without keys and revocations. */
  async verify(token: string): Promise<VerifiedToken> {
    await this.ensureTrusted();
    const known = this.verified.get(token);
    if (known !== undefined) return this.reuse(token, known);

    let verdict = this.check(token);
    if (!verdict.ok && verdict.reason === 'unknown-key' && await this.refreshForUnknownKey()) verdict = this.check(token);
    if (!verdict.ok) throw refused(verdict.reason);
    const fresh: VerifiedToken = { claims: verdict.claims, kid: verdict.kid };
    if (this.revocations.revokes(fresh.claims)) throw refused('revoked');
    this.remember(token, { token: fresh, version: this.revocations.version });
    return fresh;
  }

  /** The same, with everything that was revoked up to now: for what outlives this request. */
  async verifyNow(token: string): Promise<VerifiedToken> {
    await this.verify(token);
    await this.refreshing?.catch(() => undefined);
    await this.refresh().catch((error: unknown) => { throw trustMissing(error); });
    return this.verify(token);
  }

  /** Is it still good, as far as is known? For what goes on after its request, as a stream does. */
  isGood(login: Login): boolean {
    return this.now() - this.refreshedAt <= TOKEN_LIMITS.goesOnMs && this.counts(login);
  }

  /** The same before something begins by it: as certain as with a request. @throws SkyError `unavailable` */
  async isGoodNow(login: Login): Promise<boolean> {
    await this.ensureTrusted();
    return this.counts(login);
  }

  /**
   * Why something that began by this login may not go on; undefined: it may. That the token has ended by itself is no
   * reason. @param unansweredMs nor that nobody could say for less than this.
   */
  whyOver(login: Login, unansweredMs: number): SkyError | undefined {
    if (this.takenAway(login)) return unauthorized(OVER, { internal: 'the token was revoked while its request went on' });
    return this.now() - this.refreshedAt > unansweredMs ? trustMissing() : undefined;
  }

  /** The same, as certain as with a request. @throws SkyError `unauthorized`, `unavailable` */
  async assertNotOver(login: Login): Promise<void> {
    await this.ensureTrusted();
    const why = this.whyOver(login, Infinity);
    if (why !== undefined) throw why;
  }

  private counts({ claims, kid }: Login): boolean {
    return claims.expiresAt * 1_000 > this.now() && this.keys.has(kid) && !this.revocations.revokes(claims);
  }

  /** Revoked; or its key was dropped, which before its end no key is otherwise. */
  private takenAway({ claims, kid }: Login): boolean {
    return this.revocations.revokes(claims) || (claims.expiresAt * 1_000 > this.now() && !this.keys.has(kid));
  }

  private check(token: string) {
    return verifyToken(token, (kid) => this.keys.get(kid), this.now());
  }

  private reuse(text: string, known: Known): VerifiedToken {
    this.verified.delete(text);
    const { token } = known;
    if (token.claims.expiresAt * 1_000 <= this.now() || !this.keys.has(token.kid)) throw refused('expired or its key is retired');
    if (known.version !== this.revocations.version) {
      if (this.revocations.revokes(token.claims)) throw refused('revoked');
      known.version = this.revocations.version;
    }
    this.verified.set(text, known);
    return token;
  }

  private remember(text: string, fresh: Known): void {
    this.verified.set(text, fresh);
    if (this.verified.size <= TOKEN_LIMITS.verifiedTokens) return;
    const oldest = this.verified.keys().next();
    if (!oldest.done) this.verified.delete(oldest.value);
  }

  private async ensureTrusted(): Promise<void> {
    if (this.trusted()) return;
    // A stampede while identity is away shares one attempt, and then one answer for a moment.
    if (this.refreshing !== undefined || this.now() - this.attemptedAt >= TOKEN_LIMITS.failedRefreshMs) {
      await this.refresh().catch((error: unknown) => { throw trustMissing(error); });
    }
    if (!this.trusted()) throw trustMissing();
  }

  private trusted(): boolean {
    return this.keys.size > 0 && this.now() - this.refreshedAt <= TOKEN_LIMITS.trustedMs;
  }

  /** @returns whether the keys are newer now than when the token was checked. */
  private async refreshForUnknownKey(): Promise<boolean> {
    if (this.refreshing === undefined && this.now() - this.attemptedAt < TOKEN_LIMITS.unknownKeyRefreshMs) {
      // The last attempt failed: the key may be a good new one, so this is not the token's fault.
      if (this.refreshedAt < this.attemptedAt) throw trustMissing();
      return false;
    }
    const before = this.refreshedAt;
    await this.refresh().catch((error: unknown) => { throw trustMissing(error); });
    return this.refreshedAt > before;
  }

  private refresh(): Promise<void> {
    this.refreshing ??= this.fetch().finally(() => { this.refreshing = undefined; });
    return this.refreshing;
  }

  private async fetch(): Promise<void> {
    const asked = this.now();
    this.attemptedAt = asked;
    let horizon: string | undefined;
    let after: { xid: string; id: string } | null = null;
    for (let page = 0; page < TOKEN_LIMITS.revocationPages; page += 1) {
      const { keys, revocations } = await this.ask({ revocations: { since: this.since, after } });
      if (page === 0) this.takeKeys(keys);
      for (const row of revocations?.rows ?? []) this.revocations.add(row);
      horizon ??= revocations?.horizon;
      const last = revocations?.rows.at(-1);
      if (revocations?.more !== true || last === undefined) {
        this.since = horizon ?? null;
        this.refreshedAt = asked;
        break;
      }
      after = { xid: last.xid, id: last.id };
    }
    if (this.now() - this.prunedAt > TOKEN_LIMITS.pruneMs) {
      this.prunedAt = this.now();
      this.revocations.prune(this.prunedAt / 1_000);
    }
  }

  private takeKeys(listed: OutputOf<typeof listTokenKeys>['keys']): void {
    this.keys = new Map(listed.map((key) => {
      const known = this.keys.get(key.kid);
      return [key.kid, known?.x === key.x ? known : importPublicKey(key)];
    }));
  }
}

const OVER = 'The login by which this was begun has ended.';

const refused = (why: string): SkyError => unauthorized(REAUTHENTICATE, { internal: `token refused: ${why}` });

const trustMissing = (cause?: unknown): SkyError => unavailable('Tokens cannot be checked at the moment; try again shortly.', {
  retryAfterS: 1,
  internal: `no token keys and revocations from identity${cause instanceof Error ? `: ${cause.message}` : ''}`,
});

/** @param requestId `req-<uuid>`. @param address where the request came from. */
export function callerOf(claims: TokenClaims, requestId: string, address?: string): Caller {
  const roles = claims.roles.map((role) => role.name);
  return {
    userId: claims.user.id, userName: claims.user.name,
    projectId: claims.project?.id ?? null, projectName: claims.project?.name ?? null,
    domainId: claims.project?.domain.id ?? claims.user.domain.id,
    ...(claims.scopeDomain !== undefined && { scopeDomainId: claims.scopeDomain.id }),
    ...(claims.system === true && { isSystem: true }),
    ...(claims.applicationCredential !== undefined && { applicationCredentialId: claims.applicationCredential.id }),
    ...(address !== undefined && address !== '' && { address: address.slice(0, 64) }),
    roles,
    // On a domain it counts for that domain, which the policy table knows.
    isAdmin: roles.includes('admin') && (claims.project !== null || claims.system === true),
    requestId,
  };
}
