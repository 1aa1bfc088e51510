/**
 * The shapes of answers at each microversion, for the OpenAPI document and for tests that hold the views to them.
 * Strict: a key too many breaks a client that parses strictly as surely as a key too few.
 */
import { z } from 'zod';
import { has, type Microversion } from '#libs/openstack';
import { versioned } from '../http/read-input.js';

const Link = z.strictObject({ rel: z.string(), href: z.url() });
const Links = z.array(Link);
const next = { rel: z.literal('next'), href: z.url() };
const NextLinks = z.array(z.strictObject(next)).optional();
/** 2026-01-02T15:04:05Z */
const Seconds = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
/** 2026-01-02T15:04:05.000000 */
const Micros = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
const Id = z.uuid();
const Strings = z.record(z.string(), z.string());

const Version = { id: z.string(), status: z.string(), version: z.string(), min_version: z.string(), updated: Seconds };
export const VersionList = z.strictObject({ versions: z.array(z.strictObject({ ...Version, links: Links })) });
export const VersionDocument = z.strictObject({
  version: z.strictObject({
    ...Version,
    links: z.array(z.strictObject({ rel: z.string(), type: z.string().optional(), href: z.url() })),
    'media-types': z.array(z.strictObject({ base: z.string(), type: z.string() })),
  }),
});

const flavorBrief = (version: Microversion) => ({
  id: z.string(), name: z.string(), links: Links, ...(has(version, 'flavor.description') && { description: z.string().nullable() }),
});
const flavor = (version: Microversion) => z.strictObject({
  ...flavorBrief(version),
  ram: z.int(), disk: z.int(), swap: has(version, 'query.strict') ? z.int() : z.union([z.int(), z.literal('')]), 'OS-FLV-EXT-DATA:ephemeral': z.int(), 'OS-FLV-DISABLED:disabled': z.boolean(),
  vcpus: z.int(), 'os-flavor-access:is_public': z.boolean(), rxtx_factor: z.number(),
  ...(has(version, 'flavor.extra-specs') && { extra_specs: Strings }),
});
export const FlavorAnswer = versioned((version) => z.strictObject({ flavor: flavor(version) }));
export const FlavorList = versioned((version) => z.strictObject({ flavors: z.array(z.strictObject(flavorBrief(version))), flavors_links: NextLinks }));
export const FlavorDetailList = versioned((version) => z.strictObject({ flavors: z.array(flavor(version)), flavors_links: NextLinks }));
export const ExtraSpecs = z.strictObject({ extra_specs: Strings });
/** One key and its value. */
export const ExtraSpec = Strings;
export const FlavorAccess = z.strictObject({ flavor_access: z.array(z.strictObject({ flavor_id: z.string(), tenant_id: z.string() })) });

const EmbeddedFlavor = z.strictObject({ vcpus: z.int(), ram: z.int(), disk: z.int(), ephemeral: z.int(), swap: z.int(), original_name: z.string(), extra_specs: Strings });

const serverCommon = (version: Microversion) => ({
  id: Id, name: z.string(), status: z.string(), tenant_id: z.string(), user_id: z.string(), metadata: Strings, hostId: z.string(),
  image: z.strictObject({ id: Id, links: Links }),
  flavor: has(version, 'server.embedded-flavor') ? EmbeddedFlavor : z.strictObject({ id: z.string(), links: Links }),
  created: Seconds, updated: Seconds, addresses: z.strictObject({}), accessIPv4: z.string(), accessIPv6: z.string(), links: Links,
  'OS-DCF:diskConfig': z.enum(['AUTO', 'MANUAL']), progress: z.int().optional(),
  fault: z.strictObject({ code: z.int(), created: Seconds, message: z.string(), details: z.string().optional() }).optional(),
  ...(has(version, 'server.locked') && { locked: z.boolean() }),
  ...(has(version, 'server.description') && { description: z.string().nullable() }),
  ...(has(version, 'server.tags') && { tags: z.array(z.string()) }),
  ...(has(version, 'server.trusted-certificates') && { trusted_image_certificates: z.null() }),
  ...(has(version, 'server.locked-reason') && { locked_reason: z.string().nullable() }),
  ...(has(version, 'server.hostname') && { 'OS-EXT-SRV-ATTR:hostname': z.string() }),
});

