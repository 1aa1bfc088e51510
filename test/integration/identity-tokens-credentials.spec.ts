import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteApplicationCredentials } from '../../apps/identity/src/application-credentials/dead-credentials.repository.js';
import { byName, DEMO, IdentityUnderTest, project, tokenOf, type Answer } from '../support/identity.js';

let identity: IdentityUnderTest;
let token: string;
let userId: string;
let projectId: string;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  const answer = await identity.login(byName('demo', DEMO), project('demo'));
  token = tokenOf(answer);
  userId = answer.body.token.user.id;
  projectId = answer.body.token.project.id;
});
afterAll(async () => { await identity.stop(); });

const path = (rest = ''): string => `/v3/users/${userId}/application_credentials${rest}`;
const create = (body: Record<string, unknown>, by = token): Promise<Answer> => identity.call('POST', path(), { token: by, body: { application_credential: body } });
const login = ({ id, name, user, secret }: Record<string, unknown>, scope?: unknown): Promise<Answer> =>
  identity.login({ methods: ['application_credential'], application_credential: { id, secret, ...(id === undefined && { name, user }) } }, scope);
async function made(body: Record<string, unknown>): Promise<{ id: string; secret: string; name: string }> {
  const answer = await create(body);
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([201, expect.any(String)]);
  return answer.body.application_credential;
}

