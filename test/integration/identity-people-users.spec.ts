import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BASE, DEMO, IdentityUnderTest, UNAUTHORIZED } from '../support/identity.js';
import { People } from '../support/identity-people.js';

const V3 = `${BASE}/identity/v3`;
const HEX = expect.stringMatching(/^[0-9a-f]{32}$/);
const names = (rows: { name: string }[]): string[] => rows.map(({ name }) => name);
const byId = (id: string, password: string) => ({ methods: ['password'], password: { user: { id, password } } });

let identity: IdentityUnderTest;
let admin: People;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  admin = await People.asAdmin(identity);
});
afterAll(async () => { await identity.stop(); });

const login = async (id: string, password: string): Promise<number> => (await identity.login(byId(id, password))).status;
const reasonsFor = async (userId: string): Promise<string[]> =>
  (await identity.database.admin.query<{ reason: string }>('SELECT reason FROM identity.revocations WHERE user_id = $1 ORDER BY id', [userId])).rows.map(({ reason }) => reason);

describe('users', () => {
  it('are made, read, changed and deleted, with what we do not know kept', async () => {
    const { id: projectId } = await admin.make('project', { name: 'home' });
    const made = await admin.make('user', {
      name: 'alice ', password: 'first-password', email: 'alice@example.com', description: 'A', default_project_id: projectId, options: { ignore_password_expiry: true }, phone: '123', federated: [],
    });
    expect(made).toEqual({
      id: HEX, name: 'alice', domain_id: 'default', enabled: true, email: 'alice@example.com', description: 'A', default_project_id: projectId, password_expires_at: null,
      options: { ignore_password_expiry: true }, phone: '123', links: { self: `${V3}/users/${made.id}` },
    });
    expect((await admin.call('GET', `/users/${made.id}`, 200)).body.user).toEqual(made);
    await admin.call('HEAD', `/users/${made.id}`, 200);
    expect(await login(made.id, 'first-password')).toBe(201);
    const changed = (await admin.call('PATCH', `/users/${made.id}`, 200, { user: { name: 'alicia', email: null, default_project_id: null, options: { ignore_password_expiry: null, lock_password: 'true' }, phone: null, domain_id: 'default' } })).body.user;
    expect(changed).toEqual({
      id: made.id, name: 'alicia', domain_id: 'default', enabled: true, description: 'A', password_expires_at: null, options: { lock_password: true }, phone: null, links: made.links,
    });
    expect(await reasonsFor(made.id)).toEqual([]);
    await admin.call('PATCH', `/users/${made.id}`, 200, { user: { enabled: false } });
    expect(await login(made.id, 'first-password')).toBe(401);
    await admin.call('PATCH', `/users/${made.id}`, 200, { user: { enabled: true, password: 'second-password' } });
    expect(await login(made.id, 'first-password')).toBe(401);
    expect(await login(made.id, 'second-password')).toBe(201);
    await admin.call('DELETE', `/users/${made.id}`, 204);
    expect(await reasonsFor(made.id)).toEqual(['the user was disabled', 'the password was set', 'the user was deleted']);
    expect(await admin.refused('GET', `/users/${made.id}`, 404)).toBe(`Could not find user: ${made.id}.`);
    expect(await login(made.id, 'second-password')).toBe(401);
    const { rows } = await identity.database.admin.query('SELECT action, detail FROM audit.records WHERE target_id = $1 ORDER BY id', [made.id]);
    expect(rows.map(({ action }) => action).filter((action: string) => action.startsWith('users:'))).toEqual(['users:create', 'users:update', 'users:update', 'users:update', 'users:delete']);
    expect(JSON.stringify(rows)).not.toMatch(/first-password|second-password|argon2/);
  });

  it('take application credentials with rules, and other credentials, along', async () => {
    const { id: domainId } = await admin.make('domain', { name: 'leaving' });
    const { id: projectId } = await admin.make('project', { name: 'theirs', domain_id: domainId });
    const [one, two] = [await admin.make('user', { name: 'one', domain_id: domainId }), await admin.make('user', { name: 'two', domain_id: domainId })];
    const db = identity.database.admin;
    for (const { id } of [one, two]) {
      await db.query("INSERT INTO identity.application_credentials (id, user_id, project_id, name, secret_hash) VALUES ($1, $1, $2, 'c', '')", [id, projectId]);
      await db.query("INSERT INTO identity.access_rules (id, user_id, service, method, path) VALUES ($1, $1, 'compute', 'GET', '/v2.1/servers')", [id]);
      await db.query('INSERT INTO identity.application_credential_access_rules VALUES ($1, $1)', [id]);
      await db.query("INSERT INTO identity.credentials (id, user_id, project_id, type, sealed_blob, key_hash) VALUES ($1, $1, $2, 'ec2', '', '')", [id, projectId]);
    }
    const left = async (): Promise<number[]> => (await db.query(`SELECT (SELECT count(*)::int FROM identity.application_credentials WHERE project_id = $1) AS a,
      (SELECT count(*)::int FROM identity.access_rules WHERE user_id = ANY($2)) AS r, (SELECT count(*)::int FROM identity.credentials WHERE project_id = $1) AS c`, [projectId, [one.id, two.id]])).rows.flatMap((row) => [row.a, row.r, row.c]);
    expect(await left()).toEqual([2, 2, 2]);
    await admin.call('DELETE', `/users/${one.id}`, 204);
    expect(await left()).toEqual([1, 1, 1]);
    await admin.call('PATCH', `/domains/${domainId}`, 200, { domain: { enabled: false } });
    await admin.call('DELETE', `/domains/${domainId}`, 204);
    expect(await left()).toEqual([0, 0, 0]);
  });

  it('are refused with the reason', async () => {
    await admin.make('user', { name: 'bob' });
    expect(await admin.refused('POST', '/users', 409, { user: { name: 'bob' } })).toBe('Conflict occurred attempting to store user - Duplicate entry found with name bob at domain ID default.');
    expect(await admin.refused('POST', '/users', 404, { user: { name: 'x', domain_id: 'nothing' } })).toBe('Could not find domain: nothing.');
    expect(await admin.refused('POST', '/users', 400, { user: { name: 'x', default_project_id: 'default' } })).toBe("User's default project ID cannot be a domain ID: default");
    const refused = [
      {}, { name: '' }, { name: ' ' }, { name: 'x'.repeat(256) }, { name: null }, { name: 'x', password: 5 }, { name: 'x', password: 'short' }, { name: 'x', email: {} }, { name: 'x', enabled: null },
      { name: 'x', options: { unknown: true } }, { name: 'x', options: { multi_factor_auth_rules: [[]] } }, { name: 'x', federated: [{ idp_id: 'x', protocols: [] }] }, { name: 'x', more: 'y'.repeat(20_000) },
      { name: 'x', ...Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i])) },
    ];
    for (const user of refused) await admin.call('POST', '/users', 400, { user });
    for (const body of [{}, [], { user: [] }, { user: { name: 'x' }, more: 1 }]) await admin.call('POST', '/users', 400, body);
    const { id } = await admin.make('user', { name: 'carol', domain_id: 'default' });
    expect(await admin.refused('PATCH', `/users/${id}`, 409, { user: { name: 'bob' } })).toContain('Duplicate entry found with name bob');
    expect(await admin.refused('PATCH', `/users/${id}`, 400, { user: { domain_id: 'other' } })).toBe('Cannot change Domain ID');
    expect(await admin.refused('PATCH', `/users/${id}`, 400, { user: { id: 'other' } })).toBe('Cannot change ID');
    await admin.call('PATCH', `/users/${id}`, 400, { user: {} });
    await admin.call('PATCH', '/users/nothing', 404, { user: { name: 'y' } });
    await admin.call('DELETE', '/users/nothing', 404);
    expect(identity.log.join('')).not.toContain('"short"');
  });

  it('are filtered, sorted and paged', async () => {
    for (const name of ['List-A', 'list-b', 'LIST-c']) await admin.make('user', { name, enabled: name !== 'list-b' });
    const list = async (query: string): Promise<string[]> => names((await admin.call('GET', `/users?${query}`, 200)).body.users);
    expect((await list('name__icontains=list-')).sort()).toEqual(['LIST-c', 'List-A', 'list-b']);
    expect(await list('name__icontains=list-&enabled=0')).toEqual(['list-b']);
    expect((await list('name__icontains=list-&enabled')).sort()).toEqual(['LIST-c', 'List-A']);
    expect(await list('name__icontains=list-&domain_id=nothing')).toEqual([]);
    expect(await list('name=List-A&idp_id=x')).toEqual([]);
    expect(await list('email=nobody&name=List-A')).toEqual(['List-A']);
    await identity.database.admin.query("UPDATE identity.users SET password_expires_at = '2030-01-01T00:00:00Z' WHERE name = 'list-b'");
    expect(await list('password_expires_at=lt:2031-01-01T00:00:00Z')).toEqual(['list-b']);
    expect(await list('password_expires_at=2030-01-01T00:00:00Z')).toEqual(['list-b']);
    expect(await list('password_expires_at=gt:2031-01-01T00:00:00Z')).toEqual([]);
    expect(await admin.refused('GET', '/users?password_expires_at=xx:2031-01-01T00:00:00Z', 400)).toContain('The given operator xx is not valid.');
    await admin.call('GET', '/users?password_expires_at=lt:soon', 400);
    const { body } = await admin.call('GET', '/users?name__icontains=list-&limit=2&sort_key=name&sort_dir=desc', 200);
    const next = String(body.links.next).replace(V3, '');
    expect([...names(body.users), ...names((await admin.call('GET', next, 200)).body.users)]).toEqual(await list('name__icontains=list-&sort_key=name&sort_dir=desc'));
  });
});