/** Admins see all of these or none. */
const hostAttributes = (version: Microversion) => ({
  'OS-EXT-SRV-ATTR:host': z.string().nullable().optional(),
  'OS-EXT-SRV-ATTR:instance_name': z.string().optional(),
  'OS-EXT-SRV-ATTR:hypervisor_hostname': z.string().nullable().optional(),
  ...(has(version, 'server.more-attributes') && {
    'OS-EXT-SRV-ATTR:reservation_id': z.string().optional(), 'OS-EXT-SRV-ATTR:launch_index': z.int().optional(),
    ...(!has(version, 'server.hostname') && { 'OS-EXT-SRV-ATTR:hostname': z.string().optional() }),
    'OS-EXT-SRV-ATTR:kernel_id': z.string().optional(), 'OS-EXT-SRV-ATTR:ramdisk_id': z.string().optional(),
    'OS-EXT-SRV-ATTR:root_device_name': z.string().nullable().optional(),
  }),
  ...(has(version, 'server.host-status') && { host_status: z.enum(['', 'UP', 'UNKNOWN', 'MAINTENANCE', 'DOWN']).optional() }),
});

const serverExtended = (version: Microversion) => ({
  ...hostAttributes(version),
  'OS-EXT-AZ:availability_zone': z.string(), config_drive: z.enum(['', 'True']), key_name: z.string().nullable(),
  'OS-SRV-USG:launched_at': Micros.nullable(), 'OS-SRV-USG:terminated_at': Micros.nullable(),
  'OS-EXT-STS:task_state': z.string().nullable(), 'OS-EXT-STS:vm_state': z.string(), 'OS-EXT-STS:power_state': z.int(),
  'os-extended-volumes:volumes_attached': z.array(z.never()),
  ...(has(version, 'server.pinned-zone') && { pinned_availability_zone: z.string().nullable() }),
});
const serverGroups = (version: Microversion) => (has(version, 'server.groups') ? { server_groups: z.array(Id).max(1) } : {});
const adminUserData = (version: Microversion) => (has(version, 'server.more-attributes') ? { 'OS-EXT-SRV-ATTR:user_data': z.string().nullable().optional() } : {});
const serverEntry = (version: Microversion) => ({ ...serverCommon(version), ...serverExtended(version), ...adminUserData(version) });
export const ServerAnswer = versioned((version) => z.strictObject({ server: z.strictObject({ ...serverEntry(version), ...serverGroups(version) }) }));
export const ServerUpdated = versioned((version) => z.strictObject({
  server: z.strictObject({ ...(has(version, 'server.same-everywhere') ? serverEntry(version) : serverCommon(version)), ...serverGroups(version) }),
}));
export const ServerRebuilt = versioned((version) => z.strictObject({
  server: z.strictObject({
    ...serverCommon(version), ...(has(version, 'server.same-everywhere') && serverExtended(version)), ...serverGroups(version), adminPass: z.string(),
    ...(has(version, 'server-rebuild.key-name') && { key_name: z.string().nullable() }), ...(has(version, 'server-rebuild.user-data') && { user_data: z.string().nullable() }),
  }),
}));
export const ServerList = z.strictObject({ servers: z.array(z.strictObject({ id: Id, name: z.string(), links: Links })), servers_links: NextLinks });
export const ServerDetailList = versioned((version) => z.strictObject({ servers: z.array(z.strictObject(serverEntry(version))), servers_links: NextLinks }));
export const ServerCreated = z.union([
  z.strictObject({ server: z.strictObject({ id: Id, links: Links, 'OS-DCF:diskConfig': z.string(), security_groups: z.array(z.strictObject({ name: z.string() })), adminPass: z.string() }) }),
  z.strictObject({ reservation_id: z.string() }),
]);
export const ConsoleOutput = z.strictObject({ output: z.string() });
export const EvacuateAnswer = z.strictObject({ adminPass: z.string() });
const ConsoleUrl = z.strictObject({ console: z.strictObject({ type: z.string(), url: z.url() }) });
/** The actions that answer something at once. */
export const ActionResult = versioned((version) => {
  if (has(version, 'server-evacuate.no-shared-storage')) return ConsoleOutput;
  return z.union([ConsoleOutput, EvacuateAnswer, ...(version.below('2.6') ? [ConsoleUrl] : [])]);
});

export const MetadataAnswer = z.strictObject({ metadata: Strings });
export const MetadataItem = z.strictObject({ meta: Strings });
export const TagsAnswer = z.strictObject({ tags: z.array(z.string()) });
export const AddressesAnswer = z.strictObject({ addresses: z.strictObject({}) });
export const TopologyAnswer = z.strictObject({
  nodes: z.array(z.strictObject({
    vcpu_set: z.array(z.int()), siblings: z.array(z.array(z.int())), memory_mb: z.int(),
    /** For administrators. */
    host_node: z.int().optional(), cpu_pinning: z.record(z.string(), z.int()).optional(),
  })),
  pagesize_kb: z.int().nullable(),
});
export const InterfacesAnswer = z.strictObject({ interfaceAttachments: z.array(z.never()) });
export const VolumesAnswer = z.strictObject({ volumeAttachments: z.array(z.never()) });
export const SecurityGroupsAnswer = z.strictObject({ security_groups: z.array(z.never()) });

