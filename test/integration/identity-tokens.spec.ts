import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TokenVerifier } from '#libs/auth';
import { listTokenKeys, rotateTokenKeys, viewTokenKeys, type Caller } from '#libs/contracts';
import { revoke, revokeUsers } from '../../apps/identity/src/revocations/revocations.repository.js';
import { byName, DEMO, IdentityUnderTest, project, tokenOf, UNAUTHORIZED } from '../support/identity.js';

let identity: IdentityUnderTest;
let demoId: string;
let demoProject: string;
/** What another service has: a verifier of its own, on the bus. */
let elsewhere: TokenVerifier;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  const { token } = (await identity.login(byName('demo', DEMO), project('demo'))).body;
  [demoId, demoProject] = [token.user.id, token.project.id];
  elsewhere = new TokenVerifier((question) => identity.bus.ask(listTokenKeys, question));
  elsewhere.start();
});
afterAll(async () => {
  elsewhere.stop();
  await identity.stop();
});

const operator: Caller = { userId: 'op', userName: 'op', projectId: 'p', projectName: 'p', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-1' };
const tx = (work: Parameters<typeof identity.database.db.transaction>[0]) => identity.database.db.transaction(work);
const goodElsewhere = (token: string): Promise<boolean> => elsewhere.verify(token).then(() => true, () => false);
/** Two seconds by design (measured in identity-tokens-everywhere); a busy machine needs longer now and then. */
const SOON_MS = 20_000;
/** Milliseconds until the other service refuses it too. */
async function refusedElsewhereAfter(token: string): Promise<number> {
  const started = performance.now();
  while (await goodElsewhere(token)) {
    if (performance.now() - started > 60_000) throw new Error('it is still good elsewhere');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return performance.now() - started;
}

describe('scopes', () => {
  it('with more roles than a token can name are refused with words', async () => {
    await identity.with(
      `INSERT INTO identity.roles (id, name) SELECT md5(n::text), rpad('long-' || n, 250, 'x') FROM generate_series(1, 40) AS n;
       INSERT INTO identity.role_assignments (user_id, project_id, role_id) SELECT '${demoId}', '${demoProject}', id FROM identity.roles WHERE name LIKE 'long-%'`,
      "DELETE FROM identity.role_assignments WHERE role_id IN (SELECT id FROM identity.roles WHERE name LIKE 'long-%'); DELETE FROM identity.roles WHERE name LIKE 'long-%'",
      async () => {
        const answer = await identity.login(byName('demo', DEMO), project('demo'));
        expect([answer.status, answer.headers['x-subject-token'], answer.body.error.message]).toEqual([403, undefined, expect.stringContaining('no service takes more than 8192: it names 42 roles')]);
      });
    expect((await identity.login(byName('demo', DEMO), project('demo'))).status).toBe(201);
  });

  it('are a project, a domain, the system, or none', async () => {
    const onDomain = { domain: { name: 'Default' } };
    expect((await identity.login(byName('demo', DEMO), onDomain)).status).toBe(401);
    await identity.database.admin.query("INSERT INTO identity.role_assignments (user_id, role_id, domain_id) SELECT $1, id, 'default' FROM identity.roles WHERE name = 'manager'", [demoId]);
    const domain = await identity.login(byName('demo', DEMO), onDomain);
    await identity.database.admin.query('DELETE FROM identity.role_assignments WHERE user_id = $1 AND domain_id IS NOT NULL', [demoId]);
    expect(domain.body.token).toMatchObject({ domain: { id: 'default', name: 'Default' }, roles: [{ name: 'manager' }, { name: 'member' }, { name: 'reader' }], catalog: expect.any(Array) });
    expect(domain.body.token).not.toHaveProperty('project');
    expect(domain.body.token).not.toHaveProperty('is_domain');
    await identity.database.admin.query("INSERT INTO identity.role_assignments (user_id, role_id, system) SELECT $1, id, true FROM identity.roles WHERE name = 'reader'", [demoId]);
    try {
      const system = await identity.login(byName('demo', DEMO), { system: { all: true } });
      expect(system.status).toBe(201);
      expect(system.body.token).toMatchObject({ system: { all: true }, roles: [{ name: 'reader' }] });
      const token = tokenOf(system);
      expect((await identity.call('GET', '/v3/auth/system', { token })).body.system).toEqual([{ all: true }]);
      const rescoped = await identity.login({ methods: ['token'], token: { id: token } }, project('demo'));
      expect(rescoped.body.token.roles.map(({ name }: { name: string }) => name)).toContain('member');
    } finally {
      await identity.database.admin.query('DELETE FROM identity.role_assignments WHERE user_id = $1 AND system', [demoId]);
    }
    expect((await identity.call('GET', '/v3/auth/system', { token: await identity.demoToken() })).body.system).toEqual([]);
  });
});

describe('a revocation', () => {
  it('of one token ends it here at once and elsewhere within two seconds, and no other', async () => {
    const [token, other] = [await identity.demoToken(), await identity.demoToken()];
    expect([await goodElsewhere(token), await goodElsewhere(other)]).toEqual([true, true]);
    expect((await identity.call('DELETE', '/v3/auth/tokens', { token, subject: token })).status).toBe(204);
    expect((await identity.call('GET', '/v3/auth/projects', { token })).status).toBe(401);
    expect(await refusedElsewhereAfter(token)).toBeLessThan(SOON_MS);
    expect(await goodElsewhere(other)).toBe(true);
    expect((await identity.call('DELETE', '/v3/auth/tokens', { token: other, subject: token })).status).toBe(404);
  });

  it('of a token of somebody else is for admins', async () => {
    const [mine, theirs] = [await identity.adminToken(), await identity.demoToken()];
    expect((await identity.call('DELETE', '/v3/auth/tokens', { token: theirs, subject: mine })).status).toBe(403);
    expect((await identity.call('DELETE', '/v3/auth/tokens', { token: mine, subject: theirs })).status).toBe(204);
    expect((await identity.call('GET', '/v3/auth/tokens', { token: mine, subject: theirs })).status).toBe(404);
  });

  it('of a user leaves the tokens that are made right after it good', async () => {
    const before = await identity.demoToken();
    await tx((client) => revoke(client, { userId: demoId, reason: 'the password was changed' }));
    const after = await identity.demoToken();
    expect(await refusedElsewhereAfter(before)).toBeLessThan(SOON_MS);
    expect(await goodElsewhere(after)).toBe(true);
    expect((await identity.call('GET', '/v3/auth/projects', { token: after })).status).toBe(200);
  });

  it('counts against a token that was made while it was under way, and is told before older transactions end', async () => {
    const [older, slow] = [await identity.database.admin.query('SELECT 1').then(() => identity.database.db.pool.connect()), await identity.database.db.pool.connect()];
    try {
      await older.query('BEGIN');
      await older.query('SELECT pg_current_xact_id()');
      await slow.query('BEGIN');
      await revoke(slow, { userId: demoId, projectId: demoProject, reason: 'a role was taken away' });
      const between = await identity.demoToken();
      expect(await goodElsewhere(between)).toBe(true);
      await slow.query('COMMIT');
      expect(await refusedElsewhereAfter(between)).toBeLessThan(SOON_MS);
      expect(await goodElsewhere(await identity.demoToken())).toBe(true);
      await older.query('COMMIT');
    } finally {
      older.release(true);
      slow.release(true);
    }
    expect(await goodElsewhere(await identity.demoToken())).toBe(true);
  });

  it('of before is heard by who starts later, and survives', async () => {
    const token = await identity.demoToken();
    await tx((client) => revokeUsers(client, [demoId], { reason: 'its group went' }));
    await identity.restartHttp();
    expect((await identity.call('GET', '/v3/auth/projects', { token })).status).toBe(401);
    const late = new TokenVerifier((question) => identity.bus.ask(listTokenKeys, question));
    await expect(late.verify(token)).rejects.toMatchObject({ kind: 'unauthorized' });
  });

  it('is not escaped by a rescope', async () => {
    const token = await identity.demoToken();
    await tx((client) => revoke(client, { userId: demoId, reason: 'the password was changed' }));
    // The service may not have heard of it yet: for a new token it asks.
    const answer = await identity.login({ methods: ['token'], token: { id: token } }, project('demo'));
    expect([answer.status, answer.body]).toEqual([401, UNAUTHORIZED]);
  });

  it('comes in pages', async () => {
    await tx(async (client) => { for (let n = 0; n < 3; n += 1) await revokeUsers(client, Array.from({ length: 700 }, (_, i) => `nobody-${n}-${i}`), { reason: 'test' }); });
    const pages: number[] = [];
    const late = new TokenVerifier(async (question) => {
      const answer = await identity.bus.ask(listTokenKeys, question);
      pages.push(answer.revocations?.rows.length ?? 0);
      return answer;
    });
    await late.verify(await identity.demoToken());
    expect(pages.slice(0, 2)).toEqual([1_000, 1_000]);
    expect(pages).toHaveLength(3);
    await late.renew();
    expect(pages.at(-1)).toBeLessThan(5);
  });
});

describe('keys', () => {
  it('rotate without a token that fails', async () => {
    const { keys: [first] } = await identity.bus.ask(viewTokenKeys, { caller: operator });
    expect(first).toMatchObject({ state: 'active', retiresAt: null });
    const old = await identity.demoToken();
    const { keys } = await identity.bus.ask(rotateTokenKeys, { caller: operator });
    expect(keys.map(({ state }) => state)).toEqual(['next', 'active']);
    await expect(identity.bus.ask(rotateTokenKeys, { caller: operator })).rejects.toMatchObject({ kind: 'conflict' });
    // Ten seconds of publishing pass at once.
    await identity.database.admin.query("UPDATE identity.signing_keys SET activates_at = activates_at - interval '10 s', created_at = created_at - interval '10 s', retired_at = retired_at - interval '10 s'");
    await identity.restartHttp();
    const fresh = await identity.demoToken();
    const kidOf = (token: string): string => (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid;
    expect([kidOf(old), kidOf(fresh)]).toEqual([first?.kid, keys[0]?.kid]);
    await elsewhere.renew();
    expect([await goodElsewhere(old), await goodElsewhere(fresh)]).toEqual([true, true]);
    expect((await identity.bus.ask(viewTokenKeys, { caller: operator })).keys.map(({ state }) => state)).toEqual(['active', 'retiring']);
    await identity.database.admin.query("UPDATE identity.signing_keys SET retired_at = now() WHERE kid = $1", [first?.kid]);
    expect(await refusedElsewhereAfter(old)).toBeLessThan(SOON_MS);
    expect(await goodElsewhere(fresh)).toBe(true);
  });

  it('that a stranger knows go at once, with their tokens', async () => {
    const token = await identity.demoToken();
    const { keys } = await identity.bus.ask(rotateTokenKeys, { caller: operator, dropOld: true });
    expect(keys.map(({ state }) => state)).toEqual(['active', 'retired', 'retired']);
    expect(await refusedElsewhereAfter(token)).toBeLessThan(SOON_MS);
    await identity.restartHttp();
    await elsewhere.renew();
    expect(await goodElsewhere(await identity.demoToken())).toBe(true);
  });

  it('are the admins\' affair', async () => {
    await expect(identity.bus.ask(rotateTokenKeys, { caller: { ...operator, roles: ['member'], isAdmin: false } })).rejects.toMatchObject({ kind: 'forbidden' });
  });
});
