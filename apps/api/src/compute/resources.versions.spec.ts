/**
 * The microversions of everything but servers: each feature is refused or absent at the version before its own, and there
 * at its own.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listHosts, listKeypairs, type Keypair } from '#libs/contracts';
import { Microversion, type VersionText } from '#libs/openstack';
import { GROUP_ID, host, HOST_ID, keypair, PROJECT, SERVER_ID } from '../testing/samples.js';
import { ScriptedCloud } from '../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => {
  cloud = await ScriptedCloud.start();
  cloud.answer(listHosts, (asked) => ({ hosts: [host({ fenced: true })].filter((each) => asked.name === undefined || each.name === asked.name) }));
});
afterAll(() => cloud.stop());

type Answer = Awaited<ReturnType<ScriptedCloud['call']>>;
interface Case {
  at: VersionText; what: string; method?: string; path: string; body?: unknown;
  before(answer: Answer): unknown; then(answer: Answer): unknown;
}
const status = (code: number) => (answer: Answer) => expect([answer.status, answer.text]).toEqual([code, expect.anything()]);
const unexpected = (name: string) => (answer: Answer) => expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(`('${name}' was unexpected)`)]);
const lacks = (...path: string[]) => (answer: Answer) => { expect(answer.status).toBe(200); expect(answer.body).not.toHaveProperty(path); };
const has = (value: unknown, ...path: string[]) => (answer: Answer) => { expect([answer.status, answer.text]).toEqual([200, expect.anything()]); expect(answer.body).toHaveProperty(path, value); };
const any = expect.anything();
const flavorBody = (more: object) => ({ flavor: { name: 'f', ram: 1, vcpus: 1, disk: 1, ...more } });
const groupBody = (group: object) => ({ server_group: { name: 'g', ...group } });
const named = { host: 'alpha', binary: 'nova-compute' };
/** Unknown names in a query are dropped at 2.74 and refused at 2.75. */
const strict = (path: string): Case => ({ at: '2.75', what: 'unknown query parameters are refused', path: `${path}${path.includes('?') ? '&' : '?'}odd=1`, before: status(200), then: unexpected('odd') });

