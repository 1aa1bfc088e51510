import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADMIN, byName, DEMO, IdentityUnderTest, project, tokenOf, UNAUTHORIZED } from '../support/identity.js';

let identity: IdentityUnderTest;
beforeAll(async () => { identity = await IdentityUnderTest.start(); });
afterAll(async () => { await identity.stop(); });

describe('reads', () => {
  it('lists projects with filters, links and pages', async () => {
    const token = await identity.adminToken();
    const all = await identity.call('GET', '/v3/projects', { token });
    expect(all.body.links).toEqual({ next: null, self: 'http://cloud.test:8780/identity/v3/projects', previous: null });
    expect(all.body.projects.map((it: { name: string }) => it.name).sort()).toEqual(['admin', 'demo']);
    const one = await identity.call('GET', '/v3/projects?name=demo', { token });
    const [demo] = one.body.projects;
    expect(demo).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/), name: 'demo', domain_id: 'default', description: expect.any(String), enabled: true, parent_id: 'default',
      is_domain: false, tags: [], options: {}, links: { self: `http://cloud.test:8780/identity/v3/projects/${demo.id}` },
    });
    expect((await identity.call('GET', `/v3/projects/${demo.id}`, { token })).body).toEqual({ project: demo });
    expect((await identity.call('GET', '/v3/projects?enabled=False', { token })).body.projects).toEqual([]);
    expect((await identity.call('GET', '/v3/projects?domain_id=other', { token })).body.projects).toEqual([]);
    const first = await identity.call('GET', '/v3/projects?limit=1', { token });
    expect(first.body.projects).toHaveLength(1);
    const second = await identity.call('GET', new URL(first.body.links.next).pathname.replace('/identity', '') + new URL(first.body.links.next).search, { token });
    expect(second.body.projects).toHaveLength(1);
    expect(second.body.projects[0].id).not.toBe(first.body.projects[0].id);
    expect(second.body.links.next).toBeNull();
  });

  it('says which thing it could not find', async () => {
    const token = await identity.adminToken();
    for (const [path, noun] of [['projects', 'project'], ['users', 'user'], ['roles', 'role'], ['domains', 'domain'], ['services', 'service'], ['endpoints', 'endpoint'], ['regions', 'region']] as const) {
      const answer = await identity.call('GET', `/v3/${path}/nothing`, { token });
      expect([answer.status, answer.body.error.message]).toEqual([404, `Could not find ${noun}: nothing.`]);
    }
  });

  it('survives names and ids that nothing can have', async () => {
    const token = await identity.adminToken();
    for (const path of ['/v3/projects/%00', '/v3/users/a%00b', '/v3/roles/%00', '/v3/domains/%00', '/v3/users/%00/projects', '/v3/services/%00']) {
      expect([path, (await identity.call('GET', path, { token })).status]).toEqual([path, 400]);
    }
    for (const path of ['/v3/projects?name=%00', '/v3/users?marker=%00', '/v3/role_assignments?user.id=%00', '/v3/role_assignments?marker=%00', '/v3/projects?name=a&name=b', `/v3/roles?name=${'x'.repeat(300)}`]) {
      expect([path, (await identity.call('GET', path, { token })).status]).toEqual([path, 400]);
    }
  });

  it('lists users without anything of their passwords', async () => {
    const token = await identity.adminToken();
    const { body, text } = await identity.call('GET', '/v3/users', { token });
    expect(text).not.toContain('argon2');
    const admin = body.users.find((it: { name: string }) => it.name === 'admin');
    expect(admin).toEqual({ id: expect.any(String), name: 'admin', domain_id: 'default', enabled: true, password_expires_at: null, options: {}, links: { self: `http://cloud.test:8780/identity/v3/users/${admin.id}` } });
    expect((await identity.call('GET', `/v3/users/${admin.id}`, { token })).body).toEqual({ user: admin });
    expect((await identity.call('GET', '/v3/users?name=demo', { token })).body.users).toHaveLength(1);
  });

  it('lists roles, domains, services, endpoints and regions', async () => {
    const token = await identity.adminToken();
    const roles = (await identity.call('GET', '/v3/roles', { token })).body.roles;
    expect(roles.map((it: { name: string }) => it.name).sort()).toEqual(['admin', 'manager', 'member', 'reader', 'service']);
    expect(Object.keys(roles[0])).toEqual(['id', 'name', 'domain_id', 'description', 'options', 'links']);
    expect((await identity.call('GET', `/v3/roles/${roles[0].id}`, { token })).body.role).toEqual(roles[0]);
    expect((await identity.call('GET', '/v3/domains', { token })).body.domains.map((it: { id: string; name: string }) => [it.id, it.name])).toEqual([['default', 'Default']]);
    const services = (await identity.call('GET', '/v3/services', { token })).body.services;
    expect(services.map((it: { type: string }) => it.type).sort()).toEqual(['compute', 'identity', 'image', 'placement']);
    const compute = services.find((it: { type: string }) => it.type === 'compute');
    const endpoints = (await identity.call('GET', `/v3/endpoints?service_id=${compute.id}&interface=public`, { token })).body.endpoints;
    expect(endpoints.map((it: { url: string }) => it.url)).toEqual(['http://cloud.test:8780/compute/v2.1']);
    expect((await identity.call('GET', `/v3/endpoints/${endpoints[0].id}`, { token })).body.endpoint).toEqual(endpoints[0]);
    expect((await identity.call('GET', '/v3/regions', { token })).body.regions).toEqual([{ id: 'RegionOne', description: '', parent_region_id: null, links: { self: 'http://cloud.test:8780/identity/v3/regions/RegionOne' } }]);
  });

  it('lists role assignments, with names and without, by user, role and project', async () => {
    const token = await identity.adminToken();
    const named = (await identity.call('GET', '/v3/role_assignments?include_names=True', { token })).body.role_assignments;
    expect(named).toHaveLength(9);
    const demo = named.filter((it: { user: { name: string } }) => it.user.name === 'demo');
    expect(demo.map((it: { role: { name: string } }) => it.role.name).sort()).toEqual(['member', 'reader']);
    expect(demo[0].scope.project).toEqual({ id: expect.any(String), name: 'demo', domain: { id: 'default', name: 'Default' } });
    expect(demo[0].links.assignment).toBe(`http://cloud.test:8780/identity/v3/projects/${demo[0].scope.project.id}/users/${demo[0].user.id}/roles/${demo[0].role.id}`);
    const bare = (await identity.call('GET', `/v3/role_assignments?user.id=${demo[0].user.id}&role.id=${demo[0].role.id}&scope.project.id=${demo[0].scope.project.id}`, { token })).body.role_assignments;
    expect(bare).toEqual([{ links: demo[0].links, scope: { project: { id: demo[0].scope.project.id } }, user: { id: demo[0].user.id }, role: { id: demo[0].role.id } }]);
    expect((await identity.call('GET', '/v3/role_assignments?group.id=x', { token })).body.role_assignments).toEqual([]);
    const seen: string[] = [];
    let path = '/v3/role_assignments?limit=3';
    for (;;) {
      const { body } = await identity.call('GET', path, { token });
      seen.push(...body.role_assignments.map((it: { links: { assignment: string } }) => it.links.assignment));
      if (body.links.next === null) break;
      path = body.links.next.replace('http://cloud.test:8780/identity', '');
    }
    expect(new Set(seen).size).toBe(9);
    expect(seen).toHaveLength(9);
  });

  it('shows a tenant what is theirs and refuses the rest', async () => {
    const issued = await identity.login(byName('demo', DEMO), project('demo'));
    const token = tokenOf(issued);
    const { user, project: own } = issued.body.token;
    expect((await identity.call('GET', `/v3/users/${user.id}`, { token })).body.user.name).toBe('demo');
    expect((await identity.call('GET', `/v3/projects/${own.id}`, { token })).body.project.name).toBe('demo');
    expect((await identity.call('GET', '/v3/domains/default', { token })).status).toBe(200);
    for (const path of ['/v3/auth/projects', `/v3/users/${user.id}/projects`]) {
      expect((await identity.call('GET', path, { token })).body.projects.map((it: { name: string }) => it.name)).toEqual(['demo']);
    }
    expect((await identity.call('GET', '/v3/auth/domains', { token })).body.domains).toEqual([]);
    expect((await identity.call('GET', '/v3/auth/catalog', { token })).body.catalog).toEqual(issued.body.token.catalog);
    const others = ['/v3/projects', '/v3/projects/admin', '/v3/users', '/v3/users/admin', '/v3/users/admin/projects', '/v3/domains', '/v3/domains/other', '/v3/roles', '/v3/role_assignments', '/v3/services', '/v3/endpoints'];
    for (const path of others) {
      const answer = await identity.call('GET', path, { token });
      expect([path, answer.status, answer.body.error.message]).toEqual([path, 403, expect.stringMatching(/^You are not authorized to perform the requested action: identity:/)]);
    }
    for (const path of [...others, '/v3/auth/projects', '/v3/auth/catalog']) expect((await identity.call('GET', path)).body).toEqual(UNAUTHORIZED);
  });

  it('gives an unscoped token its projects and no catalog', async () => {
    const token = tokenOf(await identity.login(byName('admin', ADMIN), 'unscoped'));
    expect((await identity.call('GET', '/v3/auth/projects', { token })).body.projects).toHaveLength(2);
    expect((await identity.call('GET', '/v3/auth/catalog', { token })).status).toBe(403);
    expect((await identity.call('GET', '/v3/projects', { token })).status).toBe(403);
  });
});
