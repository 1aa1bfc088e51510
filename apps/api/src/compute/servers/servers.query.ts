import { z } from 'zod';
import { allows } from '#libs/auth';
import type { InputOf, listServers, ServerPatternField } from '#libs/contracts';
import { badRequest, forbidden } from '#libs/errors';
import { KNOWN_STATUSES, has, type Microversion } from '#libs/openstack';
import { projectOf, type Call } from '../../http/call.js';
import { many, nonNegative } from '../../http/input-types.js';
import { pagingOf, type Paging } from '../../http/paging.js';
import { last, readFlag, readQuery, versioned } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';

const SORT_KEYS = [
  'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at', 'display_description', 'display_name', 'host', 'hostname',
  'image_ref', 'instance_type_id', 'kernel_id', 'key_name', 'launch_index', 'launched_at', 'locked_by', 'node', 'power_state', 'progress', 'project_id', 'ramdisk_id',
  'root_device_name', 'task_state', 'terminated_at', 'updated_at', 'user_id', 'uuid', 'vm_state',
] as const;
/** Accepted until 2.74 and without effect, as Nova's are; `locked` has one from 2.73 on. */
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
/** A zone can push the last day into a year of five digits. */
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');
const isKnownTime = (ms: number): boolean => ms >= FIRST_MS && ms <= LAST_MS;
const moment = valid((text) => MOMENT.test(text) && isKnownTime(momentOf(text).getTime()), 'date-time');

/** Filters that are regular expressions on a column, by Nova's name; and those of them that everyone has, from 2.83 or 2.90 on. */
const PATTERNS = {
  access_ip_v4: 'access_ip_v4', access_ip_v6: 'access_ip_v6', auto_disk_config: 'auto_disk_config', availability_zone: 'availability_zone', config_drive: 'config_drive',
  created_at: 'created_at', display_description: 'description', hostname: 'hostname', kernel_id: 'kernel_id', key_name: 'key_name', launched_at: 'launched_at',
  launch_index: 'launch_index', locked_by: 'locked_by', node: 'node', power_state: 'power_state', progress: 'progress', ramdisk_id: 'ramdisk_id', reservation_id: 'reservation_id',
  root_device_name: 'root_device_name', terminated_at: 'terminated_at',
} as const satisfies Record<string, ServerPatternField>;
type PatternName = keyof typeof PATTERNS;

/** What everyone may filter by; the rest is for admins, and dropped for others. */
const FOR_EVERYONE: ReadonlySet<string> = new Set(['reservation_id', 'name', 'status', 'image', 'flavor', 'ip', 'changes-since', 'all_tenants']);
const SINCE_283: ReadonlySet<string> = new Set([
  'availability_zone', 'config_drive', 'key_name', 'created_at', 'launched_at', 'terminated_at', 'power_state', 'task_state', 'vm_state', 'progress', 'user_id',
]);
function isForEveryone(version: Microversion, name: string): boolean {
  return FOR_EVERYONE.has(name)
    || (name === 'ip6' && has(version, 'server-filter.ip6'))
    || ((TAG_FILTERS as readonly string[]).includes(name) && has(version, 'server.tags'))
    || (name === 'changes-before' && has(version, 'server-filter.changes-before'))
    || (name === 'locked' && has(version, 'server.locked-reason'))
    || (SINCE_283.has(name) && has(version, 'server-filter.more'))
    || (name === 'hostname' && has(version, 'server.hostname'));
}

const TAG_FILTERS = ['tags', 'tags-any', 'not-tags', 'not-tags-any'] as const;
const PATTERN_SHAPES = Object.fromEntries(Object.keys(PATTERNS).map((name) => [name, regex])) as Record<PatternName, typeof regex>;
/** Separated by commas; as long as the list contract carries. */
const listedTags = z.array(z.string().refine((text) => text.split(',').every((tag) => tag.length <= LIMITS.regexChars), { error: (issue) => `${String(issue.input).slice(0, 200)} is too long` }));
const TAG_SHAPES = Object.fromEntries(TAG_FILTERS.map((name) => [name, listedTags])) as Record<(typeof TAG_FILTERS)[number], typeof listedTags>;

const sortKeys = (version: Microversion) => z.array(z.enum([
  ...SORT_KEYS, ...(has(version, 'server.locked-reason') ? (['locked'] as const) : []), ...(has(version, 'server.same-everywhere') ? [] : IGNORED_SORT_KEYS),
] as [string, ...string[]]));

const shape = {
  limit: nonNegative, marker: many, sort_dir: z.array(z.enum(['asc', 'desc'])),
  name: regex, display_name: regex, status: many, image: many, image_ref: many, flavor: many, ip: regex, ip6: regex, 'changes-since': moment, all_tenants: many,
  user_id: many, project_id: many, tenant_id: many, host: many, uuid: many, deleted: many, soft_deleted: many, vm_state: many.max(LIMITS.statesAsked), task_state: many.max(LIMITS.statesAsked),
  /** Not a column: matches everything, as Nova has it. */
  description: regex,
  ...PATTERN_SHAPES, launch_index: z.array(z.string().max(LIMITS.regexChars)),
};
/** Parameters that a version does not know are dropped until 2.74, and refused from then on. */
export const ListServersQuery = versioned((version) => z.object({
  ...shape, sort_key: sortKeys(version),
  ...(has(version, 'server.tags') && TAG_SHAPES),
  ...(has(version, 'server-filter.changes-before') && { 'changes-before': moment }),
  ...(has(version, 'server.locked-reason') && { locked: many }),
}).partial());
type Values = { [K in keyof typeof shape | (typeof TAG_FILTERS)[number] | 'sort_key' | 'changes-before' | 'locked']?: string[] };

