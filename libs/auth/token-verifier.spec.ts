import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { TOKEN_LIMITS } from './limits.js';
import { callerOf, TokenVerifier } from './token-verifier.js';
import { makeSigningKey, signToken, type PublicTokenKey, type SigningKey, type TokenClaims } from './token.js';

const CLOUD = 'cloud';
const { key } = makeSigningKey(CLOUD);
let now: number;
let listed: PublicTokenKey[];
let away: boolean;
const load = jest.fn(async (): Promise<PublicTokenKey[]> => {
  if (away) throw new Error('nobody answers');
  return listed;
});
let verifier: TokenVerifier;

const claims = (over: Partial<TokenClaims> = {}): Omit<TokenClaims, 'issuer'> => ({
  auditId: 'a'.repeat(22), parentAuditId: null, issuedAt: Math.floor(now / 1_000), expiresAt: Math.floor(now / 1_000) + 86_400, methods: ['password'],
  user: { id: 'u', name: 'demo', domain: { id: 'default', name: 'Default' }, passwordExpiresAt: null },
  project: { id: 'p', name: 'demo', domain: { id: 'default', name: 'Default' } }, roles: [{ id: 'r', name: 'member' }], ...over,
});
const token = (by: SigningKey = key, over: Partial<TokenClaims> = {}): string => signToken(by, claims(over));
const refused = { kind: 'unauthorized', message: 'The request you have made requires authentication.' };

beforeEach(() => {
  now = 1_800_000_000_000;
  listed = [key];
  away = false;
  load.mockClear();
  verifier = new TokenVerifier(load, () => now);
});

describe('keys', () => {
  it('are fetched once for many tokens at once, and not again', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, n) => verifier.verify(token(key, { auditId: `${n}` }))));
    await verifier.verify(token());
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('that are missing make it unavailable, never trusting; it recovers by itself and asks in moderation', async () => {
    away = true;
    for (let i = 0; i < 20; i += 1) await expect(verifier.verify(token())).rejects.toMatchObject({ kind: 'unavailable', retryAfterS: 1 });
    expect(load).toHaveBeenCalledTimes(1);
    away = false;
    now += TOKEN_LIMITS.failedRefreshMs;
    await expect(verifier.verify(token())).resolves.toMatchObject({ kid: key.kid });
  });

  it('of an empty list are no keys', async () => {
    listed = [];
    await expect(verifier.verify(token())).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('unknown to us are asked for, once a second', async () => {
    await verifier.verify(token());
    const { key: newer } = makeSigningKey(CLOUD);
    listed = [newer, key];
    now += TOKEN_LIMITS.unknownKeyRefreshMs;
    await expect(verifier.verify(token(newer))).resolves.toMatchObject({ kid: newer.kid });
    expect(load).toHaveBeenCalledTimes(2);
    const forged = token(makeSigningKey(CLOUD).key);
    for (let i = 0; i < 100; i += 1) await expect(verifier.verify(forged)).rejects.toMatchObject(refused);
    expect(load).toHaveBeenCalledTimes(2);
    now += TOKEN_LIMITS.unknownKeyRefreshMs;
    await expect(verifier.verify(forged)).rejects.toMatchObject(refused);
    expect(load).toHaveBeenCalledTimes(3);
  });

  it('unknown to us while identity is away are nobody\'s fault', async () => {
    const old = token();
    await verifier.verify(old);
    const newer = token(makeSigningKey(CLOUD).key);
    away = true;
    now += TOKEN_LIMITS.unknownKeyRefreshMs;
    for (let i = 0; i < 3; i += 1) await expect(verifier.verify(newer)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(verifier.verify(old)).resolves.toBeDefined();
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('that were retired stop counting, also for tokens that were verified before', async () => {
    const old = token();
    await verifier.verify(old);
    const { key: newer } = makeSigningKey(CLOUD);
    listed = [newer];
    now += TOKEN_LIMITS.unknownKeyRefreshMs;
    await verifier.verify(token(newer));
    await expect(verifier.verify(old)).rejects.toMatchObject(refused);
  });

  it('are not trusted for ever without identity', async () => {
    const known = token();
    await verifier.verify(known);
    away = true;
    now += TOKEN_LIMITS.keysTrustedMs;
    await expect(verifier.verify(known)).resolves.toBeDefined();
    now += 1;
    await expect(verifier.verify(known)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

describe('verified tokens', () => {
  it('are checked once', async () => {
    const text = token();
    const first = await verifier.verify(text);
    expect(await verifier.verify(text)).toBe(first);
  });

  it('end when they expire', async () => {
    const text = token(key, { expiresAt: now / 1_000 + 10 });
    await verifier.verify(text);
    now += 9_999;
    await verifier.verify(text);
    now += 1;
    await expect(verifier.verify(text)).rejects.toMatchObject(refused);
    await expect(verifier.verify(text)).rejects.toMatchObject(refused);
  });

  it('are bounded; the one used last stays', async () => {
    const texts = Array.from({ length: TOKEN_LIMITS.verifiedTokens + 1 }, (_, n) => token(key, { auditId: `${n}` }));
    const [first = '', second = '', ...rest] = texts;
    const known = [await verifier.verify(first), await verifier.verify(second)];
    for (const text of rest.slice(0, -1)) await verifier.verify(text);
    await verifier.verify(first);
    for (const text of rest.slice(-1)) await verifier.verify(text);
    expect(await verifier.verify(first)).toBe(known[0]);
    expect(await verifier.verify(second)).not.toBe(known[1]);
  });

  it('take microseconds', async () => {
    const text = token();
    await verifier.verify(text);
    const started = performance.now();
    for (let i = 0; i < 20_000; i += 1) await verifier.verify(text);
    expect((performance.now() - started) / 20_000).toBeLessThan(0.05);
  });
});

it('makes the caller of a request', () => {
  expect(callerOf({ issuer: CLOUD, ...claims({ roles: [{ id: '1', name: 'admin' }] }) }, 'req-1')).toEqual({
    userId: 'u', userName: 'demo', projectId: 'p', projectName: 'demo', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-1' });
  expect(callerOf({ issuer: CLOUD, ...claims({ project: null, roles: [] }) }, 'req-2')).toMatchObject({ projectId: null, projectName: null, domainId: 'default', isAdmin: false });
});
