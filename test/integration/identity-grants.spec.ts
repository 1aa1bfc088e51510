import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADMIN, byName, IdentityUnderTest, tokenOf, type Answer } from '../support/identity.js';

const PASSWORD = 'long-enough-1';
let identity: IdentityUnderTest;
let admin: string;
let roles: Record<string, string>;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  admin = await identity.adminToken();
  roles = Object.fromEntries((await identity.call('GET', '/v3/roles', { token: admin })).body.roles.map((role: { name: string; id: string }) => [role.name, role.id]));
});
afterAll(async () => { await identity.stop(); });

type Method = Parameters<IdentityUnderTest['call']>[0];
const as = (token: string) => (method: Method, path: string, body?: unknown): Promise<Answer> => identity.call(method, `/v3${path}`, { token, ...(body !== undefined && { body }) });
const call = (method: Method, path: string, body?: unknown): Promise<Answer> => as(admin)(method, path, body);
const status = async (answer: Promise<Answer>): Promise<number> => (await answer).status;

let made = 0;
async function make(kind: 'domain' | 'project' | 'user' | 'group' | 'role', attributes: object = {}): Promise<string> {
  made += 1;
  const answer = await call('POST', `/${kind}s`, { [kind]: { name: `${kind}-${made}`, ...(kind === 'user' && { password: PASSWORD }), ...attributes } });
  expect([kind, answer.status, answer.body.error]).toEqual([kind, 201, undefined]);
  return answer.body[kind].id;
}
const login = (userId: string, scope: unknown): Promise<Answer> => identity.login({ methods: ['password'], password: { user: { id: userId, password: PASSWORD } } }, scope);
const rolesOf = (answer: Answer): string[] => (answer.body.token?.roles ?? []).map((role: { name: string }) => role.name).sort();
const audited = async (action: string): Promise<{ target_id: string; user_name: string; detail: Record<string, unknown> }[]> =>
  (await identity.database.admin.query('SELECT target_id, user_name, detail FROM audit.records WHERE action = $1 ORDER BY id', [action])).rows;

