import { z } from 'zod';
import { allows } from '#libs/auth';
import type { InputOf, listServers } from '#libs/contracts';
import { badRequest, forbidden } from '#libs/errors';
import { KNOWN_STATUSES, has } from '#libs/openstack';
import { projectOf, type Call } from '../../http/call.js';
import { many, nonNegative } from '../../http/input-types.js';
import { pagingOf, type Paging } from '../../http/paging.js';
import { last, readFlag, readQuery } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';

const SORT_KEYS = [
  'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at', 'display_description', 'display_name', 'host', 'hostname',
  'image_ref', 'instance_type_id', 'kernel_id', 'key_name', 'launch_index', 'launched_at', 'locked_by', 'node', 'power_state', 'progress', 'project_id', 'ramdisk_id',
  'root_device_name', 'task_state', 'terminated_at', 'updated_at', 'user_id', 'uuid', 'vm_state',
] as const;
/** Accepted and without effect, as Nova's are. */
const IGNORED_SORT_KEYS = [
  'architecture', 'cell_name', 'cleaned', 'default_ephemeral_device', 'default_swap_device', 'deleted', 'deleted_at', 'disable_terminate', 'ephemeral_gb',
  'ephemeral_key_uuid', 'id', 'key_data', 'launched_on', 'locked', 'memory_mb', 'os_type', 'reservation_id', 'root_gb', 'shutdown_terminate', 'user_data', 'vcpus', 'vm_mode',
] as const;
const ADMIN_SORT_KEYS: ReadonlySet<string> = new Set(['host', 'node']);
/** Names of things that are joined to a server: never filters. */
const INTERNAL = ['block_device_mapping', 'services', 'metadata', 'system_metadata', 'info_cache', 'security_groups', 'pci_devices'];

const valid = (pattern: (text: string) => boolean, what: string, text = z.string()) => z.array(text.refine(pattern, { error: (issue) => `'${String(issue.input).slice(0, 200)}' is not a '${what}'` }));
const regex = valid(isRegex, 'regex', z.string().max(LIMITS.regexChars));
function isRegex(text: string): boolean {
  try {
    new RegExp(text);
    return text !== '';
  } catch {
    return false;
  }
}
const MOMENT = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
/** Without a zone it is UTC. */
const momentOf = (text: string): Date => new Date(/^\d{4}-\d{2}-\d{2}$|(?:Z|[+-]\d{2}:?\d{2})$/.test(text) ? text : `${text}Z`);
/** The calendar's first moment: databases know no year 0. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const moment = valid((text) => MOMENT.test(text) && momentOf(text).getTime() >= FIRST_MS, 'date-time');

const FILTERS_OF_ADMINS = {
  user_id: many, project_id: many, tenant_id: many, image_ref: many, host: many, node: regex, key_name: regex, availability_zone: regex, uuid: many, display_name: regex, deleted: many,
} as const;
/** Filters that Nova has for admins and that are not offered: an answer that ignores one would be a wrong answer. */
const NOT_OFFERED = [
  'launch_index', 'kernel_id', 'ramdisk_id', 'hostname', 'power_state', 'vm_state', 'task_state', 'launched_at', 'terminated_at', 'description', 'display_description',
  'locked_by', 'root_device_name', 'config_drive', 'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'progress', 'created_at',
] as const;
const TAG_FILTERS = ['tags', 'tags-any', 'not-tags', 'not-tags-any'] as const;

export const ListServersQuery = z.object({
  limit: nonNegative, marker: many, sort_key: z.array(z.enum([...SORT_KEYS, ...IGNORED_SORT_KEYS])), sort_dir: z.array(z.enum(['asc', 'desc'])),
  name: regex, status: many, image: many, flavor: regex, ip: regex, ip6: regex, reservation_id: regex, 'changes-since': moment, all_tenants: many,
  ...FILTERS_OF_ADMINS,
}).partial();

export interface ServerListing {
  readonly paging: Paging;
  /** undefined: nothing can match. */
  readonly ask: Omit<InputOf<typeof listServers>, 'caller'> | undefined;
}

