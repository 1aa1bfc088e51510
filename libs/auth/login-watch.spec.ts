import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { InputOf, listTokenKeys, OutputOf, RevocationRow } from '#libs/contracts';
import { TOKEN_LIMITS } from './limits.js';
import { LoginWatch } from './login-watch.js';
import { TokenVerifier, type VerifiedToken } from './token-verifier.js';
import { makeSigningKey, signToken } from './token.js';

const { key } = makeSigningKey('cloud');
const NONE = { auditId: null, auditChainId: null, projectId: null, domainId: null, roleId: null, applicationCredentialId: null };
let rows: RevocationRow[];
let away: boolean;
let keys: { kid: string; x: string }[];
let verifier: TokenVerifier;
let logins: LoginWatch;
let token: VerifiedToken;

beforeEach(async () => {
  jest.useFakeTimers({ now: 1_800_000_000_000 });
  [rows, away, keys] = [[], false, [{ kid: key.kid, x: key.x }]];
  const ask = (_: InputOf<typeof listTokenKeys>): Promise<OutputOf<typeof listTokenKeys>> =>
    (away ? Promise.reject(new Error('nobody answers')) : Promise.resolve({ keys, revocations: { rows, horizon: '1', more: false } }));
  verifier = new TokenVerifier(ask);
  verifier.start();
  logins = new LoginWatch(verifier);
  const now = Date.now() / 1_000;
  token = await verifier.verify(signToken(key, {
    auditId: 'a'.repeat(22), parentAuditId: null, issuedAt: now, expiresAt: now + 60, methods: ['password'],
    user: { id: 'u', name: 'u', domain: { id: 'd', name: 'd' }, passwordExpiresAt: null }, project: null, roles: [],
  }));
});
afterEach(() => { verifier.stop(); jest.useRealTimers(); });

const revoke = (): void => { rows = [{ ...NONE, userId: 'u', xid: '1', id: '1', issuedBefore: Date.now() / 1_000, expiresAt: Date.now() / 1_000 + 3_600 }]; };

it('ends what runs when its login is revoked, within two seconds, with the reason', async () => {
  const running = logins.watch(token, { endsUnanswered: false });
  await jest.advanceTimersByTimeAsync(5_000);
  expect(running.signal.aborted).toBe(false);
  revoke();
  await jest.advanceTimersByTimeAsync(TOKEN_LIMITS.refreshMs + TOKEN_LIMITS.watchMs);
  expect(running.signal.reason).toMatchObject({ kind: 'unauthorized' });
  await expect(running.assertGood()).rejects.toMatchObject({ kind: 'unauthorized' });
});

it('ends nothing because a token has ended by itself, and still hears what ends its user', async () => {
  const running = logins.watch(token, { endsUnanswered: true });
  await jest.advanceTimersByTimeAsync(120_000);
  keys = [];
  await jest.advanceTimersByTimeAsync(5_000);
  expect(running.signal.aborted).toBe(false);
  revoke();
  await jest.advanceTimersByTimeAsync(2_000);
  expect(running.signal.aborted).toBe(true);
});

it('ends what runs by a key that was dropped', async () => {
  const running = logins.watch(token, { endsUnanswered: false });
  keys = [{ ...makeSigningKey('cloud').key }];
  await jest.advanceTimersByTimeAsync(2_000);
  expect(running.signal.aborted).toBe(true);
});

it('without answers ends what gives away, and keeps nothing of the rest', async () => {
  const [upload, download] = [logins.watch(token, { endsUnanswered: false }), logins.watch(token, { endsUnanswered: true })];
  away = true;
  await jest.advanceTimersByTimeAsync(TOKEN_LIMITS.goesOnMs + 2_000);
  expect([upload.signal.aborted, download.signal.aborted]).toEqual([false, true]);
  expect(download.signal.reason).toMatchObject({ kind: 'unavailable' });
  await expect(upload.assertGood()).rejects.toMatchObject({ kind: 'unavailable' });
  away = false;
  await jest.advanceTimersByTimeAsync(1_000);
  await expect(upload.assertGood()).resolves.toBeUndefined();
});

it('looks after nothing when nothing runs', async () => {
  const why = jest.spyOn(verifier, 'whyOver');
  logins.watch(token, { endsUnanswered: false }).release();
  await jest.advanceTimersByTimeAsync(5_000);
  expect(why).not.toHaveBeenCalled();
});