describe('roles', () => {
  it('are made, read, changed and deleted, and that is written down', async () => {
    const { status: created, body: { role } } = await call('POST', '/roles', { role: { name: ' operator ', description: 'runs things', color: 'red' } });
    expect(created).toBe(201);
    expect(role).toEqual({ id: expect.stringMatching(/^[0-9a-f]{32}$/), name: 'operator', domain_id: null, description: 'runs things', options: {}, color: 'red', links: { self: `http://cloud.test:8780/identity/v3/roles/${role.id}` } });
    expect((await call('GET', '/roles?name=operator')).body.roles).toEqual([role]);
    expect((await call('GET', '/roles?name__contains=perat')).body.roles).toEqual([role]);
    expect(await status(call('HEAD', `/roles/${role.id}`))).toBe(200);
    const changed = await call('PATCH', `/roles/${role.id}`, { role: { name: 'keeper', description: null } });
    expect([changed.status, changed.body.role.name, changed.body.role.description, changed.body.role.color]).toEqual([200, 'keeper', null, 'red']);
    expect(await status(call('POST', '/roles', { role: { name: 'keeper' } }))).toBe(409);
    expect(await status(call('DELETE', `/roles/${role.id}`))).toBe(204);
    expect((await call('GET', `/roles/${role.id}`)).body.error).toEqual({ code: 404, message: `Could not find role: ${role.id}.`, title: 'Not Found' });
    for (const action of ['roles:create', 'roles:update', 'roles:delete']) expect((await audited(action)).at(-1)).toMatchObject({ target_id: role.id, user_name: 'admin' });
  });

  it.each<[string, unknown]>([
    ['no name', { role: {} }], ['an empty name', { role: { name: '' } }], ['blanks', { role: { name: '  ' } }], ['a number', { role: { name: 3 } }], ['a name too long', { role: { name: 'x'.repeat(256) } }],
    ['an option that nobody knows', { role: { name: 'x', options: { sticky: true } } }], ['something beside the role', { role: { name: 'x' }, more: 1 }], ['nothing', {}], ['extras without end', { role: { name: 'x', extra: 'x'.repeat(20_000) } }],
  ])('refuse %s', async (_, body) => {
    const answer = await call('POST', '/roles', body);
    expect([answer.status, answer.body.error.title]).toEqual([400, 'Bad Request']);
  });

  it('that are protected stay as they are until the protection ends', async () => {
    const id = await make('role', { options: { immutable: true } });
    expect(await status(call('DELETE', `/roles/${id}`))).toBe(403);
    expect(await status(call('PATCH', `/roles/${id}`, { role: { description: 'x' } }))).toBe(403);
    expect(await status(call('PATCH', `/roles/${id}`, { role: { options: { immutable: false } } }))).toBe(200);
    expect(await status(call('DELETE', `/roles/${id}`))).toBe(204);
    expect(await status(call('DELETE', `/roles/${roles['admin']}`))).toBe(403);
  });

  it('of a domain are its own', async () => {
    const domain = await make('domain');
    const id = await make('role', { name: 'member', domain_id: domain });
    expect((await call('GET', `/roles?domain_id=${domain}`)).body.roles.map((role: { id: string }) => role.id)).toEqual([id]);
    expect((await call('GET', '/roles?name=member')).body.roles.map((role: { id: string }) => role.id)).toEqual([roles['member']]);
    expect(await status(call('PATCH', `/roles/${id}`, { role: { domain_id: null } }))).toBe(400);
    expect(await status(call('POST', '/roles', { role: { name: 'x', domain_id: 'nowhere' } }))).toBe(404);
    const [project, user] = [await make('project'), await make('user')];
    expect(await status(call('PUT', `/projects/${project}/users/${user}/roles/${id}`))).toBe(403);
    expect(await status(call('PUT', `/system/users/${user}/roles/${id}`))).toBe(400);
    expect(await status(call('PUT', `/domains/${domain}/users/${user}/roles/${id}`))).toBe(204);
    expect(await status(login(user, { domain: { id: domain } }))).toBe(401);
    expect(await status(call('PUT', `/roles/${id}/implies/${roles['reader']}`))).toBe(201);
    expect(rolesOf(await login(user, { domain: { id: domain } }))).toEqual(['reader']);
  });
});

describe('implied roles', () => {
  it('are seeded as a ladder', async () => {
    const { role_inferences: rules } = (await call('GET', '/role_inferences')).body;
    const ladder = rules.filter((rule: { prior_role: { id: string } }) => Object.values(roles).includes(rule.prior_role.id));
    expect(ladder.map((rule: { prior_role: { name: string }; implies: { name: string }[] }) => [rule.prior_role.name, rule.implies.map(({ name }) => name)])).toEqual([['admin', ['manager']], ['manager', ['member']], ['member', ['reader']]]);
  });

  it('are made, seen and ended', async () => {
    const prior = await make('role');
    const path = `/roles/${prior}/implies/${roles['member']}`;
    const created = await call('PUT', path);
    expect([created.status, created.body.role_inference.implies]).toEqual([201, { id: roles['member'], name: 'member', links: { self: `http://cloud.test:8780/identity/v3/roles/${roles['member']}` } }]);
    expect((await call('GET', path)).body).toEqual(created.body);
    expect(await status(call('HEAD', path))).toBe(204);
    expect(await status(call('PUT', path))).toBe(409);
    expect((await call('GET', `/roles/${prior}/implies`)).body.role_inference.implies).toEqual([created.body.role_inference.implies]);
    const [project, user] = [await make('project'), await make('user')];
    await call('PUT', `/projects/${project}/users/${user}/roles/${prior}`);
    expect(rolesOf(await login(user, { project: { id: project } }))).toEqual(['member', 'reader', expect.stringMatching(/^role-/)]);
    expect(await status(call('DELETE', path))).toBe(204);
    expect([await status(call('DELETE', path)), await status(call('GET', path)), await status(call('HEAD', path))]).toEqual([404, 404, 404]);
    expect((await audited('implied-roles:delete')).at(-1)?.target_id).toBe(prior);
  });

  it('never lead to admin, nor from the cloud into a domain', async () => {
    const [prior, own] = [await make('role'), await make('role', { domain_id: 'default' })];
    expect(await status(call('PUT', `/roles/${prior}/implies/${roles['admin']}`))).toBe(403);
    expect(await status(call('PUT', `/roles/${prior}/implies/${own}`))).toBe(403);
    expect(await status(call('PUT', `/roles/${prior}/implies/${prior}`))).toBe(403);
    expect(await status(call('PUT', `/roles/${prior}/implies/nothing`))).toBe(404);
  });
});

