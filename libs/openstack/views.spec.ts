/** The shapes of answers at each version, held against what the stock services were recorded to answer. */
import { describe, expect, it } from '@jest/globals';
import type { Flavor, HostView, InstanceView, Keypair } from '#libs/contracts';
import { flavorBrief, flavorDetail, flavorList } from './flavor.view.js';
import { hypervisorDetail, hypervisorList, hypervisorStatistics } from './hypervisor.view.js';
import { keypairCreated, keypairDetail, keypairList } from './keypair.view.js';
import { limitsView, quotaSetDetail, quotaSetView } from './limits.view.js';
import { computeLinks } from './links.js';
import { Microversion, type VersionText } from './microversion.js';
import { serverCreated, serverDetail, serverEntry, serverUpdated } from './server.view.js';
import { serviceView } from './service.view.js';
import { versionListView, versionView } from './version-document.view.js';
import { zoneDetail, zoneList } from './zone.view.js';

const links = computeLinks('http://HOST');
const at = (version: VersionText) => ({ version: Microversion.of(version), links });
const keys = (value: object): string[] => Object.keys(value).sort();
const list = (text: string): string[] => text.split(/,\s*/).filter((each) => each !== '').sort();

const flavor: Flavor = {
  id: '1', name: 'm1.nano', vcpus: 1, ramMib: 64, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: { a: 'b' },
};
const instance: InstanceView = {
  id: '6a1b5f10-5b1e-4a0e-8f0e-2c7f6a9d1e01' as InstanceView['id'], projectId: 'p', userId: 'u', name: 's', hostname: 's', description: 'd', metadata: {}, tags: ['t'],
  intent: 'running', generation: 1, specGeneration: 1, rebootCount: 0, rebootType: 'soft', flavor, imageId: 'ba60c579-ab0b-4a56-a8b2-3e60facc3408' as InstanceView['imageId'],
  keyName: null, userData: 'aGk=', configDrive: true, requestedZone: null, availabilityZone: 'nova', hostId: '0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as HostView['id'], hostName: 'alpha',
  reservationId: 'r-1', launchIndex: 0, groupId: null, locked: false, lockedReason: null, rebuilding: false, moveKind: null, movePhase: null, observedState: 'running', observedGeneration: 1, observedRebootCount: 0, step: 'settled', fault: null,
  createdAt: '2026-11-21T01:02:03.456Z', updatedAt: '2026-11-21T01:02:04.456Z', launchedAt: '2026-11-21T01:02:05.456Z', terminatedAt: null,
};
const host: HostView = {
  id: '0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as HostView['id'], number: 3, name: 'alpha', availabilityZone: 'nova', enabled: true, disabledReason: null, alive: true, hypervisorUp: true,
  lastSeenAt: '2026-11-21T01:02:03.400Z', simulated: false, virtType: 'kvm', agentVersion: '1', capabilities: [],
  inventory: {
    generation: 1, vcpus: 4, memoryMib: 8192, diskGib: 50, reservedMemoryMib: 512, reservedDiskGib: 5, cpuModel: 'EPYC', cpuArch: 'x86_64', cells: [{ id: 0, cpus: [0, 1, 2, 3], memoryMib: 8192, socket: 0, cores: [], pages: [], distances: [10] }],
    sharedCpus: null, dedicatedCpus: [], cpuFlags: [], traits: [], resources: {},
    virtType: 'kvm', hypervisorVersion: 7_002_000, libvirtVersion: 9_000_000, hostAddress: '10.0.0.1',
  },
  used: { vcpus: 2, memoryMib: 128, diskGib: 2, instances: 2 }, ratios: { cpu: 4, ram: 1, disk: 1 }, bootId: null, epoch: 1, updatedAt: '2026-11-21T01:02:03.400Z',
};
const keypair: Keypair = { id: 7, userId: 'u', name: 'k', type: 'ssh', fingerprint: 'f', publicKey: 'ssh-ed25519 AAAA', createdAt: '2026-11-21T01:02:03.456Z' };

