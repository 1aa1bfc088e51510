/** Every answer at every microversion has exactly the keys of its schema, for members and for admins. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { getServer, listServers } from '#libs/contracts';
import { FEATURES, Microversion, type VersionText } from '#libs/openstack';
import type { VersionedSchema } from '../http/read-input.js';
import { failedInstance, GROUP_ID, HOST_ID, IMAGE_ID, instance, PROJECT, SERVER_ID } from '../testing/samples.js';
import { ScriptedCloud } from '../testing/scripted-cloud.js';
import * as answers from './answers.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());

const all = Array.from({ length: Microversion.max.minor }, (_, index) => Microversion.of(`2.${index + 1}`));
/** The first and the last version of every stretch in which nothing changes. */
const edges = [...new Set([1, Microversion.max.minor, ...Object.values(FEATURES).flatMap(({ since }) => [Number(since.slice(2)) - 1, Number(since.slice(2))])])].map((minor) => Microversion.of(`2.${minor}`));

interface Route { path: string; schema: z.ZodType | VersionedSchema; admin?: true; since?: VersionText; until?: VersionText; uuids?: string }
const ROUTES: Route[] = [
  { path: '', schema: answers.VersionDocument },
  { path: '/servers', schema: answers.ServerList },
  { path: '/servers?limit=1', schema: answers.ServerList },
  { path: '/servers/detail', schema: answers.ServerDetailList },
  { path: '/servers/detail?limit=1', schema: answers.ServerDetailList },
  { path: `/servers/${SERVER_ID}`, schema: answers.ServerAnswer },
  { path: `/servers/${SERVER_ID}/metadata`, schema: answers.MetadataAnswer },
  { path: `/servers/${SERVER_ID}/metadata/k`, schema: answers.MetadataItem },
  { path: `/servers/${SERVER_ID}/tags`, schema: answers.TagsAnswer, since: '2.26' },
  { path: `/servers/${SERVER_ID}/topology`, schema: answers.TopologyAnswer, since: '2.78' },
  { path: `/servers/${SERVER_ID}/ips`, schema: answers.AddressesAnswer },
  { path: `/servers/${SERVER_ID}/os-interface`, schema: answers.InterfacesAnswer },
  { path: `/servers/${SERVER_ID}/os-volume_attachments`, schema: answers.VolumesAnswer },
  { path: `/servers/${SERVER_ID}/os-security-groups`, schema: answers.SecurityGroupsAnswer },
  { path: '/flavors', schema: answers.FlavorList },
  { path: '/flavors/detail?limit=1', schema: answers.FlavorDetailList },
  { path: '/flavors/1', schema: answers.FlavorAnswer },
  { path: '/flavors/1/os-extra_specs', schema: answers.ExtraSpecs },
  { path: '/flavors/1/os-flavor-access', schema: answers.FlavorAccess, admin: true },
  { path: '/os-keypairs', schema: answers.KeypairList },
  { path: '/os-keypairs?limit=1', schema: answers.KeypairList },
  { path: '/os-keypairs/k', schema: answers.KeypairAnswer },
  { path: '/os-hypervisors', schema: answers.HypervisorList, admin: true },
  { path: '/os-hypervisors/detail?limit=1', schema: answers.HypervisorDetailList, admin: true },
  { path: '/os-hypervisors?with_servers=true', schema: answers.HypervisorList, admin: true },
  { path: '/os-hypervisors/1', uuids: `/os-hypervisors/${HOST_ID}?with_servers=1`, schema: answers.HypervisorAnswer, admin: true },
  { path: '/os-hypervisors/statistics', schema: answers.HypervisorStatistics, admin: true, until: '2.87' },
  { path: '/os-hypervisors/alp/search', schema: answers.HypervisorList, admin: true, until: '2.52' },
  { path: '/os-hypervisors/alp/servers', schema: answers.HypervisorList, admin: true, until: '2.52' },
  { path: '/os-server-groups', schema: answers.ServerGroupList },
  { path: `/os-server-groups/${GROUP_ID}`, schema: answers.ServerGroupAnswer },
  { path: '/os-hosts', schema: answers.HostList, admin: true, until: '2.42' },
  { path: '/os-hosts/alpha', schema: answers.HostAnswer, admin: true, until: '2.42' },
  { path: '/os-simple-tenant-usage?start=2026-01-01T00:00:00&detailed=1', schema: answers.UsageList, admin: true },
  { path: `/os-simple-tenant-usage/${PROJECT}?start=2026-01-01T00:00:00`, schema: answers.UsageAnswer },
  { path: '/os-migrations', schema: answers.MigrationList, admin: true },
  { path: `/servers/${SERVER_ID}/migrations`, schema: answers.ServerMigrationList, admin: true, since: '2.23' },
  { path: '/os-services', schema: answers.ServiceList, admin: true },
  { path: '/os-availability-zone', schema: answers.ZoneList },
  { path: '/os-availability-zone/detail', schema: answers.ZoneList, admin: true },
  { path: '/limits', schema: answers.LimitsAnswer },
  { path: `/os-quota-sets/${PROJECT}`, schema: answers.QuotaSet },
  { path: `/os-quota-sets/${PROJECT}/detail`, schema: answers.QuotaSetDetail },
  { path: `/os-quota-sets/${PROJECT}/defaults`, schema: answers.QuotaSet },
  { path: '/os-quota-class-sets/default', schema: answers.QuotaClassSet, admin: true },
  { path: '/extensions', schema: answers.ExtensionList },
  { path: '/extensions/os-keypairs', schema: answers.ExtensionAnswer },
  { path: '/os-aggregates', schema: answers.AggregateList, admin: true },
];