describe('a user who changes the own password', () => {
  const change = (id: string, original: string, password: string) => identity.call('POST', `/v3/users/${id}/password`, { body: { user: { original_password: original, password } } });

  it('needs the old one and no token, and ends every token', async () => {
    const { id } = await admin.make('user', { name: 'dora', password: 'dora-password-1' });
    const answer = await change(id, 'dora-password-1', 'dora-password-2');
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect([await login(id, 'dora-password-1'), await login(id, 'dora-password-2')]).toEqual([401, 201]);
    expect(await reasonsFor(id)).toEqual(['the user changed the password']);
    const { rows } = await identity.database.admin.query("SELECT user_id, user_name, request_id FROM audit.records WHERE target_id = $1 AND action = 'users:change-password'", [id]);
    expect(rows).toEqual([{ user_id: id, user_name: 'dora', request_id: expect.stringMatching(/^req-/) }]);
  });

  it('may do so with a password that has expired', async () => {
    const { id } = await admin.make('user', { name: 'erik', password: 'erik-password-1' });
    await identity.database.admin.query("UPDATE identity.users SET password_expires_at = now() - interval '1 day' WHERE id = $1", [id]);
    expect(await login(id, 'erik-password-1')).toBe(401);
    expect((await change(id, 'erik-password-1', 'erik-password-2')).status).toBe(204);
    expect(await login(id, 'erik-password-2')).toBe(201);
  });

  it('learns nothing from a refusal', async () => {
    const { id } = await admin.make('user', { name: 'fay', password: 'fay-password-1' });
    const { id: disabled } = await admin.make('user', { name: 'gone', password: 'gone-password-1', enabled: false });
    const { id: without } = await admin.make('user', { name: 'without' });
    for (const [who, original] of [[id, 'wrong'], [disabled, 'gone-password-1'], [without, ''], ['0'.repeat(32), 'x']] as const) {
      expect((await change(who, original, 'another-password')).body).toEqual(UNAUTHORIZED);
    }
    for (const user of [{}, { password: 'another-password' }, { original_password: 'x', password: null }, { original_password: 'x', password: 'y', more: 1 }]) {
      expect((await identity.call('POST', `/v3/users/${id}/password`, { body: { user } })).status).toBe(400);
    }
    const short = await change(id, 'fay-password-1', 'short');
    expect(short.status).toBe(400);
    expect(short.text).not.toContain('"short"');
    expect(await login(id, 'fay-password-1')).toBe(201);
    const { rows } = await identity.database.admin.query("SELECT count(*)::int AS n FROM audit.records WHERE outcome <> 'success' AND user_id = $1", [id]);
    expect(rows[0].n).toBeGreaterThanOrEqual(1);
  });

  it('is one of two who try at once', async () => {
    const { id } = await admin.make('user', { name: 'hal', password: 'hal-password-1' });
    const answers = await Promise.all([change(id, 'hal-password-1', 'hal-password-2'), change(id, 'hal-password-1', 'hal-password-3')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401]);
  });

  it('is told when the password is locked', async () => {
    const { id } = await admin.make('user', { name: 'ida', password: 'ida-password-1', options: { lock_password: true } });
    const answer = await change(id, 'ida-password-1', 'ida-password-2');
    expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining('Please contact your administrator')]);
  });
});

