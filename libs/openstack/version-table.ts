import type { Microversion, VersionText } from './microversion.js';

/**
 * What changes at which microversion, for the operations present here. Views, schemas and controllers ask this table
 * by name (`has(version, 'server.locked')`), never by number, so that the whole of a version can be read in one place.
 */
export const FEATURES = {
  'keypair.type': { since: '2.2', what: 'Keypairs have a type; create answers 201, delete 204.' },
  'server.more-attributes': { since: '2.3', what: 'Servers show hostname, reservation, launch index, root device and user data to admins.' },
  'server-filter.ip6': { since: '2.5', what: 'Everyone may filter servers by ip6.' },
  'console.remote': { since: '2.6', what: 'POST /servers/{id}/remote-consoles; the console actions are gone.' },
  'flavor-access.private-only': { since: '2.7', what: 'Access is not added to a public flavor; before, it was, without effect.' },
  'console.mks': { since: '2.8', what: 'Remote consoles know the protocol mks, which this cloud does not have.' },
  'server.locked': { since: '2.9', what: 'Servers show `locked`.' },
  'keypair.user-id': { since: '2.10', what: 'Admins name another user with user_id.' },
  'service.forced-down': { since: '2.11', what: 'Services show forced_down; PUT /os-services/force-down.' },
  'server-evacuate.no-shared-storage': { since: '2.14', what: 'evacuate takes no onSharedStorage, and answers nothing; before, a password.' },
  'server-group.owner': { since: '2.13', what: 'Server groups show project_id and user_id.' },
  'server-group.soft-policies': { since: '2.15', what: 'Soft affinity and soft anti-affinity.' },
  'server.host-status': { since: '2.16', what: 'Servers show host_status to admins.' },
  'server.description': { since: '2.19', what: 'Servers have a description of their own; before, it was the name.' },
  'migration.type': { since: '2.23', what: 'Migrations show their type; GET /servers/{id}/migrations.' },
  'server.tags': { since: '2.26', what: 'Servers show tags; tag filters.' },
  'hypervisor.cpu-object': { since: '2.28', what: 'cpu_info is an object; before, its JSON text.' },
  'server-evacuate.force': { since: '2.29', what: 'evacuate takes `force`, until 2.67.' },
  'server-create.device-tags-once': { since: '2.32', what: 'Tags on block devices, in 2.32 only; on networks until 2.36.' },
  'hypervisor.paging': { since: '2.33', what: 'Hypervisor lists take limit and marker.' },
  'keypair.paging': { since: '2.35', what: 'Keypair lists take limit and marker.' },
  'limits.no-network': { since: '2.36', what: 'Network limits leave limits and quota sets.' },
  'server-create.networks-required': { since: '2.37', what: '`networks` must be given; it may be `none` or `auto`.' },
  'server-filter.strict-status': { since: '2.38', what: 'An unknown status filter is refused; before, it matched nothing.' },
  'limits.no-image-meta': { since: '2.39', what: 'maxImageMeta leaves limits.' },
  'usage.paging': { since: '2.40', what: 'Usage takes limit and marker.' },
  'aggregate.uuid': { since: '2.41', what: 'Aggregates show their uuid.' },
  'server-create.device-tags': { since: '2.42', what: 'Tags on block devices and networks at create.' },
  'hosts.gone': { since: '2.43', what: 'os-hosts is gone.' },
  'server.embedded-flavor': { since: '2.47', what: 'Servers carry their flavor as it was, without its id.' },
  'diagnostics.standard': { since: '2.48', what: 'Diagnostics have one shape for every hypervisor.' },
  'quota-class.server-groups': { since: '2.50', what: 'Quota classes show server groups, and no networks.' },
  'server-create.tags': { since: '2.52', what: '`tags` at create.' },
  'hypervisor.uuid': { since: '2.53', what: 'Hypervisors and services are named by uuid; search becomes a query; PUT /os-services/{id}.' },
  'server-rebuild.key-name': { since: '2.54', what: 'rebuild takes key_name, and answers it.' },
  'flavor.description': { since: '2.55', what: 'Flavors have a description.' },
  'server-migrate.host': { since: '2.56', what: 'migrate takes a host.' },
  'server-create.no-personality': { since: '2.57', what: '`personality` and its limits are gone.' },
  'server-rebuild.user-data': { since: '2.57', what: 'rebuild takes user_data, and answers it; no personality.' },
  'migration.paging': { since: '2.59', what: 'Migrations are paged, show a uuid, and are filtered by changes-since; unknown filters are refused.' },
  'flavor.extra-specs': { since: '2.61', what: 'Flavors show extra_specs.' },
  'server.trusted-certificates': { since: '2.63', what: 'Servers show trusted_image_certificates (always null); create and rebuild take null, and refuse certificates.' },
  'server-group.rules': { since: '2.64', what: 'Server groups have one policy with rules, and no metadata.' },
  'migration.changes-before': { since: '2.66', what: 'Migrations are filtered by changes-before.' },
  'server-filter.changes-before': { since: '2.66', what: 'Servers are filtered by changes-before.' },
  'server-create.volume-type': { since: '2.67', what: 'Block devices may name a volume_type.' },
  'server-evacuate.no-force': { since: '2.68', what: 'evacuate takes no `force`.' },
  'server.groups': { since: '2.71', what: 'One server, PUT and rebuild show server_groups.' },
  'server.locked-reason': { since: '2.73', what: 'lock takes a reason, servers show it; lists are filtered and sorted by `locked`.' },
  'server-create.host': { since: '2.74', what: 'create takes host and hypervisor_hostname (admins).' },
  'server.same-everywhere': { since: '2.75', what: 'PUT and rebuild answer all that GET does; sort keys without effect are refused.' },
  'server.topology': { since: '2.78', what: 'GET /servers/{id}/topology.' },
  'query.strict': { since: '2.75', what: 'Unknown query parameters are refused; flavors without swap show 0; hypervisors show an empty list of servers when asked for them.' },
  'migration.owner': { since: '2.80', what: 'Migrations show, and are filtered by, user_id and project_id.' },
  'server-filter.more': { since: '2.83', what: 'Everyone may filter servers by zone, states, times, key, config drive and user.' },
  'flavor.checked-extra-specs': { since: '2.86', what: 'Extra specs of known namespaces are checked.' },
  'hypervisor.lean': { since: '2.88', what: 'Hypervisors show uptime and no resources; no statistics, no uptime of its own.' },
  'server.hostname': { since: '2.90', what: 'create, PUT and rebuild take a hostname; everyone sees it and may filter by it.' },
  'keypair.import-only': { since: '2.92', what: 'Keypairs are imported, not made; their names may have @ and dots.' },
  'server.fqdn': { since: '2.94', what: 'A hostname may be a fully qualified domain name.' },
  'server-evacuate.stopped': { since: '2.95', what: 'Evacuated servers stay off.' },
  'server.pinned-zone': { since: '2.96', what: 'Servers show pinned_availability_zone.' },
  'instance-action.deleted': { since: '2.21', what: 'Actions of deleted servers can be read.' },
  'instance-action.updated-at': { since: '2.51', what: 'Actions show updated_at; their events to everyone, tracebacks to admins.' },
  'instance-action.paging': { since: '2.58', what: 'Action lists take limit, marker and changes-since; unknown parameters are refused.' },
  'instance-action.host': { since: '2.62', what: 'Events of actions show hostId, and host to admins.' },
  'instance-action.changes-before': { since: '2.66', what: 'Action lists take changes-before.' },
  'instance-action.details': { since: '2.84', what: 'Events of actions have details.' },
} as const satisfies Record<string, { since: VersionText; what: string }>;