const CASES: Case[] = [
  { at: '2.2', what: 'keypairs show their type', path: '/os-keypairs/k', before: lacks('keypair', 'type'), then: has('ssh', 'keypair', 'type') },
  { at: '2.2', what: 'keypairs take a type', method: 'POST', path: '/os-keypairs', body: { keypair: { name: 'k', type: 'ssh' } }, before: unexpected('type'), then: status(201) },
  { at: '2.2', what: 'deleting a keypair answers 204', method: 'DELETE', path: '/os-keypairs/k', before: status(202), then: status(204) },
  { at: '2.10', what: 'keypairs take a user_id', method: 'POST', path: '/os-keypairs', body: { keypair: { name: 'k', user_id: 'other' } }, before: unexpected('user_id'), then: status(201) },
  { at: '2.35', what: 'keypairs are paged', path: '/os-keypairs?limit=1', before: lacks('keypairs_links'), then: has(any, 'keypairs_links') },
  { at: '2.92', what: 'keypairs are not made', method: 'POST', path: '/os-keypairs', body: { keypair: { name: 'k' } }, before: status(201), then: (answer) => expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("'public_key' is a required property")]) },
  { at: '2.92', what: 'keypair names have @ and dots', method: 'POST', path: '/os-keypairs', body: { keypair: { name: 'a.b@c', public_key: 'ssh-ed25519 AAAA' } }, before: status(400), then: status(201) },

  { at: '2.11', what: 'services show forced_down', path: '/os-services', before: lacks('services', '0', 'forced_down'), then: has(true, 'services', '0', 'forced_down') },
  { at: '2.11', what: 'services are forced down', method: 'PUT', path: '/os-services/force-down', body: { ...named, forced_down: true }, before: unexpected('forced_down'), then: status(200) },
  { at: '2.53', what: 'services have a uuid', path: '/os-services', before: has(1, 'services', '0', 'id'), then: has(HOST_ID, 'services', '0', 'id') },
  { at: '2.53', what: 'services are changed by uuid', method: 'PUT', path: `/os-services/${HOST_ID}`, body: { status: 'disabled' }, before: status(400), then: has('disabled', 'service', 'status') },
  { at: '2.53', what: 'services are not changed by action', method: 'PUT', path: '/os-services/disable', body: named, before: status(200), then: status(400) },

  { at: '2.13', what: 'server groups show their owner', path: `/os-server-groups/${GROUP_ID}`, before: lacks('server_group', 'project_id'), then: has(PROJECT, 'server_group', 'project_id') },
  { at: '2.15', what: 'soft policies', method: 'POST', path: '/os-server-groups', body: groupBody({ policies: ['soft-anti-affinity'] }), before: status(400), then: status(200) },
  { at: '2.64', what: 'server groups show policy and rules', path: '/os-server-groups', before: has(['anti-affinity'], 'server_groups', '0', 'policies'), then: has({ max_server_per_host: 3 }, 'server_groups', '0', 'rules') },
  { at: '2.64', what: 'server groups show no metadata', path: '/os-server-groups', before: has({}, 'server_groups', '0', 'metadata'), then: lacks('server_groups', '0', 'metadata') },
  { at: '2.64', what: 'server groups take rules', method: 'POST', path: '/os-server-groups', body: groupBody({ policy: 'anti-affinity', rules: { max_server_per_host: 2 } }), before: status(400), then: status(200) },

  { at: '2.28', what: 'cpu_info is an object', path: '/os-hypervisors/detail', before: has(expect.any(String), 'hypervisors', '0', 'cpu_info'), then: has(expect.any(Object), 'hypervisors', '0', 'cpu_info') },
  { at: '2.33', what: 'hypervisors are paged', path: '/os-hypervisors?limit=1', before: lacks('hypervisors_links'), then: has(any, 'hypervisors_links') },
  { at: '2.53', what: 'hypervisors have a uuid', path: '/os-hypervisors', before: has(1, 'hypervisors', '0', 'id'), then: has(HOST_ID, 'hypervisors', '0', 'id') },
  { at: '2.53', what: 'no search', path: '/os-hypervisors/alp/search', before: status(200), then: status(404) },
  { at: '2.53', what: 'no servers', path: '/os-hypervisors/alp/servers', before: status(200), then: status(404) },
  { at: '2.53', what: 'with_servers', path: '/os-hypervisors?with_servers=true', before: lacks('hypervisors', '0', 'servers'), then: has(any, 'hypervisors', '0', 'servers') },
  { at: '2.53', what: 'a pattern', path: '/os-hypervisors?hypervisor_hostname_pattern=zz', before: status(200), then: status(404) },
  { at: '2.53', what: 'unknown query parameters of hypervisors are refused', path: '/os-hypervisors?odd=1', before: status(200), then: unexpected('odd') },
  { at: '2.88', what: 'hypervisors show uptime', path: `/os-hypervisors/${HOST_ID}`, before: lacks('hypervisor', 'uptime'), then: has('', 'hypervisor', 'uptime') },
  { at: '2.88', what: 'hypervisors show no resources', path: `/os-hypervisors/${HOST_ID}`, before: has(4, 'hypervisor', 'vcpus'), then: lacks('hypervisor', 'vcpus') },
  { at: '2.88', what: 'no statistics', path: '/os-hypervisors/statistics', before: status(200), then: status(404) },
  { at: '2.88', what: 'no uptime', path: `/os-hypervisors/${HOST_ID}/uptime`, before: status(501), then: status(404) },

  { at: '2.36', what: 'no networks in limits', path: '/limits', before: has(-1, 'limits', 'absolute', 'maxTotalFloatingIps'), then: lacks('limits', 'absolute', 'maxTotalFloatingIps') },
  { at: '2.36', what: 'no networks in quota sets', path: `/os-quota-sets/${PROJECT}`, before: has(-1, 'quota_set', 'fixed_ips'), then: lacks('quota_set', 'fixed_ips') },
  { at: '2.39', what: 'no maxImageMeta', path: '/limits', before: has(128, 'limits', 'absolute', 'maxImageMeta'), then: lacks('limits', 'absolute', 'maxImageMeta') },
  { at: '2.57', what: 'no personality in limits', path: '/limits', before: has(0, 'limits', 'absolute', 'maxPersonality'), then: lacks('limits', 'absolute', 'maxPersonality') },
  { at: '2.57', what: 'no injected files in quota sets', path: `/os-quota-sets/${PROJECT}`, before: has(0, 'quota_set', 'injected_files'), then: lacks('quota_set', 'injected_files') },
  { at: '2.50', what: 'quota classes show server groups', path: '/os-quota-class-sets/default', before: lacks('quota_class_set', 'server_groups'), then: has(10, 'quota_class_set', 'server_groups') },
  { at: '2.50', what: 'quota classes show no networks', path: '/os-quota-class-sets/default', before: has(-1, 'quota_class_set', 'floating_ips'), then: lacks('quota_class_set', 'floating_ips') },
  { at: '2.57', what: 'quota classes show no injected files', path: '/os-quota-class-sets/default', before: has(0, 'quota_class_set', 'injected_files'), then: lacks('quota_class_set', 'injected_files') },
  { at: '2.40', what: 'usage is paged', path: '/os-simple-tenant-usage?start=2026-01-01T00:00:00&limit=1', before: lacks('tenant_usages_links'), then: has(any, 'tenant_usages_links') },
  { at: '2.43', what: 'no os-hosts', path: '/os-hosts', before: status(200), then: status(404) },
  { at: '2.43', what: 'no os-hosts/{name}', path: '/os-hosts/alpha', before: status(200), then: status(404) },

  { at: '2.55', what: 'flavors show a description', path: '/flavors', before: lacks('flavors', '0', 'description'), then: has(null, 'flavors', '0', 'description') },
  { at: '2.55', what: 'flavors take a description', method: 'POST', path: '/flavors', body: flavorBody({ description: 'd' }), before: unexpected('description'), then: has('d', 'flavor', 'description') },
  { at: '2.55', what: 'flavors are changed', method: 'PUT', path: '/flavors/1', body: { flavor: { description: 'd' } }, before: status(404), then: status(200) },
  { at: '2.61', what: 'flavors show extra specs', path: '/flavors/1', before: lacks('flavor', 'extra_specs'), then: has({ 'hw:cpu_policy': 'dedicated' }, 'flavor', 'extra_specs') },
  { at: '2.61', what: 'a new flavor shows extra specs', method: 'POST', path: '/flavors', body: flavorBody({}), before: lacks('flavor', 'extra_specs'), then: has({}, 'flavor', 'extra_specs') },
  { at: '2.75', what: 'no swap is 0', path: '/flavors/1', before: has('', 'flavor', 'swap'), then: has(0, 'flavor', 'swap') },
  { at: '2.86', what: 'extra specs are checked', method: 'POST', path: '/flavors/1/os-extra_specs', body: { extra_specs: { 'hw:cpu_policy': 'odd' } }, before: status(200), then: (answer) => expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("Validation failed; 'odd' is not one of: dedicated, shared, mixed.")]) },
  { at: '2.86', what: 'an extra spec is checked', method: 'PUT', path: '/flavors/1/os-extra_specs/hw:nope', body: { 'hw:nope': '1' }, before: status(200), then: status(400) },

  { at: '2.23', what: 'migrations show their type', path: '/os-migrations', before: lacks('migrations', '0', 'migration_type'), then: has('resize', 'migrations', '0', 'migration_type') },
  { at: '2.23', what: 'a server’s migrations', path: `/servers/${SERVER_ID}/migrations`, before: status(404), then: status(200) },
  { at: '2.59', what: 'migrations have a uuid', path: '/os-migrations', before: lacks('migrations', '0', 'uuid'), then: has(any, 'migrations', '0', 'uuid') },
  { at: '2.59', what: 'migrations are paged', path: '/os-migrations?limit=1', before: lacks('migrations_links'), then: has(any, 'migrations_links') },
  { at: '2.59', what: 'unknown query parameters of migrations are refused', path: '/os-migrations?odd=1', before: status(200), then: unexpected('odd') },
  { at: '2.66', what: 'migrations by changes-before', path: '/os-migrations?changes-before=2026-01-01T00:00:00Z', before: unexpected('changes-before'), then: status(200) },
  { at: '2.80', what: 'migrations show their owner', path: '/os-migrations', before: lacks('migrations', '0', 'project_id'), then: has(PROJECT, 'migrations', '0', 'project_id') },
  { at: '2.80', what: 'migrations by project', path: `/os-migrations?project_id=${PROJECT}`, before: unexpected('project_id'), then: status(200) },

  ...['/flavors', '/flavors/detail', '/os-keypairs', '/os-keypairs/k', '/os-server-groups', '/os-services', '/limits', `/os-quota-sets/${PROJECT}`, `/os-quota-sets/${PROJECT}/detail`, '/os-simple-tenant-usage',
    `/os-simple-tenant-usage/${PROJECT}`].map(strict),
];