// Recorded from a stock cloud for an admin, a server without a NIC.
const RECORDED_21 = list(`id, name, status, tenant_id, user_id, metadata, hostId, image, flavor, created, updated, addresses, accessIPv4, accessIPv6, links, OS-DCF:diskConfig, progress,
  OS-EXT-AZ:availability_zone, config_drive, key_name, OS-SRV-USG:launched_at, OS-SRV-USG:terminated_at, OS-EXT-SRV-ATTR:host, OS-EXT-SRV-ATTR:instance_name, OS-EXT-SRV-ATTR:hypervisor_hostname,
  OS-EXT-STS:task_state, OS-EXT-STS:vm_state, OS-EXT-STS:power_state, os-extended-volumes:volumes_attached`);
const RECORDED_237 = list(`id, name, status, tenant_id, user_id, metadata, hostId, image, flavor, created, updated, addresses, accessIPv4, accessIPv6, links, OS-DCF:diskConfig, progress,
  OS-EXT-AZ:availability_zone, config_drive, key_name, OS-SRV-USG:launched_at, OS-SRV-USG:terminated_at, OS-EXT-SRV-ATTR:host, OS-EXT-SRV-ATTR:instance_name, OS-EXT-SRV-ATTR:hypervisor_hostname,
  OS-EXT-SRV-ATTR:reservation_id, OS-EXT-SRV-ATTR:launch_index, OS-EXT-SRV-ATTR:hostname, OS-EXT-SRV-ATTR:kernel_id, OS-EXT-SRV-ATTR:ramdisk_id, OS-EXT-SRV-ATTR:root_device_name,
  OS-EXT-SRV-ATTR:user_data, OS-EXT-STS:task_state, OS-EXT-STS:vm_state, OS-EXT-STS:power_state, os-extended-volumes:volumes_attached, host_status, locked, description, tags`);
const MORE_ATTRIBUTES = ['reservation_id', 'launch_index', 'hostname', 'kernel_id', 'ramdisk_id', 'root_device_name', 'user_data'].map((each) => `OS-EXT-SRV-ATTR:${each}`);

const SINCE_26 = [...MORE_ATTRIBUTES, 'locked', 'host_status', 'description', 'tags'];