const check = (schema: Route['schema'], version: Microversion, body: unknown): void => {
  const { error } = (typeof schema === 'function' ? schema(version) : schema).safeParse(body);
  if (error) throw new Error(`${version.toString()}: ${JSON.stringify(error.issues)} in ${JSON.stringify(body)}`);
};
const shownAt = ({ since, until }: Route, version: Microversion): boolean => (since === undefined || version.atLeast(since)) && (until === undefined || version.minor <= Number(until.slice(2)));

describe.each(ROUTES)('GET $path', (route) => {
  it.each(route.admin ? (['admin'] as const) : (['reader', 'admin'] as const))('for %s', async (as) => {
    for (const version of edges) {
      const url = `/compute/v2.1${version.atLeast('2.53') ? (route.uuids ?? route.path) : route.path}`;
      const { status, body, headers } = await cloud.call('GET', url, { as, version: version.toString() });
      expect([version.toString(), status]).toEqual([version.toString(), shownAt(route, version) ? 200 : 404]);
      expect(headers).toMatchObject({ 'openstack-api-version': `compute ${version.toString()}`, 'x-openstack-nova-api-version': version.toString(), vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version' });
      if (status === 200) check(route.schema, version, body);
    }
  });
  if (route.admin) it('not for members', async () => expect((await cloud.call('GET', `/compute/v2.1${route.path}`)).status).toBe(403));
});

describe('writes at every version', () => {
  it('POST /servers', async () => {
    for (const version of all) {
      const server = { name: 's', imageRef: IMAGE_ID, flavorRef: '1', ...(version.atLeast('2.37') && { networks: 'none' }) };
      const { status, body, headers } = await cloud.call('POST', '/compute/v2.1/servers', { version: version.toString(), body: { server } });
      expect(status).toBe(202);
      check(answers.ServerCreated, version, body);
      expect(headers['location']).toBe(body.server.links[0].href);
    }
  });
  it('PUT /servers/{id}', async () => {
    for (const version of edges) {
      const { status, body } = await cloud.call('PUT', `/compute/v2.1/servers/${SERVER_ID}`, { version: version.toString(), body: { server: { name: 'new' } } });
      expect([status, body.server.name]).toEqual([200, 'new']);
      check(answers.ServerUpdated, version, body);
    }
  });
  it('keypairs: 200 and 202 at 2.1, 201 and 204 from 2.2', async () => {
    for (const version of edges) {
      const made = await cloud.call('POST', '/compute/v2.1/os-keypairs', { version: version.toString(), body: { keypair: { name: 'k', ...(version.atLeast('2.92') && { public_key: 'ssh-ed25519 AAAA k' }) } } });
      check(answers.KeypairCreated, version, made.body);
      const gone = await cloud.call('DELETE', '/compute/v2.1/os-keypairs/k', { version: version.toString() });
      expect([made.status, gone.status, gone.text]).toEqual(version.atLeast('2.2') ? [201, 204, ''] : [200, 202, '']);
    }
  });
  it('flavors: 200 and 202', async () => {
    for (const version of edges) {
      const made = await cloud.call('POST', '/compute/v2.1/flavors', { as: 'admin', version: version.toString(), body: { flavor: { name: 'f', ram: 64, vcpus: '1', disk: 1, id: null } } });
      expect(made.status).toBe(200);
      check(answers.FlavorAnswer, version, made.body);
      expect((await cloud.call('DELETE', '/compute/v2.1/flavors/1', { as: 'admin', version: version.toString() })).status).toBe(202);
    }
  });
  it('server groups: 200 and 204', async () => {
    for (const version of edges) {
      const made = await cloud.call('POST', '/compute/v2.1/os-server-groups', { version: version.toString(), body: { server_group: { name: 'g', ...(version.atLeast('2.64') ? { policy: 'affinity' } : { policies: ['affinity'] }) } } });
      expect(made.status).toBe(200);
      check(answers.ServerGroupAnswer, version, made.body);
      expect((await cloud.call('DELETE', `/compute/v2.1/os-server-groups/${GROUP_ID}`, { version: version.toString() })).status).toBe(204);
    }
  });
  it('services: by name before 2.53, by id from then on', async () => {
    for (const version of edges) {
      const [url, body] = version.atLeast('2.53')
        ? [`/compute/v2.1/os-services/${HOST_ID}`, { status: 'disabled', disabled_reason: 'x' }]
        : ['/compute/v2.1/os-services/disable-log-reason', { host: 'alpha', binary: 'nova-compute', disabled_reason: 'x' }];
      const answer = await cloud.call('PUT', url as string, { as: 'admin', version: version.toString(), body });
      expect([answer.status, answer.body.service.status, answer.body.service.disabled_reason]).toEqual([200, 'disabled', 'x']);
      check(answers.ServiceUpdated, version, answer.body);
    }
  });
});

it('a server in ERROR keeps its shape', async () => {
  cloud.answer(getServer, failedInstance);
  cloud.answer(listServers, () => ({ instances: [failedInstance(), instance({ intent: 'stopped', observedState: 'stopped' })], more: false }));
  for (const version of edges) {
    for (const as of ['reader', 'admin'] as const) {
      check(answers.ServerAnswer, version, (await cloud.call('GET', `/compute/v2.1/servers/${SERVER_ID}`, { as, version: version.toString() })).body);
      check(answers.ServerDetailList, version, (await cloud.call('GET', '/compute/v2.1/servers/detail', { as, version: version.toString() })).body);
    }
  }
  cloud.reset();
});