const keypairBrief = (version: Microversion) => ({
  name: z.string(), public_key: z.string(), fingerprint: z.string(), ...(has(version, 'keypair.type') && { type: z.enum(['ssh', 'x509']) }),
});
export const KeypairCreated = versioned((version) => z.strictObject({ keypair: z.strictObject({ ...keypairBrief(version), user_id: z.string(), ...(!has(version, 'keypair.import-only') && { private_key: z.string().optional() }) }) }));
export const KeypairAnswer = versioned((version) => z.strictObject({
  keypair: z.strictObject({
    ...keypairBrief(version), user_id: z.string(), id: z.int(), created_at: Micros, updated_at: z.null(), deleted: z.literal(false), deleted_at: z.null(),
  }),
}));
export const KeypairList = versioned((version) => z.strictObject({
  keypairs: z.array(z.strictObject({ keypair: z.strictObject(keypairBrief(version)) })),
  ...(has(version, 'keypair.paging') && { keypairs_links: NextLinks }),
}));

const hostId = (version: Microversion) => (has(version, 'hypervisor.uuid') ? Id : z.int());
const hypervisorBrief = (version: Microversion) => ({
  id: hostId(version), hypervisor_hostname: z.string(), state: z.enum(['up', 'down']), status: z.enum(['enabled', 'disabled']),
  servers: z.array(z.strictObject({ name: z.string(), uuid: Id })).optional(),
});
const Usage = {
  vcpus: z.int(), memory_mb: z.int(), local_gb: z.int(), vcpus_used: z.int(), memory_mb_used: z.int(), local_gb_used: z.int(), free_ram_mb: z.int(),
  free_disk_gb: z.int(), current_workload: z.int(), running_vms: z.int(), disk_available_least: z.int(),
};
const hypervisor = (version: Microversion) => z.strictObject({
  ...hypervisorBrief(version), hypervisor_type: z.string(), hypervisor_version: z.int(), host_ip: z.string(),
  service: z.strictObject({ id: hostId(version), host: z.string(), disabled_reason: z.string().nullable() }),
  ...(has(version, 'hypervisor.lean') ? { uptime: z.string() } : { ...Usage, cpu_info: has(version, 'hypervisor.cpu-object') ? z.record(z.string(), z.unknown()) : z.string() }),
});
const hypervisorLinks = (version: Microversion) => (has(version, 'hypervisor.paging') ? { hypervisors_links: NextLinks } : {});
export const HypervisorAnswer = versioned((version) => z.strictObject({ hypervisor: hypervisor(version) }));
export const HypervisorList = versioned((version) => z.strictObject({ hypervisors: z.array(z.strictObject(hypervisorBrief(version))), ...hypervisorLinks(version) }));
export const HypervisorDetailList = versioned((version) => z.strictObject({ hypervisors: z.array(hypervisor(version)), ...hypervisorLinks(version) }));
export const HypervisorStatistics = z.strictObject({ hypervisor_statistics: z.strictObject({ count: z.int(), ...Usage }) });

const service = (version: Microversion) => z.strictObject({
  binary: z.string(), host: z.string(), id: hostId(version), zone: z.string(), status: z.enum(['enabled', 'disabled']), state: z.enum(['up', 'down']),
  updated_at: Micros.nullable(), disabled_reason: z.string().nullable(), ...(has(version, 'service.forced-down') && { forced_down: z.boolean() }),
});
export const ServiceList = versioned((version) => z.strictObject({ services: z.array(service(version)) }));
export const ServiceUpdated = versioned((version) => z.strictObject({
  service: has(version, 'hypervisor.uuid')
    ? service(version)
    : z.strictObject({ host: z.string(), binary: z.string(), status: z.string().optional(), disabled_reason: z.string().optional(), forced_down: z.boolean().optional() }),
}));

const ZoneHost = z.record(z.string(), z.strictObject({ available: z.boolean(), active: z.boolean(), updated_at: Micros.nullable() }));
export const ZoneList = z.strictObject({
  availabilityZoneInfo: z.array(z.strictObject({ zoneName: z.string(), zoneState: z.strictObject({ available: z.boolean() }), hosts: z.record(z.string(), ZoneHost).nullable() })),
});

