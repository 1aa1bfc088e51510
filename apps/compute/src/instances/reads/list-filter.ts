import type { listServers, ReceivedBy } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { powerStateSql, statusSql, taskStateSql, vmStateSql } from '#libs/openstack';

type Input = ReceivedBy<typeof listServers>;

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
  availability_zone: { sql: "coalesce(i.availability_zone, i.requested_zone, '') COLLATE \"C\"", type: 'text' },
  image_ref: { sql: 'i.image_id', type: 'uuid' },
  instance_type_id: { sql: 'i.flavor_id COLLATE "C"', type: 'text' },
  key_name: { sql: "coalesce(i.key_name, '') COLLATE \"C\"", type: 'text' },
  launch_index: { sql: 'i.launch_index', type: 'int' },
  locked: { sql: 'i.locked', type: 'boolean' },
  project_id: { sql: 'i.project_id COLLATE "C"', type: 'text' },
  user_id: { sql: 'i.user_id COLLATE "C"', type: 'text' },
  vm_state: { sql: `coalesce(${vmStateSql('i')}, '') COLLATE "C"`, type: 'text' },
  task_state: { sql: `coalesce(${taskStateSql('i')}, '') COLLATE "C"`, type: 'text' },
  power_state: { sql: powerStateSql('i'), type: 'int' },
};

export interface SortColumn { sql: string; type: string; descending: boolean }

/** The order of the list: what was asked for, made total by the id. Default: newest first. */
export function sortColumns(sort: Input['sort']): SortColumn[] {
  const asked = sort.length > 0 ? sort : [{ key: 'created_at', direction: 'desc' as const }];
  const columns = asked.map(({ key, direction }) => {
    const known = Object.hasOwn(SORT_KEYS, key) ? SORT_KEYS[key] : undefined;
    if (!known) throw badRequest(`Sort key supplied is invalid: ${key}. Known are ${Object.keys(SORT_KEYS).join(', ')}.`);
    return { ...known, descending: direction === 'desc' };
  });
  return asked.some(({ key }) => key === 'uuid') ? columns : [...columns, { sql: 'i.id', type: 'uuid', descending: columns.at(-1)?.descending ?? true }];
}

/** Everything the list must meet, as SQL; `param` takes a value and gives its placeholder. Filters come before paging, always. */
export function conditions(input: Input, param: (value: unknown) => string): string[] {
  const { filters, projectId } = input;
  const met: string[] = [];
  if (projectId !== null) met.push(`i.project_id = ${param(projectId)}`);
  // changes-since also tells of what is gone; else a deleted server is no server.
  if (filters.deleted === true) met.push("i.intent = 'deleted'");
  else if (filters.changesSince === undefined) met.push("i.intent <> 'deleted'");
  if (filters.changesSince !== undefined) met.push(`i.updated_at >= ${param(filters.changesSince)}::timestamptz`);
  if (filters.name !== undefined) met.push(`i.name ~ ${param(filters.name)}`);
  if (filters.status !== undefined) met.push(`${statusSql('i')} = ANY(${param(filters.status.map((word) => word.toUpperCase()))}::text[])`);
  const equal: [string, string | undefined][] = [
    ['i.image_id::text', filters.imageId], ['i.flavor_id', filters.flavorId], ['i.host_name', filters.hostName], ['i.user_id', filters.userId],
    ['i.key_name', filters.keyName], ['coalesce(i.availability_zone, i.requested_zone)', filters.availabilityZone], ['i.reservation_id', filters.reservationId],
  ];
  for (const [column, value] of equal) if (value !== undefined) met.push(`${column} = ${param(value)}`);
  if (filters.id !== undefined) met.push(UUID.test(filters.id) ? `i.id = ${param(filters.id)}::uuid` : 'false');
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
