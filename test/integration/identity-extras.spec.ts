// What clients ask of Keystone beside the resources: limits along a tree, a domain's configuration, parts that are not here.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { IdentityUnderTest, type Answer } from '../support/identity.js';

let identity: IdentityUnderTest;
let admin: string;
let demo: string;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  [admin, demo] = [await identity.adminToken(), await identity.demoToken()];
});
afterAll(async () => { await identity.stop(); });

const call = (method: Parameters<IdentityUnderTest['call']>[0], path: string, body?: unknown, token = admin): Promise<Answer> => identity.call(method, `/v3${path}`, { token, ...(body !== undefined && { body }) });
const first = async (path: string): Promise<string> => Object.values<{ id: string }[]>((await call('GET', path)).body)[0]?.[0]?.id as string;

it('a tree of projects is told with their limits, to who asks for them', async () => {
  const [top, service, role, me] = [(await call('POST', '/projects', { project: { name: 'top' } })).body.project.id, await first('/services?type=compute'), await first('/roles?name=member'), await first('/users?name=admin')];
  const below = (await call('POST', '/projects', { project: { name: 'below', parent_id: top } })).body.project.id;
  for (const id of [top, below]) expect((await call('PUT', `/projects/${id}/users/${me}/roles/${role}`)).status).toBe(204);
  expect((await call('POST', '/limits', { limits: [{ project_id: top, service_id: service, resource_name: 'servers', resource_limit: 3 }] })).status).toBe(201);
  const { project } = (await call('GET', `/projects/${below}?parents_as_list&include_limits`)).body;
  expect(project.parents).toMatchObject([{ project: { id: top, limits: [{ resource_name: 'servers', resource_limit: 3, project_id: top }] } }]);
  expect((await call('GET', `/projects/${top}?subtree_as_list&include_limits`)).body.project.subtree).toMatchObject([{ project: { id: below, limits: [] } }]);
  expect((await call('GET', `/projects/${below}?parents_as_list`)).body.project.parents[0].project.limits).toBeUndefined();
});

it('a domain has no configuration; what passwords must be like everybody may know', async () => {
  const told = { password_regex: '^[\\s\\S]{8,}$', password_regex_description: 'A password has at least 8 characters.' };
  expect((await call('GET', '/domains/default/config/security_compliance', undefined, demo)).body).toEqual({ config: { security_compliance: told } });
  expect((await call('GET', '/domains/default/config/security_compliance/password_regex_description', undefined, demo)).body).toEqual({ config: { password_regex_description: told.password_regex_description } });
  expect((await call('GET', '/domains/config/default')).body.config.identity).toEqual({ driver: 'sql' });
  expect((await call('GET', '/domains/config/security_compliance/default')).body).toEqual({ config: { security_compliance: told } });
  expect((await call('GET', '/domains/config/ldap/default')).status).toBe(404);
  const none = await call('GET', '/domains/default/config');
  expect([none.status, none.body.error.message]).toEqual([404, 'Could not find any options in domain configuration for domain default.']);
  expect((await call('GET', '/domains/default/config/ldap/url')).status).toBe(404);
  expect((await call('GET', '/domains/default/config/security_compliance/x')).status).toBe(404);
  for (const method of ['PUT', 'PATCH'] as const) expect((await call(method, '/domains/default/config', { config: { ldap: { url: 'ldap://x' } } })).status).toBe(501);
  expect((await call('DELETE', '/domains/default/config')).status).toBe(404);
  for (const path of ['/domains/default/config', '/domains/config/default']) expect((await call('GET', path, undefined, demo)).status).toBe(403);
  expect((await call('PUT', '/domains/default/config', { config: {} }, demo)).status).toBe(403);
});

it('parts that are not here are empty, and say what to use instead', async () => {
  const lists = ['/OS-TRUST/trusts', '/OS-OAUTH1/consumers', '/OS-EP-FILTER/endpoint_groups', '/OS-EP-FILTER/projects/x/endpoints', '/policies', '/OS-FEDERATION/identity_providers', '/OS-FEDERATION/mappings', '/OS-FEDERATION/service_providers'];
  for (const path of lists) {
    const { status, body } = await call('GET', path, undefined, demo);
    expect([path, status, body[path.split('/').at(-1) as string]]).toEqual([path, 200, []]);
  }
  const refused = await call('POST', '/OS-TRUST/trusts', { trust: {} }, demo);
  expect([refused.status, refused.body.error.message]).toEqual([501, expect.stringContaining('application credential')]);
  expect((await call('POST', '/policies', { policy: {} })).status).toBe(501);
  expect((await call('PUT', '/OS-EP-FILTER/projects/x/endpoints/y')).status).toBe(501);
  expect((await call('GET', '/OS-TRUST/trusts/x')).status).toBe(404);
  expect((await call('DELETE', '/OS-TRUST/trusts/x')).status).toBe(404);
  expect((await identity.call('GET', '/v3/OS-TRUST/trusts')).status).toBe(401);
});