describe('servers', () => {
  const shown = (version: VersionText, isAdmin: boolean, change: Partial<InstanceView> = {}) => serverDetail({ ...instance, ...change }, { ...at(version), isAdmin });
  const withHost = (version: VersionText, hostOf: () => HostView | undefined) => serverDetail(instance, { ...at(version), isAdmin: true, hostOf });

  it('2.1 as recorded', () => expect(keys(shown('2.1', true))).toEqual(RECORDED_21));
  it('2.37 as recorded', () => expect(keys(shown('2.37', true))).toEqual(RECORDED_237));

  it.each<[VersionText, string[]]>([
    ['2.2', []], ['2.3', MORE_ATTRIBUTES], ['2.8', MORE_ATTRIBUTES], ['2.9', [...MORE_ATTRIBUTES, 'locked']], ['2.15', [...MORE_ATTRIBUTES, 'locked']],
    ['2.16', [...MORE_ATTRIBUTES, 'locked', 'host_status']], ['2.19', [...MORE_ATTRIBUTES, 'locked', 'host_status', 'description']],
    ['2.25', [...MORE_ATTRIBUTES, 'locked', 'host_status', 'description']], ['2.26', [...MORE_ATTRIBUTES, 'locked', 'host_status', 'description', 'tags']],
    ['2.62', SINCE_26], ['2.63', [...SINCE_26, 'trusted_image_certificates']], ['2.70', [...SINCE_26, 'trusted_image_certificates']],
    ['2.71', [...SINCE_26, 'trusted_image_certificates', 'server_groups']], ['2.72', [...SINCE_26, 'trusted_image_certificates', 'server_groups']],
    ['2.73', [...SINCE_26, 'trusted_image_certificates', 'server_groups', 'locked_reason']], ['2.95', [...SINCE_26, 'trusted_image_certificates', 'server_groups', 'locked_reason']],
    ['2.96', [...SINCE_26, 'trusted_image_certificates', 'server_groups', 'locked_reason', 'pinned_availability_zone']],
  ])('%s has more than 2.1: %j', (version, more) => expect(keys(shown(version, true))).toEqual([...RECORDED_21, ...more].sort()));

  it('shows hosts to admins only', () => {
    for (const version of ['2.1', '2.3', '2.16', '2.61'] as const) expect(keys(shown(version, false)).filter((key) => /ATTR|host_status/.test(key))).toEqual([]);
  });

  it('shows the hostname to everyone from 2.90 on', () => {
    expect(shown('2.89', false)).not.toHaveProperty('OS-EXT-SRV-ATTR:hostname');
    expect(keys(shown('2.90', false)).filter((key) => key.includes('ATTR'))).toEqual(['OS-EXT-SRV-ATTR:hostname']);
  });

  it('has its group in one server’s answer, never in a list', () => {
    const groupId = '616fb98f-46ca-475e-917e-2563e5a8cd19';
    expect(shown('2.71', false, { groupId }).server_groups).toEqual([groupId]);
    expect(shown('2.71', false).server_groups).toEqual([]);
    expect(serverEntry({ ...instance, groupId }, { ...at('2.96'), isAdmin: true })).not.toHaveProperty('server_groups');
  });

  it('carries its flavor from 2.47 on, without the id', () => {
    expect(keys(shown('2.46', false).flavor)).toEqual(['id', 'links']);
    expect(shown('2.47', false).flavor).toEqual({ vcpus: 1, ram: 64, disk: 1, ephemeral: 0, swap: 0, original_name: 'm1.nano', extra_specs: { a: 'b' } });
  });

  it('writes dates as clients parse them', () => {
    expect(shown('2.1', false)).toMatchObject({ created: '2026-11-21T01:02:03Z', updated: '2026-11-21T01:02:04Z', 'OS-SRV-USG:launched_at': '2026-11-21T01:02:05.456000', 'OS-SRV-USG:terminated_at': null });
  });

  it('says UP, UNKNOWN, MAINTENANCE or nothing of its host', () => {
    const status = (of: HostView | undefined) => withHost('2.16', () => of).host_status;
    expect([status(host), status({ ...host, alive: false }), status({ ...host, enabled: false }), status(undefined)]).toEqual(['UP', 'UNKNOWN', 'MAINTENANCE', 'UNKNOWN']);
    expect(shown('2.16', true, { hostId: null, hostName: null }).host_status).toBe('');
  });

  it('has a fault only in ERROR; its details are for admins', () => {
    const fault = { code: 500, message: 'No valid host was found.', details: 'numbers', createdAt: '2026-11-21T01:02:05.000Z' };
    const failed = { fault, step: 'failed', launchedAt: null, hostId: null, hostName: null, observedState: null };
    expect(shown('2.1', false, failed)).toMatchObject({ status: 'ERROR', hostId: '', fault: { code: 500, created: '2026-11-21T01:02:05Z', message: 'No valid host was found.' } });
    expect(shown('2.1', false, failed).fault).not.toHaveProperty('details');
    expect(shown('2.1', true, failed).fault).toHaveProperty('details', 'numbers');
    expect(shown('2.1', true, failed)).not.toHaveProperty('progress');
    expect(shown('2.1', true, { fault })).not.toHaveProperty('fault');
  });

  it('PUT answers without what began as extensions', () => {
    expect(keys(serverUpdated(instance, { ...at('2.1'), isAdmin: true }))).toEqual(RECORDED_21.filter((key) => key === 'OS-DCF:diskConfig' || !/^OS-|^os-|config_drive|key_name/.test(key)));
  });

  it('PUT answers as GET does from 2.75 on', () => {
    for (const version of ['2.75', '2.96'] as const) expect(serverUpdated(instance, { ...at(version), isAdmin: true })).toEqual(shown(version, true));
    expect(keys(serverUpdated(instance, { ...at('2.74'), isAdmin: true }))).not.toContain('key_name');
  });

  it('POST answers as recorded', () => {
    expect(keys(serverCreated(instance.id, links, 'pw', []).server)).toEqual(list('id, links, OS-DCF:diskConfig, security_groups, adminPass'));
    expect(serverCreated(instance.id, links, 'pw', []).server.security_groups).toEqual([{ name: 'default' }]);
  });
});

