// What somebody loses ends with everything that rests on it, at once and whatever else happens meanwhile.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../apps/identity/src/limits.js';
import { IdentityUnderTest, tokenOf, type Answer } from '../support/identity.js';

const PASSWORD = 'long-enough-1';
let identity: IdentityUnderTest;
let admin: string;
let roles: Record<string, string>;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  admin = await identity.adminToken();
  roles = Object.fromEntries((await call('GET', '/roles')).body.roles.map((role: { name: string; id: string }) => [role.name, role.id]));
});
afterAll(async () => { await identity.stop(); });

type Method = Parameters<IdentityUnderTest['call']>[0];
const call = (method: Method, path: string, body?: unknown, token = admin): Promise<Answer> => identity.call(method, `/v3${path}`, { token, ...(body !== undefined && { body }) });
let made = 0;
async function make(kind: 'domain' | 'project' | 'user' | 'group' | 'role', attributes: object = {}): Promise<string> {
  made += 1;
  const answer = await call('POST', `/${kind}s`, { [kind]: { name: `${kind}-${made}`, ...(kind === 'user' && { password: PASSWORD }), ...attributes } });
  expect([kind, answer.status, answer.body.error]).toEqual([kind, 201, undefined]);
  return answer.body[kind].id;
}
async function does(method: Method, path: string): Promise<void> {
  const { status } = await call(method, path);
  expect([method, path, [201, 204].includes(status)]).toEqual([method, path, true]);
}
const login = (user: string, project: string): Promise<Answer> => identity.login({ methods: ['password'], password: { user: { id: user, password: PASSWORD } } }, { project: { id: project } });
const credentialFor = (user: string, token: string, more: object = {}): Promise<Answer> => call('POST', `/users/${user}/application_credentials`, { application_credential: { name: `ac-${made += 1}`, ...more } }, token);
const byCredential = async ({ id, secret }: { id: string; secret: string }): Promise<string> =>
  tokenOf(await identity.login({ methods: ['application_credential'], application_credential: { id, secret } }));
const works = async (token: string): Promise<number> => (await call('GET', '/auth/projects', undefined, token)).status;
const revocations = async (where: string): Promise<Record<string, unknown>[]> =>
  (await identity.database.admin.query(`SELECT user_id, project_id, domain_id, role_id, audit_id FROM identity.revocations WHERE ${where} ORDER BY id`)).rows;