describe('groups', () => {
  it('are made, read, changed and deleted, with what we do not know kept', async () => {
    const made = await admin.make('group', { name: 'ops', description: 'Operators', pager: 1 });
    expect(made).toEqual({ id: HEX, name: 'ops', domain_id: 'default', description: 'Operators', pager: 1, links: { self: `${V3}/groups/${made.id}` } });
    expect((await admin.call('GET', `/groups/${made.id}`, 200)).body.group).toEqual(made);
    const changed = (await admin.call('PATCH', `/groups/${made.id}`, 200, { group: { name: 'ops2', description: null } })).body.group;
    expect(changed).toEqual({ ...made, name: 'ops2', description: '' });
    expect((await admin.call('GET', '/groups?name__contains=ps2', 200)).body.groups).toEqual([changed]);
    expect(await admin.refused('POST', '/groups', 409, { group: { name: 'ops2' } })).toBe('Conflict occurred attempting to store group - Duplicate entry found with name ops2 at domain ID default.');
    expect(await admin.refused('POST', '/groups', 404, { group: { name: 'x', domain_id: 'nothing' } })).toBe('Could not find domain: nothing.');
    for (const group of [{}, { name: ' ' }, { name: 'x'.repeat(256) }, { name: 'x', description: 1 }]) await admin.call('POST', '/groups', 400, { group });
    expect(await admin.refused('PATCH', `/groups/${made.id}`, 400, { group: { domain_id: 'other' } })).toBe('Cannot change Domain ID');
    await admin.call('DELETE', `/groups/${made.id}`, 204);
    expect(await admin.refused('DELETE', `/groups/${made.id}`, 404)).toBe(`Could not find group: ${made.id}.`);
  });

  it('have members, who lose their tokens with their membership', async () => {
    const group = await admin.make('group', { name: 'team' });
    const [first, second] = [await admin.make('user', { name: 'm1' }), await admin.make('user', { name: 'm2' })];
    const at = `/groups/${group.id}/users`;
    expect(await admin.refused('GET', `${at}/${first.id}`, 404)).toBe(`User '${first.id}' not found in group '${group.id}'`);
    for (const user of [first, second, first]) expect((await admin.call('PUT', `${at}/${user.id}`, 204)).text).toBe('');
    await admin.call('GET', `${at}/${first.id}`, 204);
    await admin.call('HEAD', `${at}/${first.id}`, 204);
    expect(names((await admin.call('GET', `${at}?sort_key=name`, 200)).body.users)).toEqual(['m1', 'm2']);
    expect(names((await admin.call('GET', `${at}?name=m2`, 200)).body.users)).toEqual(['m2']);
    const own = (await admin.call('GET', `/users/${first.id}/groups`, 200)).body;
    expect(own.groups).toEqual([{ ...group, membership_expires_at: null }]);
    expect(own.links.self).toBe(`${V3}/users/${first.id}/groups`);
    await admin.call('DELETE', `${at}/${first.id}`, 204);
    await admin.call('DELETE', `${at}/${first.id}`, 404);
    expect(await reasonsFor(first.id)).toEqual(['the user left a group']);
    await admin.call('PUT', `${at}/nobody`, 404);
    await admin.call('PUT', `/groups/nothing/users/${first.id}`, 404);
    await admin.call('GET', '/groups/nothing/users', 404);
    const { id: projectId } = await admin.make('project', { name: 'for-team' });
    await admin.give({ groupId: group.id }, 'member', { projectId });
    expect(names((await admin.call('GET', `/users/${second.id}/projects`, 200)).body.projects)).toEqual(['for-team']);
    await admin.call('PUT', `${at}/${first.id}`, 204);
    const credentials = async (): Promise<number> => (await identity.database.admin.query('SELECT count(*)::int AS n FROM identity.application_credentials WHERE user_id = ANY($1)', [[first.id, second.id]])).rows[0].n;
    for (const { id } of [first, second]) await identity.database.admin.query("INSERT INTO identity.application_credentials (id, user_id, project_id, name, secret_hash) VALUES ($1, $1, $2, 'c', '')", [id, projectId]);
    await admin.call('DELETE', `${at}/${first.id}`, 204);
    expect(await credentials()).toBe(1);
    await admin.call('DELETE', `/groups/${group.id}`, 204);
    expect(await reasonsFor(second.id)).toEqual(['a group of the user was deleted']);
    expect(await credentials()).toBe(0);
    expect((await admin.call('GET', `/users/${second.id}/projects`, 200)).body.projects).toEqual([]);
  });
});