/** What a list request asks for. Some filters can match nothing (an address, where no server has one): then nobody is asked. */
export function readServerListing(call: Call, detail: boolean): ServerListing {
  const { caller, query } = call;
  const values = readQuery(ListServersQuery, query);
  const mayFilterAll = allows('compute:servers:list-all', caller);
  refuseFilters(call, mayFilterAll);
  const paging = pagingOf(query, values);
  const admins = mayFilterAll ? values : {};
  const statuses = readStatuses(call, values.status);
  const allTenants = values.all_tenants !== undefined && (last(values.all_tenants) === '' || readFlag(last(values.all_tenants) ?? ''));
  if (allTenants && !mayFilterAll) throw forbidden(`Policy doesn't allow os_compute_api:servers:${detail ? 'detail' : 'index'}:get_all_tenants to be performed.`);
  const byAddress = values.ip !== undefined || (values.ip6 !== undefined && (mayFilterAll || has(call.version, 'server-filter.ip6')));
  const sort = readSort(call, values);
  if (statuses === 'none' || byAddress || paging.limit === 0) return { paging, ask: undefined };

  const since = last(values['changes-since']);
  const deleted = onlyDeleted(statuses) ? true : admins.deleted === undefined ? undefined : isTrue(last(admins.deleted));
  const filters = defined({
    name: last(values.name) ?? last(admins.display_name),
    status: statuses, imageId: last(values.image) ?? last(admins.image_ref), flavorId: last(values.flavor), reservationId: last(values.reservation_id),
    changesSince: since === undefined ? undefined : momentOf(since).toISOString(),
    hostName: last(admins.host) ?? last(admins.node), userId: last(admins.user_id), keyName: last(admins.key_name), availabilityZone: last(admins.availability_zone), id: last(admins.uuid),
    deleted,
  });
  return {
    paging,
    ask: {
      projectId: allTenants ? (last(admins.project_id) ?? last(admins.tenant_id) ?? null) : projectOf(caller),
      filters, sort, limit: paging.limit, ...(paging.marker !== undefined && { marker: paging.marker }),
    },
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
const defined = <T extends object>(values: T): Defined<T> => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;

const isTrue = (text: string | undefined): boolean => ['1', 't', 'true', 'on', 'y', 'yes'].includes((text ?? '').trim().toLowerCase());

const onlyDeleted = (statuses: readonly string[] | undefined): boolean => statuses?.length === 1 && statuses[0] === 'DELETED';

function refuseFilters({ query, version }: Call, mayFilterAll: boolean): void {
  const refuse = (name: string) => badRequest(`Filtering servers by '${name}' is not supported by this cloud.`);
  if (has(version, 'server.tags')) {
    for (const name of TAG_FILTERS) if (query.has(name)) throw refuse(name);
  }
  // Others' unknown and forbidden filters are dropped, as Nova drops them.
  if (!mayFilterAll) return;
  for (const name of query.keys()) if (name.startsWith('_') || INTERNAL.includes(name)) throw badRequest(`Invalid filter field: ${name.slice(0, 100)}.`);
  for (const name of NOT_OFFERED) if (query.has(name)) throw refuse(name);
  if (query.has('soft_deleted') && isTrue(query.get('soft_deleted') ?? '')) throw refuse('soft_deleted');
}

function readStatuses({ caller, version }: Call, asked: string[] | undefined): string[] | 'none' | undefined {
  if (asked === undefined) return undefined;
  const known = [...new Set(asked.map((word) => word.toUpperCase()))].filter((word) => KNOWN_STATUSES.has(word));
  if (known.length === 0) {
    if (has(version, 'server-filter.strict-status')) throw badRequest('Invalid status value');
    return 'none';
  }
  if (onlyDeleted(known) && !allows('compute:servers:list-all', caller)) throw forbidden('Only administrators may list deleted instances');
  return known;
}

function readSort({ caller }: Call, values: z.output<typeof ListServersQuery>): { key: string; direction: 'asc' | 'desc' }[] {
  const directions = values.sort_dir ?? [];
  const wanted = (values.sort_key ?? ['created_at']).map((key, index) => ({ key, direction: directions[index] ?? directions[0] ?? ('desc' as const) }));
  const sort = wanted.filter(({ key }) => !(IGNORED_SORT_KEYS as readonly string[]).includes(key));
  for (const { key } of sort) {
    if (ADMIN_SORT_KEYS.has(key) && !allows('compute:servers:host-details', caller)) throw forbidden(`Only administrators can sort servers by ${key}`);
  }
  if (sort.length > LIMITS.sortKeys) throw badRequest(`Sorting servers by more than ${LIMITS.sortKeys} keys is not supported.`);
  return sort;
}

