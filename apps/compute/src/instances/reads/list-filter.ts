import type { listServers, ReceivedBy, ServerPatternField } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { powerStateSql, statusAmongSql, taskStateAmongSql, taskStateSql, vmStateAmongSql, vmStateSql } from '#libs/openstack';

type Input = ReceivedBy<typeof listServers>;

const ZONE = 'coalesce(i.availability_zone, i.requested_zone)';
/** As Nova writes times in its tables. */
const moment = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')`;

/** What the patterns are held against, as text; null matches none. Where no server has a value of its own it is the one all have. */
const PATTERN_COLUMNS: Readonly<Record<Exclude<ServerPatternField, 'name'>, string>> = {
  access_ip_v4: 'NULL::text', access_ip_v6: 'NULL::text', auto_disk_config: "'0'", availability_zone: ZONE, config_drive: "CASE WHEN i.config_drive THEN 'True' ELSE '' END",
  created_at: moment('i.created_at'), description: 'i.description', hostname: 'i.hostname', kernel_id: "''", key_name: 'i.key_name', launch_index: 'i.launch_index::text',
  launched_at: moment('i.launched_at'), locked_by: 'i.locked_by', node: 'i.host_name', power_state: `${powerStateSql('i')}::text`, progress: "'0'", ramdisk_id: "''",
  reservation_id: 'i.reservation_id', root_device_name: "CASE WHEN i.host_name IS NOT NULL THEN '/dev/vda' END", terminated_at: moment('i.terminated_at'),
};

