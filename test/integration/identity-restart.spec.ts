import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOKEN_LIMITS } from '#libs/auth';
import { getProjectLimits, listTokenKeys } from '#libs/contracts';
import { PasswordHasher } from '../../apps/identity/src/passwords/password-hasher.js';
import { SigningKeysRepository } from '../../apps/identity/src/keys/signing-keys.repository.js';
import { seedIdentity } from '../../apps/identity/src/identity.module.js';
import { ADMIN, byName, DEMO, IdentityUnderTest, project } from '../support/identity.js';

let identity: IdentityUnderTest;
beforeAll(async () => { identity = await IdentityUnderTest.start(); });
afterAll(async () => { await identity.stop(); });

describe('the bus', () => {
  it('tells public keys, and nothing private', async () => {
    const { keys } = await identity.bus.ask(listTokenKeys, {});
    expect(keys).toEqual([{ kid: expect.stringMatching(/^[\w-]{16}$/), x: expect.stringMatching(/^[\w-]{43}$/) }]);
  });

  it('tells limits: none for admin\'s project, the defaults otherwise', async () => {
    const [admin, demo] = [await identity.login(byName('admin', ADMIN), project('admin')), await identity.login(byName('demo', DEMO), project('demo'))];
    expect(await identity.bus.ask(getProjectLimits, { projectId: admin.body.token.project.id })).toMatchObject({ limits: { instances: -1, cores: -1, ramMib: -1, keypairs: -1, metadataItems: -1, serverGroups: -1, serverGroupMembers: -1 }, known: true });
    expect(await identity.bus.ask(getProjectLimits, { projectId: demo.body.token.project.id })).toMatchObject({ limits: { instances: 10, cores: 20, ramMib: 51_200, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 }, known: true });
  });

  it('answers 503 while tokens cannot be checked, and trusts nothing meanwhile', async () => {
    const token = await identity.demoToken();
    identity.bus.setConnected(false);
    try {
      await identity.restartHttp();
      const answer = await identity.call('GET', '/v3/auth/projects', { token });
      expect([answer.status, answer.body.error.title]).toEqual([503, 'Service Unavailable']);
      expect(answer.headers['retry-after']).toBe('1');
    } finally {
      identity.bus.setConnected(true);
    }
    await new Promise((resolve) => setTimeout(resolve, TOKEN_LIMITS.failedRefreshMs + 50));
    expect((await identity.call('GET', '/v3/auth/projects', { token })).status).toBe(200);
  });
});

describe('starting again', () => {
  it('keeps the key, so that tokens stay good', async () => {
    const token = await identity.demoToken();
    await identity.restartHttp();
    expect((await identity.call('GET', '/v3/auth/tokens', { token, subject: token })).status).toBe(200);
    expect((await identity.database.admin.query('SELECT count(*)::int AS n FROM identity.signing_keys')).rows[0].n).toBe(1);
  });

  it('makes one key when many start at once, and none of another cloud counts', async () => {
    await identity.database.admin.query('DELETE FROM identity.signing_keys');
    const other = await identity.database.open('identity');
    const made = await Promise.all([identity.database.db, other, identity.database.db, other].map((db) => new SigningKeysRepository(db).ensure()));
    expect(new Set(made.map(([first]) => first?.key.kid)).size).toBe(1);
    const copy = new SigningKeysRepository({ ...identity.database.db, cloudId: crypto.randomUUID() });
    expect(await copy.listPublic()).toEqual([]);
    const elsewhere = (await copy.ensure())[0]?.key;
    if (elsewhere === undefined) throw new Error('no key was made');
    expect(elsewhere.x).not.toBe(made[0]?.[0]?.key.x);
    expect(await copy.listPublic()).toEqual([{ kid: elsewhere.kid, x: elsewhere.x }]);
    expect((await identity.bus.ask(listTokenKeys, {})).keys.map(({ kid }) => kid)).toEqual([made[0]?.[0]?.key.kid]);
    await identity.database.admin.query('DELETE FROM identity.signing_keys WHERE kid = $1', [elsewhere.kid]);
    await identity.restartHttp();
  });

  it('seeds again, also many times at once, without changing a password, a role or a limit', async () => {
    await identity.database.admin.query('UPDATE identity.users SET password_hash = $1 WHERE name = $2', [await new PasswordHasher().hash('changed-3'), 'demo']);
    const snapshot = async (): Promise<unknown> => (await identity.database.admin.query(
      `SELECT (SELECT jsonb_agg(u ORDER BY u.id) FROM identity.users u) AS users, (SELECT jsonb_agg(p ORDER BY p.id) FROM identity.projects p) AS projects,
              (SELECT jsonb_agg(r ORDER BY r.id) FROM identity.roles r) AS roles, (SELECT count(*) FROM identity.role_assignments) AS assignments,
              (SELECT jsonb_agg(l ORDER BY l.id) FROM identity.limits l) AS limits, (SELECT jsonb_agg(r ORDER BY r.id) FROM identity.registered_limits r) AS registered`)).rows[0];
    const before = await snapshot();
    const other = await identity.database.open('identity');
    await Promise.all([identity.database.db, other, identity.database.db].map((db) => seedIdentity(db, { adminPassword: 'new-1', demoPassword: 'new-2' })));
    expect(await snapshot()).toEqual(before);
    expect((await identity.login(byName('demo', 'changed-3'), project('demo'))).status).toBe(201);
    expect((await identity.login(byName('admin', ADMIN), project('admin'))).status).toBe(201);
  });
});