describe('grants', () => {
  it('are given, checked, listed and taken, on projects, domains and the system, to users and groups', async () => {
    const [domain, project, user, group, role] = [await make('domain'), await make('project'), await make('user'), await make('group'), await make('role')];
    const places = [`/projects/${project}`, `/domains/${domain}`].flatMap((target) => [`/users/${user}`, `/groups/${group}`].flatMap((actor) => [
      { list: `${target}${actor}/roles`, one: `${target}${actor}/roles/${role}` },
      { list: `/OS-INHERIT${target}${actor}/roles/inherited_to_projects`, one: `/OS-INHERIT${target}${actor}/roles/${role}/inherited_to_projects` },
    ]));
    places.push({ list: `/system/users/${user}/roles`, one: `/system/users/${user}/roles/${role}` }, { list: `/system/groups/${group}/roles`, one: `/system/groups/${group}/roles/${role}` });
    for (const { list, one } of places) {
      expect([one, await status(call('HEAD', one)), await status(call('DELETE', one))]).toEqual([one, 404, 404]);
      expect([one, await status(call('PUT', one)), await status(call('PUT', one))]).toEqual([one, 204, 204]);
      expect([one, await status(call('HEAD', one)), await status(call('GET', one))]).toEqual([one, 204, 204]);
      const listed = await call('GET', list);
      expect(listed.body.roles.map((it: { id: string }) => it.id)).toEqual([role]);
      expect(listed.body.links.self).toBe(`http://cloud.test:8780/identity/v3${list}`);
    }
    expect((await call('GET', `/role_assignments?role.id=${role}`)).body.role_assignments).toHaveLength(10);
    for (const { one } of places) expect([one, await status(call('DELETE', one))]).toEqual([one, 204]);
    expect((await call('GET', `/role_assignments?role.id=${role}`)).body.role_assignments).toEqual([]);
    // Eight givings on projects and domains are one record each: giving again what is given changes nothing.
    expect((await audited('grants:create')).filter((it) => it.target_id === role)).toHaveLength(8);
    expect((await audited('grants:revoke')).filter((it) => it.target_id === role)).toHaveLength(8);
    expect((await audited('system-grants:create')).filter((it) => it.target_id === role)).toHaveLength(2);
  });

  it('say which party there is not', async () => {
    const [project, user] = [await make('project'), await make('user')];
    for (const [path, noun] of [[`/projects/none/users/${user}/roles/${roles['member']}`, 'project: none'], [`/projects/${project}/users/none/roles/${roles['member']}`, 'user: none'],
      [`/projects/${project}/groups/none/roles/${roles['member']}`, 'group: none'], [`/domains/none/users/${user}/roles/${roles['member']}`, 'domain: none'], [`/projects/${project}/users/${user}/roles/none`, 'role: none']]) {
      for (const method of ['PUT', 'HEAD', 'DELETE'] as const) expect([path, method, await status(call(method, path as string))]).toEqual([path, method, 404]);
      expect((await call('PUT', path as string)).body.error.message).toBe(`Could not find ${String(noun)}.`);
    }
  });

  it('work out in tokens: of groups, inherited from projects and domains, on the system', async () => {
    const [domain, user, group] = [await make('domain'), await make('user'), await make('group')];
    const top = await make('project', { domain_id: domain });
    const child = await make('project', { domain_id: domain, parent_id: top });
    const leaf = await make('project', { domain_id: domain, parent_id: child });
    await call('PUT', `/groups/${group}/users/${user}`);
    await call('PUT', `/OS-INHERIT/projects/${top}/groups/${group}/roles/${roles['member']}/inherited_to_projects`);
    await call('PUT', `/OS-INHERIT/domains/${domain}/users/${user}/roles/${roles['reader']}/inherited_to_projects`);
    await call('PUT', `/domains/${domain}/users/${user}/roles/${roles['manager']}`);
    await call('PUT', `/system/users/${user}/roles/${roles['reader']}`);
    expect(rolesOf(await login(user, { project: { id: top } }))).toEqual(['reader']);
    expect(rolesOf(await login(user, { project: { id: leaf } }))).toEqual(['member', 'reader']);
    expect(rolesOf(await login(user, { domain: { id: domain } }))).toEqual(['manager', 'member', 'reader']);
    expect(rolesOf(await login(user, { system: { all: true } }))).toEqual(['reader']);
    expect((await call('GET', `/users/${user}/projects`)).body.projects.map((it: { id: string }) => it.id).sort()).toEqual([top, child, leaf].sort());

    const effective = (await call('GET', `/role_assignments?user.id=${user}&effective=True&include_names=True&scope.project.id=${leaf}`)).body.role_assignments;
    const viaGroup = effective.find((it: { links: { membership?: string }; role: { name: string } }) => it.links.membership !== undefined && it.role.name === 'member');
    expect(viaGroup).toMatchObject({
      scope: { project: { id: leaf, domain: { id: domain } }, 'OS-INHERIT:inherited_to': 'projects' }, user: { id: user },
      links: {
        assignment: `http://cloud.test:8780/identity/v3/OS-INHERIT/projects/${top}/groups/${group}/roles/${roles['member']}/inherited_to_projects`,
        membership: `http://cloud.test:8780/identity/v3/groups/${group}/users/${user}`,
      },
    });
    expect(effective.find((it: { links: { prior_role?: string } }) => it.links.prior_role !== undefined)?.links.prior_role).toBe(`http://cloud.test:8780/identity/v3/prior_role/${roles['member']}/implies/${roles['reader']}`);
    const tree = (await call('GET', `/role_assignments?effective&include_subtree&user.id=${user}&scope.project.id=${top}`)).body.role_assignments;
    expect([...new Set(tree.map((it: { scope: { project: { id: string } } }) => it.scope.project.id))].sort()).toEqual([top, child, leaf].sort());
    expect((await call('GET', `/role_assignments?scope.OS-INHERIT:inherited_to=projects&group.id=${group}`)).body.role_assignments).toHaveLength(1);
    expect((await call('GET', `/role_assignments?scope.system=all&user.id=${user}`)).body.role_assignments.map((it: { scope: unknown }) => it.scope)).toEqual([{ system: { all: true } }]);
  });

  it.each(['scope.domain.id=a&scope.project.id=b', 'scope.system=all&scope.domain.id=a', 'scope.system=all&scope.project.id=a', 'user.id=a&group.id=b', 'effective&group.id=a',
    'effective&scope.domain.id=a&scope.OS-INHERIT:inherited_to=projects', 'include_subtree=1'])('refuse to list %s', async (query) => {
    expect(await status(call('GET', `/role_assignments?${query}`))).toBe(400);
  });

  it('end the tokens that rest on them, and no others', async () => {
    const [project, other, user] = [await make('project'), await make('project'), await make('user')];
    const grant = (id: string): string => `/projects/${id}/users/${user}/roles/${roles['member']}`;
    await call('PUT', grant(project));
    await call('PUT', grant(other));
    await call('DELETE', grant(project));
    const { rows } = await identity.database.admin.query('SELECT user_id, project_id, role_id FROM identity.revocations ORDER BY id DESC LIMIT 1');
    expect(rows).toEqual([{ user_id: user, project_id: project, role_id: null }]);
    expect([await status(login(user, { project: { id: project } })), await status(login(user, { project: { id: other } }))]).toEqual([401, 201]);
  });

  it('keep somebody who can undo everything', async () => {
    const { rows } = await identity.database.admin.query("SELECT user_id, project_id, system FROM identity.role_assignments WHERE role_id = $1", [roles['admin']]);
    const paths = rows.map((row: { user_id: string; project_id: string | null }) => `${row.project_id === null ? '/system' : `/projects/${row.project_id}`}/users/${row.user_id}/roles/${roles['admin']}`);
    expect(paths).toHaveLength(3);
    // Not the one by whose project this token is.
    const own = (await identity.call('GET', '/v3/auth/tokens', { token: admin, subject: admin })).body.token.project.id;
    const [last, ...others] = paths.toSorted((a) => (a.includes(own) ? -1 : 1));
    // What ends their tokens ends this one as well: a token does not say where its roles came from.
    for (const path of others) {
      expect(await status(call('DELETE', path))).toBe(204);
      admin = await identity.adminToken();
    }
    const refused = await call('DELETE', last as string);
    expect([refused.status, refused.body.error.message]).toEqual([403, expect.stringContaining('no enabled user with the admin role')]);
    for (const path of others) expect(await status(call('PUT', path))).toBe(204);
  });
});