type Ask = Omit<InputOf<typeof listServers>, 'caller'>;
export interface ServerListing {
  readonly paging: Paging;
  /** undefined: nothing can match. */
  readonly ask: Ask | undefined;
}

/** What a list request asks for. Some filters can match nothing (an address, where no server has one): then nobody is asked. */
export function readServerListing(call: Call, detail: boolean): ServerListing {
  const { caller, version } = call;
  const values = readValues(call);
  const paging = pagingOf(call.query, values);
  const mayFilterAll = allows('compute:servers:list-all', caller);
  if (mayFilterAll) refuseInternal(call.query);
  const allowed = mayFilterAll ? values : Object.fromEntries(Object.entries(values).filter(([name]) => isForEveryone(version, name))) as Values;
  const statuses = readStatuses(call, values.status);
  const allTenants = values.all_tenants !== undefined && (last(values.all_tenants) === '' || readFlag(last(values.all_tenants) ?? ''));
  if (allTenants && !mayFilterAll) throw forbidden(`Policy doesn't allow os_compute_api:servers:${detail ? 'detail' : 'index'}:get_all_tenants to be performed.`);
  const filters = filtersOf(allowed, statuses === 'none' ? [] : statuses);
  const sort = readSort(call, values);
  const byAddress = allowed.ip !== undefined || allowed.ip6 !== undefined;
  if (statuses === 'none' || byAddress || paging.limit === 0) return { paging, ask: undefined };
  return {
    paging,
    ask: {
      projectId: allTenants ? (last(allowed.project_id) ?? last(allowed.tenant_id) ?? null) : projectOf(caller),
      filters, sort, limit: paging.limit, ...(paging.marker !== undefined && { marker: paging.marker }),
      withUserData: detail && mayFilterAll && has(version, 'server.more-attributes'), namesOnly: !detail,
    },
  };
}

/** Names that begin with an underscore and names of joined things are known to every version: they get an answer of their own. */
const isInternal = (name: string): boolean => name.startsWith('_') || INTERNAL.includes(name);

function readValues({ query, version }: Call): Values {
  const named = new URLSearchParams([...query].filter(([name]) => !isInternal(name)));
  return readQuery(ListServersQuery(version), named, has(version, 'query.strict')) as Values;
}

function refuseInternal(query: URLSearchParams): void {
  for (const name of query.keys()) if (isInternal(name)) throw badRequest(`Invalid filter field: ${name.slice(0, 100)}.`);
}

function filtersOf(values: Values, statuses: string[] | undefined): Ask['filters'] {
  const since = momentIn(values['changes-since']);
  const before = momentIn(values['changes-before']);
  if (since !== undefined && before !== undefined && before < since) throw badRequest('The value of changes-since must be less than or equal to changes-before.');
  const matching = defined(Object.fromEntries(Object.entries(PATTERNS).map(([name, field]) => [field, last(values[name as PatternName])])));
  const tags = (name: (typeof TAG_FILTERS)[number]) => last(values[name])?.split(',').slice(0, LIMITS.tags);
  return defined({
    name: last(values.name) ?? last(values.display_name),
    // A status decides about both states.
    status: statuses, ...(statuses === undefined && { vmState: values.vm_state, taskState: values.task_state }),
    imageId: last(values.image) ?? last(values.image_ref), flavorId: last(values.flavor), hostName: last(values.host), userId: last(values.user_id), id: last(values.uuid),
    changesSince: since, changesBefore: before,
    deleted: onlyDeleted(statuses) ? true : values.deleted === undefined ? undefined : isTrue(last(values.deleted)),
    locked: values.locked === undefined ? undefined : readFlag(last(values.locked) ?? ''),
    tags: tags('tags'), tagsAny: tags('tags-any'), notTags: tags('not-tags'), notTagsAny: tags('not-tags-any'),
    matching: Object.keys(matching).length === 0 ? undefined : matching,
  });
}

const momentIn = (values: string[] | undefined): string | undefined => {
  const text = last(values);
  return text === undefined ? undefined : momentOf(text).toISOString();
};

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
const defined = <T extends object>(values: T): Defined<T> => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;

const isTrue = (text: string | undefined): boolean => ['1', 't', 'true', 'on', 'y', 'yes'].includes((text ?? '').trim().toLowerCase());

const onlyDeleted = (statuses: readonly string[] | undefined): boolean => statuses?.length === 1 && statuses[0] === 'DELETED';

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

function readSort({ caller, version }: Call, values: Values): Ask['sort'] {
  const directions = (values.sort_dir ?? []) as ('asc' | 'desc')[];
  const wanted = (values.sort_key ?? ['created_at']).map((key, index) => ({ key, direction: directions[index] ?? directions[0] ?? ('desc' as const) }));
  const ignored = (key: string): boolean => (key !== 'locked' || !has(version, 'server.locked-reason')) && (IGNORED_SORT_KEYS as readonly string[]).includes(key);
  const sort = wanted.filter(({ key }) => !ignored(key));
  for (const { key } of sort) {
    if (ADMIN_SORT_KEYS.has(key) && !allows('compute:servers:host-details', caller)) throw forbidden(`Only administrators can sort servers by ${key}`);
  }
  if (sort.length > LIMITS.sortKeys) throw badRequest(`Sorting servers by more than ${LIMITS.sortKeys} keys is not supported.`);
  return sort;
}