describe('flavors', () => {
  const RECORDED_237_FLAVOR = list('id, name, ram, disk, swap, OS-FLV-EXT-DATA:ephemeral, OS-FLV-DISABLED:disabled, vcpus, os-flavor-access:is_public, rxtx_factor, links');

  it.each<[VersionText, string]>([['2.1', ''], ['2.37', ''], ['2.54', ''], ['2.55', 'description'], ['2.60', 'description'], ['2.61', 'description, extra_specs']])('%s: also %s', (version, more) =>
    expect(keys(flavorDetail(flavor, at(version)))).toEqual([...RECORDED_237_FLAVOR, ...list(more)].sort()));

  it('has an empty string for no swap, a number for some', () => {
    expect(flavorDetail(flavor, at('2.61')).swap).toBe('');
    expect(flavorDetail({ ...flavor, swapMib: 5 }, at('2.1')).swap).toBe(5);
  });

  it('lists in brief as recorded', () => {
    expect(keys(flavorBrief(flavor, at('2.1')))).toEqual(['id', 'links', 'name']);
    expect(flavorList([flavor], false, { limit: 1, query: [['limit', '1']] }, at('2.61'))).toEqual({
      flavors: [{ id: '1', name: 'm1.nano', links: [{ rel: 'self', href: 'http://HOST/compute/v2.1/flavors/1' }, { rel: 'bookmark', href: 'http://HOST/compute/flavors/1' }], description: null }],
      flavors_links: [{ rel: 'next', href: 'http://HOST/compute/v2.1/flavors?limit=1&marker=1' }],
    });
  });
});

describe('keypairs', () => {
  it('as recorded at 2.10', () => {
    expect(keys(keypairCreated(keypair, 'SECRET', Microversion.of('2.10')).keypair)).toEqual(list('private_key, type, name, public_key, fingerprint, user_id'));
    expect(keys(keypairDetail(keypair, Microversion.of('2.10')).keypair)).toEqual(list('name, public_key, fingerprint, user_id, created_at, deleted, deleted_at, id, updated_at, type'));
    expect(keys(keypairList([keypair], { limit: 1, query: [] }, at('2.10')).keypairs[0]?.keypair ?? {})).toEqual(list('name, public_key, fingerprint, type'));
  });
  it('has no type at 2.1, no private key for an imported one, links from 2.35', () => {
    expect(keys(keypairCreated(keypair, null, Microversion.of('2.1')).keypair)).toEqual(list('name, public_key, fingerprint, user_id'));
    expect(keypairList([keypair], { limit: 1, query: [] }, at('2.34'))).not.toHaveProperty('keypairs_links');
    expect(keypairList([keypair], { limit: 1, query: [] }, at('2.35'))).toHaveProperty('keypairs_links');
  });
});

describe('hypervisors and services', () => {
  it('as recorded at 2.1', () => {
    expect(keys(hypervisorDetail(host, Microversion.of('2.1')))).toEqual(list(`id, hypervisor_hostname, state, status, hypervisor_type, hypervisor_version, host_ip, service, vcpus, memory_mb, local_gb,
      vcpus_used, memory_mb_used, local_gb_used, free_ram_mb, free_disk_gb, current_workload, running_vms, disk_available_least, cpu_info`));
    expect(hypervisorDetail(host, Microversion.of('2.1'))).toMatchObject({ id: 3, service: { id: 3, host: 'alpha', disabled_reason: null }, memory_mb_used: 640, free_ram_mb: 7552, hypervisor_type: 'QEMU' });
  });
  it.each<[VersionText, string, string]>([['2.27', 'string', 'number'], ['2.28', 'object', 'number'], ['2.52', 'object', 'number'], ['2.53', 'object', 'string']])('%s: cpu_info is a %s, the id a %s', (version, cpu, id) => {
    const shown = hypervisorDetail(host, Microversion.of(version));
    expect([typeof (shown as { cpu_info?: unknown }).cpu_info, typeof shown.id, typeof shown.service.id]).toEqual([cpu, id, id]);
  });
  it('shows servers where there are some', () => {
    const serversByHost = new Map([['alpha', [{ id: 'i', name: 's' }]]]);
    expect(hypervisorList([host], { detail: false, page: null, serversByHost }, at('2.53')).hypervisors[0]).toHaveProperty('servers', [{ name: 's', uuid: 'i' }]);
    expect(hypervisorList([host], { detail: false, page: null, serversByHost: new Map() }, at('2.53')).hypervisors[0]).not.toHaveProperty('servers');
  });
  it('calls a simulated host simulated', () => expect(hypervisorDetail({ ...host, simulated: true, virtType: 'simulated' }, Microversion.of('2.1')).hypervisor_type).toBe('simulated'));
  it('sums over hosts that take servers', () => {
    const { hypervisor_statistics: sums } = hypervisorStatistics([host, host, { ...host, enabled: false }]);
    expect(keys(sums)).toEqual(list('count, vcpus, memory_mb, local_gb, vcpus_used, memory_mb_used, local_gb_used, free_ram_mb, free_disk_gb, current_workload, running_vms, disk_available_least'));
    expect(sums).toMatchObject({ count: 2, vcpus: 8, running_vms: 4 });
  });
  it.each<[VersionText, string]>([['2.10', ''], ['2.11', 'forced_down'], ['2.61', 'forced_down']])('services at %s: also %s', (version, more) =>
    expect(keys(serviceView(host, Microversion.of(version)))).toEqual([...list('binary, host, id, zone, status, state, updated_at, disabled_reason'), ...list(more)].sort()));
  it('service dates have no zone letter', () => expect(serviceView(host, Microversion.of('2.1')).updated_at).toBe('2026-11-21T01:02:03.400000'));
});

