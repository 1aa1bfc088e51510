// Tokens that have ended, as services ask about them that finish what was begun by one (allow_expired).
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { makeSigningKey, signToken, type SigningKey, type TokenClaims } from '#libs/auth';
import { SigningKeysRepository } from '../../apps/identity/src/keys/signing-keys.repository.js';
import { revoke } from '../../apps/identity/src/revocations/revocations.repository.js';
import { IdentityUnderTest } from '../support/identity.js';

let identity: IdentityUnderTest;
let admin: string;
let demo: string;
let key: SigningKey;
let user: TokenClaims['user'];
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  [admin, demo] = [await identity.adminToken(), await identity.demoToken()];
  key = (await new SigningKeysRepository(identity.database.db).schedule())[0]?.key as SigningKey;
  const { id, name } = (await identity.call('GET', '/v3/auth/tokens', { token: demo, subject: demo })).body.token.user;
  user = { id, name, domain: { id: 'default', name: 'Default' }, passwordExpiresAt: null };
});
afterAll(async () => { await identity.stop(); });

/** One that ended so many seconds ago, an hour after it was made. */
const endedToken = async (agoS: number, by = key): Promise<string> => {
  const { rows: [row] } = await identity.database.admin.query<{ snapshot: string }>('SELECT pg_current_snapshot()::text AS snapshot');
  const now = Math.floor(Date.now() / 1_000);
  return signToken(by, {
    auditId: randomBytes(16).toString('base64url'), parentAuditId: null, issuedAt: now - agoS - 3_600, expiresAt: now - agoS, methods: ['password'],
    ...(row !== undefined && { snapshot: row.snapshot }), user, project: null, roles: [],
  });
};
const about = async (subject: string, token = admin, query = '?allow_expired=true'): Promise<number> => (await identity.call('GET', `/v3/auth/tokens${query}`, { token, subject })).status;

it('are told of within the window, to who asks for it and may look at all tokens', async () => {
  const ended = await endedToken(60);
  expect([await about(ended), await about(ended, admin, ''), await about(ended, admin, '?allow_expired=false'), await about(ended, demo)]).toEqual([200, 404, 404, 404]);
  const answer = await identity.call('GET', '/v3/auth/tokens?allow_expired=1', { token: admin, subject: ended });
  expect(Date.parse(answer.body.token.expires_at)).toBeLessThan(Date.now());
  expect((await identity.call('HEAD', '/v3/auth/tokens?allow_expired=true', { token: admin, subject: ended })).status).toBe(200);
  expect([await about(await endedToken(172_800 - 60)), await about(await endedToken(172_800 + 1))]).toEqual([200, 404]);
  expect(await about(await identity.demoToken())).toBe(200);
});

it('are good for nothing else', async () => {
  const ended = await endedToken(60);
  expect((await identity.call('GET', '/v3/auth/projects', { token: ended })).status).toBe(401);
  expect((await identity.call('GET', '/v3/auth/tokens?allow_expired=true', { token: ended, subject: ended })).status).toBe(401);
  expect((await identity.login({ methods: ['token'], token: { id: ended } })).status).toBe(401);
});

it('that are forged or foreign are not told of', async () => {
  const ended = await endedToken(60);
  expect([await about(`${ended.slice(0, -4)}AAAA`), await about(await endedToken(60, makeSigningKey(key.issuer).key)), await about('x')]).toEqual([404, 404, 404]);
});

it('that were revoked stay so after the revocation has ended too, whenever it was', async () => {
  const ended = await endedToken(60);
  await identity.database.db.transaction((client) => revoke(client, { userId: user.id, reason: 'disabled', expiresAt: new Date(Date.now() - 1_000) }));
  expect(await about(ended)).toBe(404);
  await identity.database.admin.query('DELETE FROM identity.revocations');
  expect(await about(ended)).toBe(200);
});

it('by a key that a stranger may have are not told of', async () => {
  const ended = await endedToken(60);
  await identity.database.admin.query('UPDATE identity.signing_keys SET retired_at = now()');
  expect(await about(ended)).toBe(200);
  await identity.database.admin.query('UPDATE identity.signing_keys SET retired_at = NULL');
  await new SigningKeysRepository(identity.database.db).rotate({ userId: 'op', userName: 'op', projectId: 'p', projectName: 'p', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-1' }, 3_600, true);
  const fresh = await identity.adminToken();
  expect(await about(ended, fresh)).toBe(404);
  expect(await about(await endedToken(60, (await new SigningKeysRepository(identity.database.db).schedule())[0]?.key), fresh)).toBe(200);
});