describe('an application credential', () => {
  it('is made with the roles of the token and a secret that is shown once', async () => {
    const answer = await create({ name: 'monitoring', description: 'reads' });
    expect(answer.status).toBe(201);
    const { application_credential: shown } = answer.body;
    expect(shown).toMatchObject({ id: expect.stringMatching(/^[0-9a-f]{32}$/), name: 'monitoring', description: 'reads', project_id: projectId, unrestricted: false, expires_at: null, secret: expect.stringMatching(/^[\w-]{43}$/) });
    expect(shown.roles.map(({ name }: { name: string }) => name)).toEqual(['member', 'reader']);
    expect(shown.links.self).toBe(`http://cloud.test:8780/identity${path(`/${shown.id}`)}`);
    const again = await identity.call('GET', path(`/${shown.id}`), { token });
    expect(again.body.application_credential).toEqual(Object.fromEntries(Object.entries(shown).filter(([key]) => key !== 'secret')));
    expect((await identity.call('GET', `${path()}?name=monitoring`, { token })).body.application_credentials).toHaveLength(1);
    expect((await identity.call('GET', `${path()}?name=other`, { token })).body.application_credentials).toHaveLength(0);
    const { rows } = await identity.database.admin.query("SELECT row_to_json(c)::text AS text FROM identity.application_credentials c UNION ALL SELECT row_to_json(r)::text FROM audit.records r");
    expect(rows.map(({ text }: { text: string }) => text).join()).not.toContain(shown.secret);
    expect(identity.log.join()).not.toContain(shown.secret);
  });

  it('logs in by its id, or by its name and owner, for its own project alone', async () => {
    const { id, secret } = await made({ name: 'login', roles: [{ name: 'reader' }] });
    for (const proof of [{ id, secret }, { name: 'login', user: { id: userId }, secret }, { name: 'login', user: { name: 'demo', domain: { name: 'Default' } }, secret }]) {
      const answer = await login(proof);
      expect(answer.status).toBe(201);
      expect(answer.body.token).toMatchObject({
        methods: ['application_credential'], project: { id: projectId }, user: { id: userId }, roles: [{ name: 'reader' }],
        application_credential: { id, name: 'login', restricted: true } });
      expect(answer.body.token.application_credential).not.toHaveProperty('access_rules');
    }
    const scoped = await login({ id, secret }, project('demo'));
    expect([scoped.status, scoped.body.error.message]).toEqual([401, 'Application credentials cannot request a scope.']);
    expect((await login({ id, secret: `${secret}x` })).status).toBe(401);
    expect((await login({ id: '0'.repeat(32), secret })).status).toBe(401);
    expect((await login({ name: 'login', secret })).status).toBe(400);
  });

  it('takes a secret of the client\'s choice, hashed as a password is', async () => {
    const { id, secret } = await made({ name: 'chosen', secret: 'correct horse' });
    expect(secret).toBe('correct horse');
    expect((await login({ id, secret })).status).toBe(201);
    expect((await identity.database.admin.query('SELECT secret_hash FROM identity.application_credentials WHERE id = $1', [id])).rows[0].secret_hash).toMatch(/^\$argon2id\$/);
  });

  it.each<[string, Record<string, unknown>, number]>([
    ['no name', {}, 400],
    ['an empty name', { name: '' }, 400],
    ['a role that the token lacks', { name: 'x', roles: [{ name: 'admin' }] }, 400],
    ['a role that there is not', { name: 'x', roles: [{ id: 'f'.repeat(32) }] }, 400],
    ['a role without id and name', { name: 'x', roles: [{}] }, 400],
    ['an end in the past', { name: 'x', expires_at: '2020-01-01T00:00:00' }, 400],
    ['an end that is no time', { name: 'x', expires_at: 'tomorrow' }, 400],
    ['a rule with a strange method', { name: 'x', access_rules: [{ service: 'compute', method: 'BREW', path: '/v2.1/servers' }] }, 400],
    ['a rule without a slash', { name: 'x', access_rules: [{ service: 'compute', method: 'GET', path: 'servers' }] }, 400],
    ['a rule of somebody else', { name: 'x', access_rules: [{ id: 'f'.repeat(32) }] }, 400],
    ['too many rules', { name: 'x', access_rules: Array.from({ length: 51 }, (_, n) => ({ service: 'compute', method: 'GET', path: `/${n}` })) }, 400],
    ['a name that is taken', { name: 'monitoring' }, 409],
  ])('is not made with %s', async (_, body, status) => {
    expect((await create(body)).status).toBe(status);
  });

  it('is made by nobody for somebody else, and seen by nobody but admins', async () => {
    const admin = await identity.adminToken();
    expect((await create({ name: 'evil' }, admin)).status).toBe(403);
    expect((await identity.call('GET', path(), { token: admin })).status).toBe(200);
    const adminId = (await identity.call('GET', '/v3/auth/tokens', { token: admin, subject: admin })).body.token.user.id;
    expect((await identity.call('GET', `/v3/users/${adminId}/application_credentials`, { token })).status).toBe(403);
    expect((await identity.call('GET', path('/nothing'), { token })).status).toBe(404);
  });

  it('that is restricted makes and removes no other, and none rescopes', async () => {
    const restricted = await made({ name: 'restricted' });
    const unrestricted = await made({ name: 'unrestricted', unrestricted: true });
    const [small, large] = [tokenOf(await login(restricted)), tokenOf(await login(unrestricted))];
    expect((await create({ name: 'child' }, small)).status).toBe(403);
    expect((await identity.call('DELETE', path(`/${unrestricted.id}`), { token: small })).status).toBe(403);
    const child = await create({ name: 'child' }, large);
    expect(child.status).toBe(201);
    expect((await identity.call('DELETE', path(`/${child.body.application_credential.id}`), { token: large })).status).toBe(204);
    for (const id of [small, large]) {
      for (const scope of [undefined, 'unscoped', project('demo')]) expect((await identity.login({ methods: ['token'], token: { id } }, scope)).status).toBe(403);
    }
  });

  it('ends with its time, and so do its tokens', async () => {
    const soon = new Date(Date.now() + 5_000);
    const { id, secret } = await made({ name: 'short', expires_at: soon.toISOString() });
    const answer = await login({ id, secret });
    expect(Date.parse(answer.body.token.expires_at)).toBeLessThanOrEqual(soon.getTime());
    await identity.database.admin.query('UPDATE identity.application_credentials SET expires_at = now() WHERE id = $1', [id]);
    expect((await login({ id, secret })).status).toBe(401);
  });

  it('dies when it is deleted, with a role of its owner, and with its owner', async () => {
    const { id, secret } = await made({ name: 'mortal', roles: [{ name: 'reader' }, { name: 'member' }] });
    const mine = tokenOf(await login({ id, secret }));
    expect((await identity.call('GET', '/v3/auth/projects', { token: mine })).status).toBe(200);
    await identity.with(`DELETE FROM identity.role_assignments WHERE user_id = '${userId}' AND role_id IN (SELECT id FROM identity.roles WHERE name = 'member')`,
      `INSERT INTO identity.role_assignments (user_id, project_id, role_id) SELECT '${userId}', '${projectId}', id FROM identity.roles WHERE name = 'member'`,
      async () => { expect((await login({ id, secret })).status).toBe(401); });
    await identity.with("UPDATE identity.users SET enabled = false WHERE name = 'demo'", 'UPDATE identity.users SET enabled = true',
      async () => { expect((await login({ id, secret })).status).toBe(401); });
    expect((await login({ id, secret })).status).toBe(201);
    expect((await identity.call('DELETE', path(`/${id}`), { token })).status).toBe(204);
    expect((await identity.call('DELETE', path(`/${id}`), { token })).status).toBe(404);
    expect((await login({ id, secret })).status).toBe(401);
    expect((await identity.call('GET', '/v3/auth/projects', { token: mine })).status).toBe(401);
    expect((await identity.call('GET', '/v3/auth/projects', { token })).status).toBe(200);

    const other = await made({ name: 'mortal too' });
    await identity.database.db.transaction((client) => deleteApplicationCredentials(client, { userIds: [userId], places: [{ roleId: 'any', projectId, domainId: null, inherited: false, projectDomainId: 'default' }] }));
    expect((await login(other)).status).toBe(401);
  });
});