/** Asked by a connection of its own: within a transaction the answer would stay what it was. */
async function untilItWaits(query: string): Promise<void> {
  for (let [n, tries] = [0, 0]; n === 0; tries += 1) {
    if (tries > 1_000) throw new Error(`nothing waits with ${query}`);
    n = (await identity.database.db.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1", [query])).rows[0]?.n ?? 0;
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

/** A user with a role somewhere, and a token by an application credential that names only what follows from it. */
async function narrowed(grant: (user: string, project: string, domain: string) => string): Promise<{ user: string; project: string; grant: string; id: string; token: string; own: string }> {
  const domain = await make('domain');
  const [user, project] = [await make('user', { domain_id: domain }), await make('project', { domain_id: domain })];
  const path = grant(user, project, domain);
  await does('PUT', path);
  const own = tokenOf(await login(user, project));
  const { application_credential: credential } = (await credentialFor(user, own, { roles: [{ name: 'member' }] })).body;
  const token = await byCredential(credential);
  expect(await works(token)).toBe(200);
  return { user, project, grant: path, id: credential.id, token, own };
}

describe('a token of an application credential with only what followed from a role', () => {
  it('ends with the inherited role, and the credential goes, which is written down', async () => {
    const it = await narrowed((user, _, domain) => `/OS-INHERIT/domains/${domain}/users/${user}/roles/${roles['manager']}/inherited_to_projects`);
    await does('DELETE', it.grant);
    expect([await works(it.token), await works(it.own)]).toEqual([401, 401]);
    expect((await call('GET', `/users/${it.user}/application_credentials/${it.id}`)).status).toBe(404);
    const { rows: [record] } = await identity.database.admin.query("SELECT detail FROM audit.records WHERE action = 'grants:revoke' ORDER BY id DESC LIMIT 1");
    expect(record.detail.applicationCredentials).toEqual({ count: 1, ids: [it.id] });
  });

  it('ends with a role that was inherited from a project above', async () => {
    const top = await make('project');
    const [user, project] = [await make('user'), await make('project', { parent_id: top })];
    const grant = `/OS-INHERIT/projects/${top}/users/${user}/roles/${roles['manager']}/inherited_to_projects`;
    await does('PUT', grant);
    const { application_credential: credential } = (await credentialFor(user, tokenOf(await login(user, project)))).body;
    const token = await byCredential(credential);
    await does('DELETE', grant);
    expect([await works(token), (await call('GET', `/users/${user}/application_credentials`)).body.application_credentials]).toEqual([401, []]);
  });

  it('ends with the implication, also of one that follows from another, and with the role', async () => {
    const [prior, custom] = [await make('role'), await make('role')];
    await does('PUT', `/roles/${prior}/implies/${custom}`);
    await does('PUT', `/roles/${custom}/implies/${roles['member']}`);
    const [direct, above] = [await narrowed((user, project) => `/projects/${project}/users/${user}/roles/${custom}`), await narrowed((user, project) => `/projects/${project}/users/${user}/roles/${prior}`)];
    await does('DELETE', `/roles/${custom}/implies/${roles['member']}`);
    expect([await works(direct.token), await works(above.token)]).toEqual([401, 401]);
    await does('PUT', `/roles/${custom}/implies/${roles['member']}`);
    const again = await narrowed((user, project) => `/projects/${project}/users/${user}/roles/${prior}`);
    await does('DELETE', `/roles/${custom}`);
    expect(await works(again.token)).toBe(401);
  });
});

describe('a revoked token', () => {
  it('has ended when the change is answered, and makes nothing that lasts', async () => {
    const [project, user] = [await make('project'), await make('user')];
    await does('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`);
    const token = tokenOf(await login(user, project));
    expect(await works(token)).toBe(200);
    expect((await call('PATCH', `/users/${user}`, { user: { password: 'another-one-2' } })).status).toBe(200);
    expect((await credentialFor(user, token)).status).toBe(401);
    expect(await works(token)).toBe(401);
  });

  it('makes no credential when another process revoked it a moment ago, nor when it is revoked while the request waits', async () => {
    const [project, user] = [await make('project'), await make('user')];
    await does('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`);
    const token = tokenOf(await login(user, project));
    expect(await works(token)).toBe(200);
    const { admin: other } = identity.database;
    const revoke = `INSERT INTO identity.revocations (user_id, expires_at) VALUES ('${user}', now() + interval '1 hour')`;
    await other.query('BEGIN');
    await other.query('SELECT 1 FROM identity.users WHERE id = $1 FOR UPDATE', [user]);
    const waiting = credentialFor(user, token);
    // The request is where it waits for the user before anything is revoked.
    await untilItWaits('SELECT 1 FROM identity.users%');
    await other.query(revoke);
    await other.query('COMMIT');
    expect((await waiting).status).toBe(401);
    const fresh = tokenOf(await login(user, project));
    expect(await works(fresh)).toBe(200);
    await other.query(revoke);
    expect((await credentialFor(user, fresh)).status).toBe(401);
  });
});

it('who joins a group while its role is taken joins one without it', async () => {
  const [project, user, group] = [await make('project'), await make('user'), await make('group')];
  const grant = `/projects/${project}/groups/${group}/roles/${roles['member']}`;
  await does('PUT', grant);
  const { admin: other } = identity.database;
  // Somebody is joining: until that is done nobody knows whose tokens end.
  await other.query('BEGIN');
  await other.query('SELECT 1 FROM identity.groups WHERE id = $1 FOR UPDATE', [group]);
  const taking = call('DELETE', grant);
  await untilItWaits('SELECT 1 FROM identity.groups%');
  await other.query('INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $2)', [group, user]);
  await other.query('COMMIT');
  expect((await taking).status).toBe(204);
  expect(await revocations(`user_id = '${user}'`)).toMatchObject([{ project_id: project }]);
});

describe('revocations', () => {
  it('of a large group name the place and nobody', async () => {
    const [project, group] = [await make('project'), await make('group')];
    const grant = `/projects/${project}/groups/${group}/roles/${roles['member']}`;
    await does('PUT', grant);
    await identity.database.admin.query(`INSERT INTO identity.users (id, domain_id, name, enabled) SELECT 'many-' || n, 'default', 'many-' || n, true FROM generate_series(1, ${LIMITS.revokedOneByOne + 1}) n`);
    await identity.database.admin.query("INSERT INTO identity.group_members SELECT $1, id FROM identity.users WHERE id LIKE 'many-%'", [group]);
    const before = (await revocations('true')).length;
    await does('DELETE', grant);
    expect((await revocations('true')).slice(before)).toEqual([{ user_id: null, project_id: project, domain_id: null, role_id: null, audit_id: null }]);
    await does('PUT', `/domains/default/groups/${group}/roles/${roles['reader']}`);
    await identity.database.admin.query("DELETE FROM identity.users WHERE id LIKE 'many-%'");
    await does('DELETE', `/domains/default/groups/${group}/roles/${roles['reader']}`);
  });

  it('last as long as tokens do, also as those that were made before a shorter life was set', async () => {
    const [project, user] = [await make('project'), await make('user')];
    const lasts = async (): Promise<number> => {
      await does('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`);
      await does('DELETE', `/projects/${project}/users/${user}/roles/${roles['member']}`);
      return (await identity.database.admin.query('SELECT round(extract(epoch FROM expires_at - issued_before))::int AS s FROM identity.revocations WHERE user_id = $1 ORDER BY id DESC LIMIT 1', [user])).rows[0].s;
    };
    expect(await lasts()).toBe(3_660);
    await identity.database.admin.query("INSERT INTO identity.token_lifetimes (ttl_s, used_at) VALUES (7200, now() - interval '7000 s')");
    expect(await lasts()).toBe(7_260);
    await identity.database.admin.query("UPDATE identity.token_lifetimes SET used_at = now() - interval '1 day' WHERE ttl_s = 7200");
    expect(await lasts()).toBe(3_660);
  });

  it('of very many tokens of one user become one', async () => {
    const [project, user] = [await make('project'), await make('user')];
    await does('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`);
    const token = tokenOf(await login(user, project));
    await identity.database.admin.query(`INSERT INTO identity.revocations (user_id, audit_id, expires_at) SELECT $1, 'a' || n, now() + interval '1 hour' FROM generate_series(1, ${LIMITS.revocationsPerUser}) n`, [user]);
    expect((await identity.call('DELETE', '/v3/auth/tokens', { token, subject: token })).status).toBe(204);
    expect(await revocations(`user_id = '${user}'`)).toEqual([{ user_id: user, project_id: null, domain_id: null, role_id: null, audit_id: null }]);
  });

  it('of application credentials that one user makes and ends in a loop are bounded, and so are those of before', async () => {
    const [project, user] = [await make('project'), await make('user')];
    await does('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`);
    const token = tokenOf(await login(user, project));
    const kept = (await credentialFor(user, token)).body.application_credential;
    const fill = (count: number, ends: string): Promise<unknown> => identity.database.admin.query(
      `INSERT INTO identity.revocations (user_id, application_credential_id, expires_at) SELECT $1, 'c' || n, now() + interval '${ends}' FROM generate_series(1, ${count}) n`, [user]);
    const endOne = async (by: string): Promise<string> => {
      const one = (await credentialFor(user, by)).body.application_credential;
      const machine = await byCredential(one);
      await does('DELETE', `/users/${user}/application_credentials/${one.id}`);
      return machine;
    };
    await fill(LIMITS.revocationsPerUser, '1 hour');
    expect(await works(await endOne(token))).toBe(401);
    expect(await revocations(`user_id = '${user}'`)).toHaveLength(1);
    expect(await works(token)).toBe(401);
    // The credentials that are left are as good as before.
    expect(await works(await byCredential(kept))).toBe(200);
    await fill(LIMITS.revocationsKeptPerUser, '-1 hour');
    const again = tokenOf(await login(user, project));
    expect(await works(await endOne(again))).toBe(401);
    expect(await revocations(`user_id = '${user}'`)).toHaveLength(2);
  });
});

it('a credential that is made by another ends with it at the latest', async () => {
  const [project, user] = [await make('project'), await make('user')];
  await does('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`);
  const end = new Date(Date.now() + 3_600_000);
  const parent = (await credentialFor(user, tokenOf(await login(user, project)), { unrestricted: true, expires_at: end.toISOString() })).body.application_credential;
  const token = await byCredential(parent);
  expect((await credentialFor(user, token)).body.application_credential.expires_at).toBe(parent.expires_at);
  expect((await credentialFor(user, token, { expires_at: new Date(end.getTime() + 1_000).toISOString() })).status).toBe(400);
  expect((await credentialFor(user, token, { expires_at: new Date(end.getTime() - 60_000).toISOString() })).status).toBe(201);
});

it('a restricted credential has no hand on keys of ec2', async () => {
  const [project, user] = [await make('project'), await make('user')];
  await does('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`);
  const own = tokenOf(await login(user, project));
  const ec2 = (await call('POST', '/credentials', { credential: { type: 'ec2', user_id: user, project_id: project, blob: JSON.stringify({ access: 'a1', secret: 's1' }) } }, own)).body.credential;
  const token = await byCredential((await credentialFor(user, own)).body.application_credential);
  expect((await call('PATCH', `/credentials/${ec2.id}`, { credential: { blob: JSON.stringify({ access: 'a1', secret: 'mine' }) } }, token)).status).toBe(403);
  expect((await call('DELETE', `/credentials/${ec2.id}`, undefined, token)).status).toBe(403);
  expect((await call('DELETE', `/users/${user}/credentials/OS-EC2/a1`, undefined, token)).status).toBe(403);
  expect((await call('GET', `/credentials/${ec2.id}`, undefined, own)).body.credential.blob).toContain('s1');
});

it('a list of credentials is bounded, and one of another key stands in it without its blob', async () => {
  const user = await make('user');
  const made = [];
  for (let n = 0; n < 40; n += 1) made.push((await call('POST', '/credentials', { credential: { type: 'cert', blob: String(n).padEnd(LIMITS.credentialChars, 'x'), user_id: user } })).body.credential);
  await identity.database.admin.query("UPDATE identity.credentials SET key_hash = '0000' WHERE id = $1", [made[0].id]);
  const seen = [];
  for (let marker = ''; ;) {
    const { status, body, text } = await call('GET', `/credentials?user_id=${user}${marker}`);
    expect([status, text.length < LIMITS.credentialsPageBytes + 100_000]).toEqual([200, true]);
    seen.push(...body.credentials);
    if (body.links.next === null) break;
    marker = `&marker=${new URL(body.links.next).searchParams.get('marker') ?? ''}`;
  }
  expect(seen.map(({ id }) => id).sort()).toEqual(made.map(({ id }) => id).sort());
  expect(seen.filter(({ blob }) => blob === undefined)).toMatchObject([{ id: made[0].id, unreadable: expect.stringContaining('key') }]);
});

it('effective assignments of everybody are listed only of a small cloud, those of one user always', async () => {
  const user = await make('user');
  const { admin: database } = identity.database;
  await database.query("INSERT INTO identity.domains (id, name) VALUES ('wide', 'wide')");
  await database.query("INSERT INTO identity.projects (id, domain_id, name) SELECT 'wide-' || n, 'wide', 'wide-' || n FROM generate_series(1, 250) n");
  await database.query("INSERT INTO identity.roles (id, name) SELECT 'wide-' || n, 'wide-' || n FROM generate_series(1, 210) n");
  expect((await call('GET', '/role_assignments?effective')).status).toBe(200);
  await database.query("INSERT INTO identity.role_assignments (user_id, domain_id, role_id, inherited) SELECT $1, 'wide', id, true FROM identity.roles WHERE id LIKE 'wide-%'", [user]);
  const refused = await call('GET', '/role_assignments?effective');
  expect([refused.status, refused.body.error.message]).toEqual([400, expect.stringContaining('name a user')]);
  expect((await call('GET', `/role_assignments?effective&user.id=${user}&scope.project.id=wide-1`)).body.role_assignments).toHaveLength(210);
  expect((await call('GET', '/role_assignments?effective&user.id=nobody')).body.role_assignments).toEqual([]);
});
