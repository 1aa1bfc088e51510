/** Flavors’ specs and access, server groups, hosts, usage and migrations: what is asked of their owners, and what is refused. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  addFlavorAccess, createServerGroup, deleteFlavorExtraSpec, listHosts, listMigrations, listServerGroups, listServerUsages, removeFlavorAccess, setFlavorExtraSpecs, updateFlavor, updateHost,
} from '#libs/contracts';
import { badRequest, conflict, notFound } from '#libs/errors';
import { GROUP_ID, HOST_ID, PROJECT, SERVER_ID, serverUsage } from '../testing/samples.js';
import { ScriptedCloud } from '../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const V = '/compute/v2.1';
const admin = (method: string, path: string, version = '2.1', body?: unknown) => cloud.call(method, `${V}${path}`, { as: 'admin', version, ...(body !== undefined && { body }) });
const message = (body: object): string | undefined => Object.values<{ message: string }>(body as never)[0]?.message;

describe('extra specs', () => {
  it('are added to, set, and deleted; numbers are kept as digits', async () => {
    expect(await admin('POST', '/flavors/1/os-extra_specs', '2.1', { extra_specs: { 'a:b': 'c', n: 1 } })).toMatchObject({ status: 200, body: { extra_specs: { 'a:b': 'c', n: '1' } } });
    expect(await admin('PUT', '/flavors/1/os-extra_specs/a:b', '2.1', { 'a:b': 'd' })).toMatchObject({ status: 200, body: { 'a:b': 'd' } });
    expect(cloud.questions(setFlavorExtraSpecs).map(({ extraSpecs }) => extraSpecs)).toEqual([{ 'a:b': 'c', n: '1' }, { 'a:b': 'd' }]);
    expect(await admin('DELETE', '/flavors/1/os-extra_specs/a:b')).toMatchObject({ status: 200, text: '' });
    expect(cloud.questions(deleteFlavorExtraSpec)).toEqual([expect.objectContaining({ flavorId: '1', key: 'a:b' })]);
  });
  it.each<[string, string, object, string]>([
    ['POST', '', {}, "'extra_specs' is a required property"], ['POST', '', { extra_specs: { 'a/b': 'c' } }, "('a/b' was unexpected)"], ['POST', '', { extra_specs: { a: null } }, "None is not of type 'string', 'number'"],
    ['POST', '', { extra_specs: { a: 'x'.repeat(256) } }, 'is too long'], ['PUT', '/a', {}, '{} does not have enough properties'], ['PUT', '/a', { a: '1', b: '2' }, 'has too many properties'],
    ['PUT', '/a', { b: '1' }, 'Request body and URI mismatch'],
  ])('%s %s %j: 400', async (method, path, body, text) => {
    const answer = await admin(method, `/flavors/1/os-extra_specs${path}`, '2.1', body);
    expect([answer.status, message(answer.body)]).toEqual([400, expect.stringContaining(text)]);
  });
  it('are for admins to change', async () => {
    for (const [method, path] of [['POST', ''], ['PUT', '/a'], ['DELETE', '/a']] as const) expect((await cloud.call(method, `${V}/flavors/1/os-extra_specs${path}`, { ...(method !== 'DELETE' && { body: {} }) })).status).toBe(403);
  });
});

describe('flavor access', () => {
  const act = (version: string, body: unknown, id = '1') => admin('POST', `/flavors/${id}/action`, version, body);
  it('is given and taken away', async () => {
    const list = { flavor_access: [{ flavor_id: '1', tenant_id: PROJECT }] };
    expect((await admin('GET', '/flavors/1/os-flavor-access')).body).toEqual(list);
    for (const version of ['2.6', '2.7']) expect(await act(version, { addTenantAccess: { tenant: PROJECT } })).toMatchObject({ status: 200, body: list });
    expect(cloud.questions(addFlavorAccess).map(({ projectId, privateOnly }) => [projectId, privateOnly])).toEqual([[PROJECT, false], [PROJECT, true]]);
    expect((await act('2.7', { removeTenantAccess: { tenant: 'gone' } })).status).toBe(200);
    expect(cloud.questions(removeFlavorAccess)[0]?.projectId).toBe('gone');
  });
  it.each<[unknown, number, string]>([
    [{ addTenantAccess: { tenant: 'nobody' } }, 400, 'Project ID nobody is not a valid project.'], [{ addTenantAccess: {} }, 400, "'tenant' is a required property"],
    [{ addTenantAccess: { tenant: '' } }, 400, 'is too short'], [{ addTenantAccess: null }, 400, "None is not of type 'object'"], [{ fly: {} }, 400, 'There is no such action: fly'],
    [{}, 400, 'Malformed request body'], [[], 400, 'Malformed request body'], [{ addTenantAccess: {}, removeTenantAccess: {} }, 400, 'Malformed request body'],
  ])('%j: %i', async (body, status, text) => {
    const answer = await act('2.1', body);
    expect([answer.status, message(answer.body)]).toEqual([status, expect.stringContaining(text)]);
  });
  it('refusals of the owner are passed on', async () => {
    cloud.answer(addFlavorAccess, () => { throw conflict('Can not add access to a public flavor.'); });
    expect(await act('2.7', { addTenantAccess: { tenant: PROJECT } })).toMatchObject({ status: 409, body: { conflictingRequest: { message: 'Can not add access to a public flavor.' } } });
    cloud.answer(removeFlavorAccess, () => { throw notFound('Flavor access not found for 1 / p combination.'); });
    expect((await act('2.7', { removeTenantAccess: { tenant: 'p' } })).status).toBe(404);
  });
  it('is for admins', async () => {
    expect((await cloud.call('GET', `${V}/flavors/1/os-flavor-access`)).status).toBe(403);
    expect((await cloud.call('POST', `${V}/flavors/1/action`, { body: { addTenantAccess: { tenant: PROJECT } } })).status).toBe(403);
  });
});

describe('server groups', () => {
  const post = (version: string, serverGroup: unknown) => cloud.call('POST', `${V}/os-server-groups`, { version, body: { server_group: serverGroup } });
  it('are made with a policy, and a rule from 2.64', async () => {
    expect((await post('2.1', { name: 'g', policies: ['affinity'] })).body.server_group).toMatchObject({ name: 'g', policies: ['affinity'], metadata: {} });
    expect((await post('2.64', { name: 'g', policy: 'anti-affinity', rules: { max_server_per_host: '2' } })).body.server_group).toMatchObject({ policy: 'anti-affinity', rules: { max_server_per_host: 2 } });
    expect((await post('2.64', { name: 'g', policy: 'affinity', rules: {} })).body.server_group.rules).toEqual({});
    const asked = cloud.questions(createServerGroup);
    expect(asked.map(({ policy, maxServerPerHost }) => [policy, maxServerPerHost])).toEqual([['affinity', null], ['anti-affinity', 2], ['affinity', null]]);
    expect(new Set(asked.map(({ groupId }) => groupId)).size).toBe(3);
  });
  it.each<[string, object, string]>([
    ['2.1', { name: 'g' }, "'policies' is a required property"], ['2.1', { name: 'g', policies: [] }, 'is too short'], ['2.1', { name: 'g', policies: ['affinity', 'anti-affinity'] }, 'is too long'],
    ['2.14', { name: 'g', policies: ['soft-affinity'] }, "'soft-affinity' is not one of ['anti-affinity', 'affinity']"], ['2.63', { name: 'g', policy: 'affinity' }, "('policy' was unexpected)"],
    ['2.64', { name: 'g', policies: ['affinity'] }, "('policies' was unexpected)"], ['2.64', { name: 'g', policy: 'x' }, "'x' is not one of"], ['2.64', { name: '', policy: 'affinity' }, 'is too short'],
    ['2.64', { name: 'g', policy: 'affinity', rules: { max_server_per_host: 2 } }, 'Only anti-affinity policy supports rules.'],
    ['2.64', { name: 'g', policy: 'anti-affinity', rules: { max_server_per_host: 0 } }, '0 is less than the minimum of 1'], ['2.64', { name: 'g', policy: 'anti-affinity', rules: { x: 1 } }, "('x' was unexpected)"],
  ])('at %s %j: 400', async (version, serverGroup, text) => {
    const answer = await post(version, serverGroup);
    expect([answer.status, message(answer.body)]).toEqual([400, expect.stringContaining(text)]);
  });
  it('are listed by offset; everyone’s for admins only', async () => {
    for (const as of ['member', 'admin'] as const) await cloud.call('GET', `${V}/os-server-groups?all_projects=False&limit=0&offset=2`, { as });
    expect(cloud.questions(listServerGroups).map(({ projectId, offset, limit }) => [projectId, offset, limit])).toEqual([[PROJECT, 2, 1000], [null, 2, 1000]]);
    expect((await cloud.call('GET', `${V}/os-server-groups?limit=-1`)).status).toBe(400);
  });
  it('that are not there, or cannot be: 404', async () => {
    for (const id of ['trsg', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', SERVER_ID]) expect((await cloud.call('GET', `${V}/os-server-groups/${id}`)).body.itemNotFound.message).toBe(`Instance group ${id} could not be found.`);
    expect((await cloud.call('DELETE', `${V}/os-server-groups/trsg`)).status).toBe(404);
    expect((await cloud.call('GET', `${V}/os-server-groups/${GROUP_ID.replaceAll('-', '').toUpperCase()}`)).status).toBe(200);
  });
  it('readers look and change nothing', async () => {
    expect((await cloud.call('GET', `${V}/os-server-groups`, { as: 'reader' })).status).toBe(200);
    expect((await cloud.call('POST', `${V}/os-server-groups`, { as: 'reader', body: {} })).status).toBe(403);
    expect((await cloud.call('DELETE', `${V}/os-server-groups/${GROUP_ID}`, { as: 'reader' })).status).toBe(403);
  });
});

describe('os-hosts', () => {
  it('shows what there is, what is used, and by whom', async () => {
    expect((await admin('GET', '/os-hosts?zone=nova')).body).toEqual({ hosts: [{ host_name: 'alpha', service: 'compute', zone: 'nova' }] });
    expect((await admin('GET', '/os-hosts?zone=other')).body).toEqual({ hosts: [] });
    const { host } = (await admin('GET', '/os-hosts/alpha')).body;
    expect(host.map(({ resource }: { resource: { project: string; cpu: number; memory_mb: number } }) => [resource.project, resource.cpu, resource.memory_mb])).toEqual([['(total)', 4, 8192], ['(used_now)', 1, 576], ['(used_max)', 1, 64], [PROJECT, 1, 64]]);
    expect((await admin('GET', '/os-hosts/beta')).body.itemNotFound.message).toBe('Compute host beta could not be found.');
  });
  it('opens and closes', async () => {
    expect((await admin('PUT', '/os-hosts/alpha', '2.1', { status: 'Disable' })).body).toEqual({ host: 'alpha', status: 'disabled' });
    expect(cloud.questions(updateHost)[0]).toMatchObject({ hostId: HOST_ID, enabled: false });
    for (const [method, path, body] of [['PUT', '/os-hosts/alpha', { maintenance_mode: 'enable' }], ['GET', '/os-hosts/alpha/reboot', undefined]] as const) expect((await admin(method, path, '2.1', body)).status).toBe(501);
    expect((await admin('PUT', '/os-hosts/alpha', '2.1', {})).status).toBe(400);
    expect((await admin('PUT', '/os-hosts/alpha', '2.1', { status: 'off' })).status).toBe(400);
    expect((await admin('GET', '/os-hosts/alpha/fly')).status).toBe(404);
    cloud.answer(listHosts, () => ({ hosts: [] }));
    expect((await admin('PUT', '/os-hosts/alpha', '2.1', { status: 'enable' })).status).toBe(404);
  });
});

describe('usage', () => {
  it('counts hours times size, also of what is gone', async () => {
    cloud.answer(listServerUsages, () => ({ usages: [
      serverUsage({ launchedAt: '2026-01-01T00:00:00.000Z', terminatedAt: '2026-01-01T03:00:00.000Z', ramMib: 10 }), serverUsage({ launchedAt: '2026-01-01T01:30:00.000Z', vcpus: 2, ramMib: 100 }),
    ] }));
    const { tenant_usage: usage } = (await cloud.call('GET', `${V}/os-simple-tenant-usage/${PROJECT}?start=2026-01-01T01:00:00&end=2026-01-01T02:00:00`)).body;
    expect(usage).toMatchObject({ tenant_id: PROJECT, total_hours: 1.5, total_vcpus_usage: 2, total_memory_mb_usage: 60, total_local_gb_usage: 1.5, start: '2026-01-01T01:00:00.000000', stop: '2026-01-01T02:00:00.000000' });
    expect(usage.server_usages.map((each: { state: string; hours: number; uptime: number }) => [each.state, each.hours])).toEqual([['terminated', 1], ['active', 0.5]]);
    expect(usage.server_usages[0]).toMatchObject({ uptime: 10_800, ended_at: '2026-01-01T03:00:00.000000', started_at: '2026-01-01T00:00:00.000000' });
  });
  it('of all projects in brief, of none as zeros; others’ for admins', async () => {
    expect((await admin('GET', '/os-simple-tenant-usage?start=2026-01-01T00:00:00')).body.tenant_usages[0]).not.toHaveProperty('server_usages');
    expect((await cloud.call('GET', `${V}/os-simple-tenant-usage`)).status).toBe(403);
    expect((await cloud.call('GET', `${V}/os-simple-tenant-usage/other`)).status).toBe(403);
    cloud.answer(listServerUsages, () => ({ usages: [] }));
    expect((await admin('GET', '/os-simple-tenant-usage/other')).body).toMatchObject({ tenant_usage: { tenant_id: 'other', server_usages: [], total_hours: 0, total_memory_mb_usage: 0 } });
  });
  it('is paged from 2.40', async () => {
    const path = '/os-simple-tenant-usage?start=2026-01-01T00:00:00&limit=1&marker=m';
    expect((await admin('GET', `${path}${'m'.repeat(64)}`, '2.40')).status).toBe(400);
    expect((await admin('GET', path, '2.40')).body.tenant_usages_links[0].href).toContain(`marker=${SERVER_ID}`);
    expect((await admin('GET', `/os-simple-tenant-usage/${PROJECT}?start=2026-01-01T00:00:00&limit=1`, '2.40')).body.tenant_usage_links[0].href).toContain(`/os-simple-tenant-usage/${PROJECT}?limit=1&start=2026-01-01T00%3A00%3A00&marker=`);
    await admin('GET', path, '2.39');
    expect(cloud.questions(listServerUsages).map(({ limit, marker, projectId }) => [limit, marker, projectId])).toEqual([[1, 'm', null], [1, undefined, PROJECT], [1000, undefined, null]]);
    cloud.answer(listServerUsages, () => { throw badRequest('Marker m could not be found.'); });
    expect(await admin('GET', path, '2.40')).toMatchObject({ status: 400, body: { badRequest: { message: 'Marker m could not be found.' } } });
  });
  it('in a wrong period: 400', async () => {
    expect((await admin('GET', '/os-simple-tenant-usage?start=then')).body.badRequest.message).toBe('Invalid datetime string: Datetime is in invalid format');
    expect((await admin('GET', '/os-simple-tenant-usage?start=2026-01-02T00:00:00&end=2026-01-01T00:00:00')).body.badRequest.message).toContain('The start time cannot occur after the end time.');
  });
});

describe('migrations', () => {
  const asked = async (query: string, version: string) => { const { status, body } = await admin('GET', `/os-migrations?${query}`, version); return [status, status === 200 ? cloud.questions(listMigrations)[0] : message(body)]; };
  it.each<[string, string, object]>([
    ['host=a&status=done&source_compute=b&instance_uuid=i&migration_type=resize&odd=1', '2.1', { filters: { host: 'a', status: 'done', sourceHost: 'b', instanceId: 'i', kind: 'resize' }, limit: 1000 }],
    ['changes-since=2026-01-01T00:00:00Z&limit=1', '2.58', { filters: {}, limit: 1000 }], ['changes-since=2026-01-01T01:00:00%2B01:00&limit=1', '2.59', { filters: { changesSince: '2026-01-01T00:00:00.000Z' }, limit: 1 }],
    ['changes-before=2026-01-01T00:00:00', '2.66', { filters: { changesBefore: '2026-01-01T00:00:00.000Z' } }], ['user_id=u&project_id=p', '2.80', { filters: { userId: 'u', projectId: 'p' } }],
  ])('?%s at %s', async (query, version, input) => expect(await asked(query, version)).toEqual([200, expect.objectContaining(input)]));
  it.each([
    ['limit=x', '2.59', 'does not match'], ['limit=1&limit=2', '2.59', 'is too long'], ['marker=nobody', '2.59', 'Marker nobody could not be found.'], ['marker=eeeeeeee-eeee-0eee-0eee-eeeeeeeeeeee', '2.59', 'Marker eeeeeeee-eeee-0eee-0eee-eeeeeeeeeeee could not be found.'], ['changes-since=then', '2.59', "'then' is not a 'date-time'"], ['changes-since=0001-01-01T00:00:00%2B14:00', '2.59', "is not a 'date-time'"], ['changes-since=9999-12-31T23:59:59-14:00', '2.59', "is not a 'date-time'"],
    ['changes-before=2026-01-01T00:00:00Z', '2.65', "('changes-before' was unexpected)"], ['user_id=u', '2.79', "('user_id' was unexpected)"], ['odd=1', '2.59', "('odd' was unexpected)"],
    ['changes-before=2026-01-01T00:00:00Z&changes-since=2026-01-02T00:00:00Z', '2.66', 'The value of changes-since must be less than or equal to changes-before.'],
  ])('?%s at %s: 400', async (query, version, text) => expect(await asked(query, version)).toEqual([400, expect.stringContaining(text)]));
  it('of a kind that is not offered: none', async () => {
    expect((await admin('GET', '/os-migrations?migration_type=live-migration')).body).toEqual({ migrations: [] });
    expect((await admin('GET', `/servers/${SERVER_ID}/migrations/1`, '2.23')).body.itemNotFound.message).toBe(`In-progress live migration 1 is not found for server ${SERVER_ID}.`);
    expect((await admin('GET', '/servers/nobody/migrations', '2.23')).status).toBe(404);
  });
});

it('a flavor’s description is changed from 2.55 on', async () => {
  expect((await admin('PUT', '/flavors/1', '2.55', { flavor: { description: 'new' } })).body.flavor.description).toBe('new');
  expect((await admin('PUT', '/flavors/1', '2.55', { flavor: { description: null } })).status).toBe(200);
  expect(cloud.questions(updateFlavor).map(({ description }) => description)).toEqual(['new', null]);
  for (const flavor of [{}, { name: 'x', description: 'd' }, { description: 1 }]) expect((await admin('PUT', '/flavors/1', '2.55', { flavor })).status).toBe(400);
  expect((await cloud.call('PUT', `${V}/flavors/1`, { version: '2.55', body: { flavor: { description: 'd' } } })).status).toBe(403);
});