/** Nova's sort keys that mean something here → an expression that is never null, and its type. */
const SORT_KEYS: Readonly<Record<string, { sql: string; type: 'timestamptz' | 'text' | 'uuid' | 'int' | 'boolean' }>> = {
  uuid: { sql: 'i.id', type: 'uuid' },
  created_at: { sql: 'i.created_at', type: 'timestamptz' },
  updated_at: { sql: 'i.updated_at', type: 'timestamptz' },
  launched_at: { sql: "coalesce(i.launched_at, '-infinity')", type: 'timestamptz' },
  terminated_at: { sql: "coalesce(i.terminated_at, '-infinity')", type: 'timestamptz' },
  display_name: { sql: 'i.name COLLATE "C"', type: 'text' },
  hostname: { sql: 'i.hostname COLLATE "C"', type: 'text' },
  display_description: { sql: "coalesce(i.description, '') COLLATE \"C\"", type: 'text' },
  host: { sql: "coalesce(i.host_name, '') COLLATE \"C\"", type: 'text' },
  node: { sql: "coalesce(i.host_name, '') COLLATE \"C\"", type: 'text' },
  availability_zone: { sql: `coalesce(${ZONE}, '') COLLATE "C"`, type: 'text' },
  config_drive: { sql: 'i.config_drive', type: 'boolean' },
  image_ref: { sql: 'i.image_id', type: 'uuid' },
  instance_type_id: { sql: 'i.flavor_id COLLATE "C"', type: 'text' },
  key_name: { sql: "coalesce(i.key_name, '') COLLATE \"C\"", type: 'text' },
  launch_index: { sql: 'i.launch_index', type: 'int' },
  locked: { sql: 'i.locked', type: 'boolean' },
  locked_by: { sql: "coalesce(i.locked_by, '') COLLATE \"C\"", type: 'text' },
  project_id: { sql: 'i.project_id COLLATE "C"', type: 'text' },
  root_device_name: { sql: '(i.host_name IS NOT NULL)', type: 'boolean' },
  user_id: { sql: 'i.user_id COLLATE "C"', type: 'text' },
  vm_state: { sql: `coalesce(${vmStateSql('i')}, '') COLLATE "C"`, type: 'text' },
  task_state: { sql: `coalesce(${taskStateSql('i')}, '') COLLATE "C"`, type: 'text' },
  power_state: { sql: powerStateSql('i'), type: 'int' },
};
/** The same for every server: no order comes of them. */
const EQUAL_FOR_ALL: ReadonlySet<string> = new Set(['access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'kernel_id', 'progress', 'ramdisk_id']);

export interface SortColumn { sql: string; type: string; descending: boolean }

/** The order of the list: what was asked for, made total by the id. Default: newest first. */
export function sortColumns(sort: Input['sort']): SortColumn[] {
  const asked = sort.length > 0 ? sort.filter(({ key }) => !EQUAL_FOR_ALL.has(key)) : [{ key: 'created_at', direction: 'desc' as const }];
  const columns = asked.map(({ key, direction }) => {
    const known = Object.hasOwn(SORT_KEYS, key) ? SORT_KEYS[key] : undefined;
    if (!known) throw badRequest(`Sort key supplied is invalid: ${key}. Known are ${Object.keys(SORT_KEYS).join(', ')}.`);
    return { ...known, descending: direction === 'desc' };
  });
  return asked.some(({ key }) => key === 'uuid') ? columns : [...columns, { sql: 'i.id', type: 'uuid', descending: columns.at(-1)?.descending ?? true }];
}

/** The plain list, newest or oldest first, of what is not deleted: there is an index for exactly this, with and without a project. */
export const isBare = ({ sort, filters }: Input): boolean =>
  sort.every(({ key }) => key === 'created_at') && sort.length < 2 && Object.entries(filters).every(([name, value]) => value === undefined || (name === 'deleted' && value === false));

/** Patterns of strangers: name → expression. */
export const patternsOf = ({ name, matching }: Input['filters']): [field: ServerPatternField, pattern: string][] =>
  [...(name === undefined ? [] : [['name', name] as [ServerPatternField, string]]), ...(Object.entries(matching ?? {}) as [ServerPatternField, string][])];

/** Everything the list must meet, as SQL; `param` takes a value and gives its placeholder. Filters come before paging, always. */
export function conditions(input: Input, param: (value: unknown) => string): string[] {
  const { filters, projectId } = input;
  const met: string[] = [];
  if (projectId !== null) met.push(`i.project_id = ${param(projectId)}`);
  // Whoever asks for changes is also told of what is gone; else a deleted server is no server.
  if (filters.deleted === true) met.push("i.intent = 'deleted'");
  else if (filters.deleted === false || (filters.changesSince === undefined && filters.changesBefore === undefined)) met.push("i.intent <> 'deleted'");
  if (filters.changesSince !== undefined) met.push(`i.updated_at >= ${param(filters.changesSince)}::timestamptz`);
  if (filters.changesBefore !== undefined) met.push(`i.updated_at <= ${param(filters.changesBefore)}::timestamptz`);
  for (const [field, pattern] of patternsOf(filters)) met.push(`${field === 'name' ? 'i.name COLLATE "C"' : PATTERN_COLUMNS[field]} ~ ${param(pattern)}`);
  if (filters.status !== undefined) met.push(statusAmongSql('i', filters.status.map((word) => word.toUpperCase())));
  if (filters.vmState !== undefined) met.push(vmStateAmongSql('i', filters.vmState));
  if (filters.taskState !== undefined) met.push(taskStateAmongSql('i', filters.taskState));
  if (filters.locked !== undefined) met.push(`${filters.locked ? '' : 'NOT '}i.locked`);
  const tags: [string, string[] | undefined][] = [
    ['i.tags @> ?', filters.tags], ['i.tags && ?', filters.tagsAny], ['NOT i.tags @> ?', filters.notTags], ['NOT i.tags && ?', filters.notTagsAny],
  ];
  for (const [sql, words] of tags) if (words !== undefined) met.push(sql.replace('?', `${param(words)}::text[]`));
  const equal: [string, string | undefined][] = [
    ['i.flavor_id', filters.flavorId], ['i.host_name', filters.hostName], ['i.user_id', filters.userId],
    ['i.key_name', filters.keyName], [ZONE, filters.availabilityZone], ['i.reservation_id', filters.reservationId],
  ];
  for (const [column, value] of equal) if (value !== undefined) met.push(`${column} = ${param(value)}`);
  const ids: [string, string | undefined][] = [['i.image_id', filters.imageId], ['i.id', filters.id]];
  for (const [column, value] of ids) if (value !== undefined) met.push(UUID.test(value) ? `${column} = ${param(value)}::uuid` : 'false');
  return met;
}

export const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Rows after the marker's in the list's order: one row comparison where all directions are alike (an index can serve it). */
export function after(columns: readonly SortColumn[], values: readonly string[], param: (value: unknown) => string): string {
  const at = columns.map((column, index) => `${param(values[index])}::${column.type}`);
  const beyond = (column: SortColumn): string => (column.descending ? '<' : '>');
  if (columns.every(({ descending }) => descending === columns[0]?.descending)) {
    return `(${columns.map(({ sql }) => sql).join(', ')}) ${beyond(columns[0] as SortColumn)} (${at.join(', ')})`;
  }
  return `(${columns.map((column, index) => `(${[
    ...columns.slice(0, index).map(({ sql }, before) => `${sql} = ${at[before]}`), `${column.sql} ${beyond(column)} ${at[index]}`].join(' AND ')})`).join(' OR ')})`;
}
