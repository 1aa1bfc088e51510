import { z } from 'zod';
import { has, type Microversion } from '#libs/openstack';
import { base64, description, flag, integer, metadata, name, uuid, uuidOrEmpty } from '../../http/input-types.js';
import { versioned } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';
import { certificates, diskConfig, hostname, hostOrDomain, Tag as tag } from './server-parts.schema.js';

const address = z.union([z.ipv4(), z.ipv6()]);
const volumeSize = integer(1);

/** Those that place, and those whose filters are not among Nova's default ones: their shape is checked, and that is all. */
const hinted = {
  group: z.union([uuid, z.array(uuid)]).optional(),
  same_host: z.union([uuid, z.array(uuid)]).optional(), different_host: z.union([uuid, z.array(uuid)]).optional(),
  query: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(), target_cell: name.optional(), different_cell: z.union([z.string(), z.array(z.string())]).optional(),
  build_near_host_ip: address.optional(), cidr: z.string().regex(/^\/[0-9a-f.:]+$/).optional(),
};

const withTags = (version: Microversion, from: '2.32' | '2.42', until?: '2.33' | '2.37') => (version.atLeast(from) && (until === undefined || version.below(until)) ? { tag: tag.optional() } : {});

const deviceMapping = {
  virtual_name: z.string().max(255).optional(), volume_id: uuid.optional(), snapshot_id: uuid.optional(), volume_size: volumeSize.optional(),
  device_name: z.string().min(1).max(255).regex(/^[a-zA-Z0-9._/-]*$/).optional(), delete_on_termination: flag.optional(), no_device: z.unknown().optional(),
  connection_info: z.string().optional(),
};
const deviceMappingV2 = (version: Microversion) => z.strictObject({
  ...deviceMapping,
  source_type: z.enum(['volume', 'image', 'snapshot', 'blank']).optional(), uuid: z.string().min(1).max(255).regex(/^[a-zA-Z0-9._-]*$/).optional(), image_id: uuid.optional(),
  destination_type: z.enum(['local', 'volume']).optional(), guest_format: z.string().max(255).optional(), device_type: z.string().max(255).optional(), disk_bus: z.string().max(255).optional(),
  boot_index: z.union([z.int(), z.string().regex(/^-?[0-9]+$/), z.null()]).optional(),
  ...withTags(version, '2.32', '2.33'), ...withTags(version, '2.42'),
  ...(has(version, 'server-create.volume-type') && { volume_type: z.string().max(255).nullable().optional() }),
});

/** From 2.37 it must be there and may be a word; how its networks are named is checked although none can be had yet. */
function networks(version: Microversion) {
  const strict = has(version, 'server-create.networks-required');
  const list = z.array(z.strictObject({
    fixed_ip: address.optional(), port: uuid.nullable().optional(), uuid: (strict ? uuid : z.string()).optional(),
    ...withTags(version, '2.32', '2.37'), ...withTags(version, '2.42'),
  }));
  return strict ? z.union([list, z.enum(['none', 'auto'])]) : list.optional();
}

export const CreateServerBody = versioned((version) => {
  const hints = z.looseObject(hinted).optional();
  return z.strictObject({
    server: z.strictObject({
      name,
      flavorRef: z.union([z.string().min(1), z.int()]),
      /** Empty only together with a volume to boot from. */
      imageRef: uuidOrEmpty.optional(),
      networks: networks(version),
      adminPass: z.string().optional(),
      metadata: metadata.optional(),
      'OS-DCF:diskConfig': diskConfig.optional(),
      accessIPv4: z.ipv4().optional(), accessIPv6: z.ipv6().optional(),
      availability_zone: name.optional(),
      block_device_mapping: z.array(z.strictObject(deviceMapping)).optional(),
      block_device_mapping_v2: z.array(deviceMappingV2(version)).optional(),
      config_drive: flag.optional(),
      key_name: name.optional(),
      min_count: integer(1).optional(), max_count: integer(1).optional(),
      return_reservation_id: flag.optional(),
      security_groups: z.array(z.strictObject({ name: name.optional() })).optional(),
      user_data: base64(LIMITS.userDataChars).optional(),
      ...(!has(version, 'server-create.no-personality') && { personality: z.array(z.strictObject({ path: z.string().optional(), contents: base64(65_535).optional() })).optional() }),
      ...(has(version, 'server.description') && { description: description(255).optional() }),
      ...(has(version, 'server-create.tags') && { tags: z.array(tag).max(LIMITS.tags).optional() }),
      ...certificates(version),
      ...(has(version, 'server-create.host') && { host: hostOrDomain.optional(), hypervisor_hostname: hostOrDomain.optional() }),
      ...hostname(version),
    }),
    'os:scheduler_hints': hints,
    'OS-SCH-HNT:scheduler_hints': hints,
  });
});
export type CreateServerBody = z.output<ReturnType<typeof CreateServerBody>>;

export const UpdateServerBody = versioned((version) => z.strictObject({
  server: z.strictObject({
    name: name.optional(),
    'OS-DCF:diskConfig': diskConfig.optional(),
    accessIPv4: z.ipv4().optional(), accessIPv6: z.ipv6().optional(),
    ...(has(version, 'server.description') && { description: description(255).optional() }),
    ...hostname(version),
  }),
}));

export const MetadataBody = z.strictObject({ metadata });
export const MetadataItemBody = z.strictObject({
  meta: metadata
    .refine((items) => Object.keys(items).length > 0, { error: '{} does not have enough properties' })
    .refine((items) => Object.keys(items).length < 2, { error: 'it has too many properties' }),
});
export const TagsBody = z.strictObject({ tags: z.array(tag).max(LIMITS.tags) });