describe('limits and quota sets', () => {
  const limits = { instances: 10, cores: 20, ramMib: 51_200, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 };
  const usage = { instances: 1, cores: 2, ramMib: 3, keypairs: 4, serverGroups: 5 };
  const RECORDED = list(`maxTotalInstances, maxTotalCores, maxTotalRAMSize, maxServerMeta, maxImageMeta, maxPersonality, maxPersonalitySize, maxTotalKeypairs, maxServerGroups, maxServerGroupMembers,
    maxTotalFloatingIps, maxSecurityGroups, maxSecurityGroupRules, totalRAMUsed, totalCoresUsed, totalInstancesUsed, totalFloatingIpsUsed, totalSecurityGroupsUsed, totalServerGroupsUsed`);
  const NETWORK = list('maxTotalFloatingIps, maxSecurityGroups, maxSecurityGroupRules, totalFloatingIpsUsed, totalSecurityGroupsUsed');

  it.each<[VersionText, string[]]>([['2.1', []], ['2.35', []], ['2.36', NETWORK], ['2.39', [...NETWORK, 'maxImageMeta']], ['2.57', [...NETWORK, 'maxImageMeta', 'maxPersonality', 'maxPersonalitySize']]])('%s: as recorded at 2.1 without %j', (version, gone) =>
    expect(keys(limitsView(limits, usage, Microversion.of(version)).limits.absolute)).toEqual(RECORDED.filter((key) => !gone.includes(key))));

  const RECORDED_QUOTA = list(`id, cores, fixed_ips, floating_ips, injected_file_content_bytes, injected_file_path_bytes, injected_files, instances, key_pairs, metadata_items, ram, security_group_rules,
    security_groups, server_group_members, server_groups`);
  it.each<[VersionText, RegExp]>([['2.1', /^$/], ['2.36', /_ips|security/], ['2.57', /_ips|security|injected/]])('quota set at %s: as recorded without %s', (version, gone) => {
    expect(keys(quotaSetView('p', limits, Microversion.of(version)).quota_set)).toEqual(RECORDED_QUOTA.filter((key) => !gone.test(key)));
    expect(keys(quotaSetDetail('p', limits, usage, Microversion.of(version)).quota_set)).toEqual(RECORDED_QUOTA.filter((key) => !gone.test(key)));
  });
});

describe('zones and versions', () => {
  const zones = [{ name: 'nova', available: true, hosts: [{ name: 'alpha', alive: true, enabled: true, lastSeenAt: null }, { name: 'off', alive: true, enabled: false, lastSeenAt: null }] }, { name: 'gone', available: false, hosts: [] }];
  it('tenants see no hosts, admins those that take servers', () => {
    expect(zoneList(zones).availabilityZoneInfo).toEqual([{ zoneName: 'nova', zoneState: { available: true }, hosts: null }, { zoneName: 'gone', zoneState: { available: false }, hosts: null }]);
    expect(zoneDetail(zones).availabilityZoneInfo.map(({ hosts }) => hosts)).toEqual([{ alpha: { 'nova-compute': { available: true, active: true, updated_at: null } } }, null]);
  });
  it('discovery has the shapes that clients read', () => {
    expect(keys(versionListView('http://HOST').versions[0] ?? {})).toEqual(list('id, status, version, min_version, updated, links'));
    expect(keys(versionView('http://HOST').version)).toEqual(list('id, status, version, min_version, updated, links, media-types'));
    expect(versionView('http://HOST').version.links[0]).toEqual({ rel: 'self', href: 'http://HOST/compute/v2.1/' });
  });
});