describe('access rules', () => {
  const rules = [{ service: 'identity', method: 'GET', path: '/v3/auth/projects' }, { service: 'identity', method: 'GET', path: '/v3/users/*' }];

  it('are kept to at the door', async () => {
    const credential = await made({ name: 'ruled', access_rules: rules });
    const answer = await login(credential);
    expect(answer.status).toBe(201);
    const mine = tokenOf(answer);
    expect((await identity.call('GET', '/v3/auth/projects', { token: mine })).status).toBe(200);
    expect((await identity.call('GET', `/v3/users/${userId}`, { token: mine })).status).toBe(200);
    expect((await identity.call('HEAD', '/v3/auth/projects', { token: mine })).status).toBe(401);
    expect((await identity.call('GET', '/v3/auth/domains', { token: mine })).status).toBe(401);
    expect((await identity.call('GET', path(), { token: mine })).status).toBe(401);
    // A token may always be looked at, by itself with its rules.
    const look = await identity.call('GET', '/v3/auth/tokens', { token: mine, subject: mine });
    expect(look.body.token.application_credential.access_rules).toEqual(expect.arrayContaining(rules.map((rule) => expect.objectContaining(rule))));
    // A service that does not know of rules must not take it for good.
    const admin = await identity.adminToken();
    expect((await identity.call('GET', '/v3/auth/tokens', { token: admin, subject: mine })).status).toBe(404);
    expect((await identity.call('GET', '/v3/auth/tokens', { token: admin, subject: mine, headers: { 'openstack-identity-access-rules': '1.0' } })).status).toBe(200);
  });

  it('are the user\'s, shared, and kept while they are used', async () => {
    const [first] = (await identity.call('GET', `/v3/users/${userId}/access_rules?path=/v3/auth/projects`, { token })).body.access_rules;
    expect(first).toMatchObject({ ...rules[0], id: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect((await identity.call('GET', `/v3/users/${userId}/access_rules/${first.id}`, { token })).body.access_rule).toEqual(first);
    const sharing = await made({ name: 'sharing', access_rules: [{ id: first.id }, { ...rules[0] }] });
    expect((await identity.call('GET', path(`/${sharing.id}`), { token })).body.application_credential.access_rules).toEqual([{ id: first.id, ...rules[0] }]);
    expect((await identity.call('DELETE', `/v3/users/${userId}/access_rules/${first.id}`, { token })).status).toBe(403);
    for (const { id } of (await identity.call('GET', path(), { token })).body.application_credentials) expect((await identity.call('DELETE', path(`/${id}`), { token })).status).toBe(204);
    expect((await identity.call('DELETE', `/v3/users/${userId}/access_rules/${first.id}`, { token })).status).toBe(204);
    expect((await identity.call('GET', `/v3/users/${userId}/access_rules/${first.id}`, { token })).status).toBe(404);
    expect((await identity.call('DELETE', `/v3/users/${userId}/access_rules/${first.id}`, { token })).status).toBe(404);
  });

  it('never let their credential make one without', async () => {
    const all = [{ service: 'identity', method: 'POST', path: '/v3/**' }];
    const mine = tokenOf(await login(await made({ name: 'climber', unrestricted: true, access_rules: all })));
    expect((await create({ name: 'climbed' }, mine)).status).toBe(403);
  });
});
