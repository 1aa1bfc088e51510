import type { Microversion, VersionText } from './microversion.js';

/**
 * What changes at which microversion, for the operations present here. Views, schemas and controllers ask this table
 * by name (`has(version, 'server.locked')`), never by number, so that the whole of a version can be read in one place.
 */
export const FEATURES = {
  'keypair.type': { since: '2.2', what: 'Keypairs have a type; create answers 201, delete 204.' },
  'server.more-attributes': { since: '2.3', what: 'Servers show hostname, reservation, launch index, root device and user data to admins.' },
  'server-filter.ip6': { since: '2.5', what: 'Everyone may filter servers by ip6.' },
  'server.locked': { since: '2.9', what: 'Servers show `locked`.' },
  'keypair.user-id': { since: '2.10', what: 'Admins name another user with user_id.' },
  'service.forced-down': { since: '2.11', what: 'Services show forced_down; PUT /os-services/force-down.' },
  'server.host-status': { since: '2.16', what: 'Servers show host_status to admins.' },
  'server.description': { since: '2.19', what: 'Servers have a description of their own; before, it was the name.' },
  'server.tags': { since: '2.26', what: 'Servers show tags; tag filters.' },
  'hypervisor.cpu-object': { since: '2.28', what: 'cpu_info is an object; before, its JSON text.' },
  'server-create.device-tags-once': { since: '2.32', what: 'Tags on block devices, in 2.32 only; on networks until 2.36.' },
  'hypervisor.paging': { since: '2.33', what: 'Hypervisor lists take limit and marker.' },
  'keypair.paging': { since: '2.35', what: 'Keypair lists take limit and marker.' },
  'limits.no-network': { since: '2.36', what: 'Network limits leave limits and quota sets.' },
  'server-create.networks-required': { since: '2.37', what: '`networks` must be given; it may be `none` or `auto`.' },
  'server-filter.strict-status': { since: '2.38', what: 'An unknown status filter is refused; before, it matched nothing.' },
  'limits.no-image-meta': { since: '2.39', what: 'maxImageMeta leaves limits.' },
  'server-create.device-tags': { since: '2.42', what: 'Tags on block devices and networks at create.' },
  'server.embedded-flavor': { since: '2.47', what: 'Servers carry their flavor as it was, without its id.' },
  'server-create.tags': { since: '2.52', what: '`tags` at create.' },
  'hypervisor.uuid': { since: '2.53', what: 'Hypervisors and services are named by uuid; search becomes a query; PUT /os-services/{id}.' },
  'flavor.description': { since: '2.55', what: 'Flavors have a description.' },
  'server-create.no-personality': { since: '2.57', what: '`personality` and its limits are gone.' },
  'flavor.extra-specs': { since: '2.61', what: 'Flavors show extra_specs.' },
} as const satisfies Record<string, { since: VersionText; what: string }>;

export type Feature = keyof typeof FEATURES;

export const has = (version: Microversion, feature: Feature): boolean => version.atLeast(FEATURES[feature].since);

/** Versions that change only operations which are not offered: asking for them changes nothing here. */
export const WITHOUT_EFFECT: Readonly<Partial<Record<VersionText, string>>> = {
  '2.1': 'The first version.',
  '2.4': 'Fixed IPs.', '2.6': 'Remote consoles.', '2.7': 'Flavor access.', '2.8': 'MKS consoles.', '2.12': 'Virtual interfaces.',
  '2.13': 'Server groups.', '2.14': 'Evacuate.', '2.15': 'Soft affinity.', '2.17': 'Crash dumps.',
  '2.18': 'No project id in URLs: accepted with and without it in every version.', '2.20': 'Volumes of shelved servers.',
  '2.21': 'Migrations.', '2.22': 'Live migration.', '2.23': 'Migrations.', '2.24': 'Migrations.', '2.25': 'Live migration.',
  '2.27': 'The newer header form: accepted in every version.', '2.29': 'Evacuate.', '2.30': 'Live migration.', '2.31': 'Console tokens.',
  '2.34': 'Live migration.', '2.40': 'Usage paging.', '2.41': 'Aggregates.', '2.43': 'Proxies that are not here.', '2.44': 'Proxies that are not here.',
  '2.45': 'createImage.', '2.46': 'x-openstack-request-id: sent in every version.', '2.48': 'Diagnostics.', '2.49': 'Attach tags.',
  '2.50': 'Quota classes.', '2.51': 'Instance actions.', '2.54': 'Rebuild.', '2.56': 'Migrate.', '2.58': 'Instance actions.',
  '2.59': 'Migrations.', '2.60': 'Multi-attach volumes.',
};