const serverGroup = (version: Microversion) => z.strictObject({
  id: Id, name: z.string(), members: z.array(Id),
  ...(has(version, 'server-group.rules')
    ? { policy: z.string(), rules: z.strictObject({ max_server_per_host: z.int().optional() }) }
    : { policies: z.array(z.string()).length(1), metadata: z.strictObject({}) }),
  ...(has(version, 'server-group.owner') && { project_id: z.string(), user_id: z.string() }),
});
export const ServerGroupAnswer = versioned((version) => z.strictObject({ server_group: serverGroup(version) }));
export const ServerGroupList = versioned((version) => z.strictObject({ server_groups: z.array(serverGroup(version)) }));

export const HostList = z.strictObject({ hosts: z.array(z.strictObject({ host_name: z.string(), service: z.literal('compute'), zone: z.string() })) });
export const HostAnswer = z.strictObject({
  host: z.array(z.strictObject({ resource: z.strictObject({ host: z.string(), project: z.string(), cpu: z.int(), memory_mb: z.int(), disk_gb: z.int() }) })),
});
export const HostUpdated = z.strictObject({ host: z.string(), status: z.enum(['enabled', 'disabled']) });

const serverUsage = z.strictObject({
  hours: z.number(), flavor: z.string(), instance_id: Id, name: z.string(), tenant_id: z.string(), memory_mb: z.int(), local_gb: z.int(), vcpus: z.int(), started_at: Micros,
  ended_at: Micros.nullable(), state: z.string(), uptime: z.int(),
});
const projectUsage = z.strictObject({
  tenant_id: z.string(), server_usages: z.array(serverUsage).optional(), total_local_gb_usage: z.number(), total_vcpus_usage: z.number(), total_memory_mb_usage: z.number(),
  total_hours: z.number(), start: Micros, stop: Micros,
});
export const UsageList = versioned((version) => z.strictObject({ tenant_usages: z.array(projectUsage), ...(has(version, 'usage.paging') && { tenant_usages_links: NextLinks }) }));
export const UsageAnswer = versioned((version) => z.strictObject({
  tenant_usage: projectUsage, ...(has(version, 'usage.paging') && { tenant_usage_links: NextLinks }),
}));

const migration = (version: Microversion) => z.strictObject({
  id: z.int(), source_compute: z.string(), source_node: z.string(), dest_compute: z.string().nullable(), dest_node: z.string().nullable(), dest_host: z.string().nullable(),
  status: z.string(), instance_uuid: Id, old_instance_type_id: z.union([z.int(), z.string()]), new_instance_type_id: z.union([z.int(), z.string()]), created_at: Micros, updated_at: Micros,
  ...(has(version, 'migration.type') && { migration_type: z.string() }), ...(has(version, 'migration.paging') && { uuid: Id }),
  ...(has(version, 'migration.owner') && { user_id: z.string(), project_id: z.string() }),
});
export const MigrationList = versioned((version) => z.strictObject({ migrations: z.array(migration(version)), ...(has(version, 'migration.paging') && { migrations_links: NextLinks }) }));
/** Live migrations under way: none is offered, so there are none. */
export const ServerMigrationList = z.strictObject({ migrations: z.array(z.never()) });

export const LimitsAnswer = z.strictObject({ limits: z.strictObject({ rate: z.array(z.never()), absolute: z.record(z.string(), z.int()) }) });
export const QuotaSet = z.strictObject({ quota_set: z.record(z.string(), z.union([z.int(), z.string()])) });
export const QuotaClassSet = z.strictObject({ quota_class_set: z.record(z.string(), z.union([z.int(), z.string()])) });
export const QuotaSetDetail = z.strictObject({ quota_set: z.record(z.string(), z.union([z.string(), z.strictObject({ limit: z.int(), in_use: z.int(), reserved: z.int() })])) });

const Extension = z.strictObject({ alias: z.string(), name: z.string(), description: z.string(), links: z.array(z.never()), namespace: z.string(), updated: Seconds });
export const ExtensionList = z.strictObject({ extensions: z.array(Extension) });
export const ExtensionAnswer = z.strictObject({ extension: Extension });
const newAggregate = (version: Microversion) => z.strictObject({
  id: z.int(), ...(has(version, 'aggregate.uuid') && { uuid: z.uuid() }), name: z.string(), availability_zone: z.string().nullable(),
  created_at: Micros, updated_at: Micros.nullable(), deleted: z.literal(false), deleted_at: z.null(),
});
const aggregate = (version: Microversion) => newAggregate(version).extend({ hosts: z.array(z.string()), metadata: z.record(z.string(), z.string()) });
export const NewAggregate = versioned((version) => z.strictObject({ aggregate: newAggregate(version) }));
export const AggregateAnswer = versioned((version) => z.strictObject({ aggregate: aggregate(version) }));
export const AggregateList = versioned((version) => z.strictObject({ aggregates: z.array(aggregate(version)) }));