export type Feature = keyof typeof FEATURES;

/** Asked some ten times per server of a list: no text is read for it. */
const FIRST_MINOR = Object.fromEntries(Object.entries(FEATURES).map(([name, { since }]) => [name, Number(since.slice(2))])) as Record<Feature, number>;

export const has = (version: Microversion, feature: Feature): boolean => version.minor >= FIRST_MINOR[feature];

/** Versions that change only operations which are not offered: asking for them changes nothing here. */
export const WITHOUT_EFFECT: Readonly<Partial<Record<VersionText, string>>> = {
  '2.1': 'The first version.',
  '2.4': 'Fixed IPs.', '2.12': 'Virtual interfaces.',
  '2.17': 'Crash dumps.',
  '2.18': 'No project id in URLs: accepted with and without it in every version.', '2.20': 'Volumes of shelved servers.',
  '2.22': 'Live migration.', '2.24': 'Migrations.', '2.25': 'Live migration.',
  '2.27': 'The newer header form: accepted in every version.', '2.30': 'Live migration.', '2.31': 'Console tokens.',
  '2.34': 'Live migration.', '2.44': 'Proxies that are not here.',
  '2.45': 'createImage.', '2.46': 'x-openstack-request-id: sent in every version.', '2.49': 'Attach tags.',
  '2.60': 'Multi-attach volumes.', '2.65': 'Aborting live migrations.', '2.69': 'Parts of a cloud that are down: there are no such parts.', '2.70': 'Tags of attached devices.',
  '2.72': 'Ports with resource requests.', '2.76': 'External events.', '2.77': 'Unshelving.', '2.79': 'Volume attachments.', '2.81': 'Image caches of aggregates.',
  '2.82': 'External events.', '2.85': 'Volume attachments.', '2.87': 'Rescue.', '2.89': 'Volume attachments.', '2.91': 'Unshelving.', '2.93': 'Rebuilding volume-backed servers.',
};