describe('what anybody may see', () => {
  it('is oneself, the own groups and the own project', async () => {
    const demo = new People(identity, await identity.demoToken());
    const { user, project } = (await identity.login({ methods: ['password'], password: { user: { name: 'demo', domain: { id: 'default' }, password: DEMO } } }, { project: { name: 'demo', domain: { id: 'default' } } })).body.token;
    expect((await demo.call('GET', `/users/${user.id}/groups`, 200)).body.groups).toEqual([]);
    await demo.call('GET', `/users/${user.id}`, 200);
    await demo.call('GET', `/projects/${project.id}/tags`, 200);
    await demo.call('GET', '/domains/default', 200);
    const other = await admin.make('user', { name: 'other' });
    const elsewhere = await admin.make('project', { name: 'not-demo' });
    const refused: [Parameters<People['call']>[0], string, unknown?][] = [
      ['GET', `/users/${other.id}`], ['GET', `/users/${other.id}/groups`], ['GET', `/users/${other.id}/projects`], ['GET', '/users'], ['GET', '/groups'], ['GET', '/groups/x'], ['GET', '/groups/x/users'],
      ['GET', `/projects/${elsewhere.id}`], ['GET', `/projects/${elsewhere.id}/tags`], ['GET', '/projects/nothing'], ['GET', '/users/nothing'], ['GET', '/domains/other'],
      ['POST', '/users', { user: { name: 'y' } }], ['PATCH', `/users/${user.id}`, { user: { enabled: true } }], ['DELETE', `/users/${user.id}`],
      ['POST', '/projects', { project: { name: 'y' } }], ['PATCH', `/projects/${project.id}`, { project: { name: 'y' } }], ['DELETE', `/projects/${project.id}`],
      ['PUT', `/projects/${project.id}/tags/a`], ['DELETE', `/projects/${project.id}/tags`], ['POST', '/domains', { domain: { name: 'y' } }], ['DELETE', '/domains/default'],
      ['POST', '/groups', { group: { name: 'y' } }], ['DELETE', '/groups/x'], ['PUT', `/groups/x/users/${user.id}`], ['DELETE', `/groups/x/users/${user.id}`],
    ];
    for (const [method, path, body] of refused) expect(await demo.refused(method, path, 403, body)).toMatch(/^You are not authorized to perform the requested action: identity:/);
  });
});
