import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { makeSigningKey, type TokenClaims } from '#libs/auth';
import type { ScheduledKey, SigningKeysRepository } from './signing-keys.repository.js';
import { TokenSigner } from './token-signer.js';

const claims = { auditId: 'a', parentAuditId: null, issuedAt: 0, expiresAt: 1, methods: ['password'], user: { id: 'u', name: 'n', domain: { id: 'd', name: 'd' }, passwordExpiresAt: null }, project: null, roles: [] } satisfies Omit<TokenClaims, 'issuer'>;
const kidOf = (token: string): unknown => (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8')) as { kid: unknown }).kid;

beforeEach(() => { jest.useFakeTimers(); });
afterEach(() => { jest.useRealTimers(); });

it('signs with no key that was dropped a second ago, and goes on with those it knows when it hears nothing', async () => {
  const [old, fresh] = [makeSigningKey('cloud').key, makeSigningKey('cloud').key];
  let there: ScheduledKey[] | Error = [{ key: old, activatesAtMs: 0 }];
  const read = (): Promise<ScheduledKey[]> => (there instanceof Error ? Promise.reject(there) : Promise.resolve(there));
  const signer = new TokenSigner({ ensure: read, schedule: read } as unknown as SigningKeysRepository);
  await signer.onModuleInit();
  expect(kidOf(await signer.sign(claims))).toBe(old.kid);
  there = [{ key: fresh, activatesAtMs: 0 }];
  jest.advanceTimersByTime(1_001);
  expect(kidOf(await signer.sign(claims))).toBe(fresh.kid);
  there = new Error('the database is away');
  jest.advanceTimersByTime(1_001);
  expect(kidOf(await signer.sign(claims))).toBe(fresh.kid);
});