describe('a domain\'s manager', () => {
  it('gives and takes what is theirs to give, in their domain alone', async () => {
    const [domain, elsewhere] = [await make('domain'), await make('domain')];
    const [boss, user, stranger] = [await make('user', { domain_id: domain }), await make('user', { domain_id: domain }), await make('user', { domain_id: elsewhere })];
    const [project, foreign] = [await make('project', { domain_id: domain }), await make('project', { domain_id: elsewhere })];
    await call('PUT', `/domains/${domain}/users/${boss}/roles/${roles['manager']}`);
    const manager = as(tokenOf(await login(boss, { domain: { id: domain } })));
    expect(await status(manager('PUT', `/projects/${project}/users/${user}/roles/${roles['member']}`))).toBe(204);
    expect(await status(manager('HEAD', `/projects/${project}/users/${user}/roles/${roles['member']}`))).toBe(204);
    expect(await status(manager('DELETE', `/projects/${project}/users/${user}/roles/${roles['member']}`))).toBe(204);
    expect(await status(manager('PUT', `/domains/${domain}/users/${user}/roles/${roles['reader']}`))).toBe(204);
    const powerful = await make('role', { name: 'powerful' });
    for (const path of [
      `/projects/${project}/users/${user}/roles/${roles['admin']}`, `/projects/${project}/users/${user}/roles/${roles['service']}`, `/projects/${project}/users/${user}/roles/${powerful}`,
      `/projects/${project}/users/${stranger}/roles/${roles['member']}`, `/projects/${foreign}/users/${user}/roles/${roles['member']}`, `/domains/${elsewhere}/users/${user}/roles/${roles['member']}`,
      `/system/users/${user}/roles/${roles['reader']}`, `/projects/none/users/${user}/roles/${roles['member']}`, `/projects/${project}/users/none/roles/${roles['member']}`,
    ]) expect([path, await status(manager('PUT', path))]).toEqual([path, 403]);
    const seen = (await manager('GET', '/role_assignments')).body.role_assignments;
    expect(seen.map((it: { scope: { domain?: { id: string } } }) => it.scope.domain?.id)).toEqual([domain, domain]);
    expect(await status(manager('GET', '/roles'))).toBe(200);
    expect(await status(manager('POST', '/roles', { role: { name: 'mine' } }))).toBe(403);
    expect(await status(manager('PUT', `/roles/${powerful}/implies/${roles['reader']}`))).toBe(403);
  });
});

it('lets nobody else near roles', async () => {
  const demo = as(await identity.demoToken());
  for (const [method, path] of [['GET', '/roles'], ['POST', '/roles'], ['GET', '/role_inferences'], ['GET', '/role_assignments'], ['PUT', `/roles/${roles['member']}/implies/${roles['reader']}`]] as const) {
    expect([path, await status(demo(method, path, method === 'POST' ? { role: { name: 'x' } } : undefined))]).toEqual([path, 403]);
  }
  expect(await status(identity.login(byName('admin', ADMIN), { system: { all: true } }))).toBe(201);
});