describe('each feature at its own microversion and not before', () => {
  it.each(CASES)('$at: $what ($path)', async ({ at, method = 'GET', path, body, before, then }) => {
    const call = (version: VersionText) => cloud.call(method, `/compute/v2.1${path}`, { as: 'admin', version, ...(body !== undefined && { body }) });
    before(await call(`2.${Number(at.slice(2)) - 1}`));
    then(await call(at));
  });

  it('access is not added to a public flavor, from 2.7 on', async () => {
    const asked: boolean[] = [];
    for (const version of ['2.6', '2.7']) {
      await cloud.call('POST', '/compute/v2.1/flavors/1/action', { as: 'admin', version, body: { addTenantAccess: { tenant: PROJECT } } });
      asked.push(cloud.asked.findLast(({ subject }) => subject.endsWith('flavors.add-access'))?.input['privateOnly'] as boolean);
    }
    expect(asked).toEqual([false, true]);
  });

  it('a keypair of another user is looked up from 2.10 on', async () => {
    const asked: string[] = [];
    cloud.answer(listKeypairs, ({ userId }) => { asked.push(userId); return { keypairs: [keypair() as Keypair], more: false }; });
    for (const version of ['2.9', '2.10']) await cloud.call('GET', '/compute/v2.1/os-keypairs?user_id=other', { as: 'admin', version });
    expect(asked).toEqual([expect.not.stringMatching('other'), 'other']);
  });

  it('the highest is at least 2.79', () => expect(Microversion.max.atLeast('2.79')).toBe(true));
});
