/** A list query as one SQL statement: filters, visibility and place are all decided in the database, before the page is cut. */
import type { Caller } from '#libs/contracts';
import type { ListQuery, SortKey } from './list-query.js';

export interface Statement { text: string; values: unknown[] }

/** Sortable without NULLs, and the same on every machine (names by bytes, not by a collation). */
const SORT_EXPRESSIONS: Record<SortKey, string> = {
  name: `coalesce(name, '') COLLATE "C"`, status: 'status COLLATE "C"', container_format: `coalesce(container_format, '') COLLATE "C"`,
  disk_format: `coalesce(disk_format, '') COLLATE "C"`, size: 'coalesce(size_bytes, -1)', virtual_size: 'coalesce(virtual_size_bytes, -1)', id: 'id',
  created_at: 'created_at', updated_at: 'updated_at', owner: 'owner COLLATE "C"', visibility: 'visibility COLLATE "C"', min_disk: 'min_disk_gib', min_ram: 'min_ram_mib',
};

class Builder {
  readonly conditions: string[] = [];
  readonly values: unknown[] = [];
  value(value: unknown, cast = ''): string {
    this.values.push(value);
    return `$${this.values.length}${cast}`;
  }
  and(condition: string): void { this.conditions.push(condition); }
}

/** Selects `columns` of one page and one row more, which tells that there is more. */
export function listStatement(query: ListQuery, caller: Caller, columns: string): Statement {
  const b = new Builder();
  b.and(`status <> 'deleted'`);
  b.and(visible(b, query, caller));
  b.and(`os_hidden = ${b.value(query.hidden)}`);
  filters(b, query);
  let marker = '';
  if (query.marker !== undefined) {
    const expressions = query.sort.map(({ key }, i) => `${SORT_EXPRESSIONS[key]} AS k${i}`).join(', ');
    marker = `WITH m AS (SELECT ${expressions} FROM image.images WHERE id = ${b.value(query.marker, '::uuid')}) `;
    b.and(`(${afterMarker(query)})`);
  }
  const order = query.sort.map(({ key, descending }) => `${SORT_EXPRESSIONS[key]} ${descending ? 'DESC' : 'ASC'}`).join(', ');
  return {
    text: `${marker}SELECT ${columns} FROM image.images WHERE ${b.conditions.join(' AND ')} ORDER BY ${order} LIMIT ${b.value(query.limit + 1, '::int')}`,
    values: b.values,
  };
}

/** Community images are found by asking for them, so that strangers do not fill everybody's list. */
function visible(b: Builder, { visibility }: ListQuery, caller: Caller): string {
  const wanted = visibility === undefined || visibility === 'all' ? 'true' : `visibility = ${b.value(visibility)}`;
  if (caller.isAdmin) return wanted;
  const own = caller.projectId === null ? 'false' : `owner = ${b.value(caller.projectId)}`;
  return `${wanted} AND (${own} OR visibility ${visibility === undefined ? `= 'public'` : `IN ('public', 'community')`})`;
}

const isUuid = (text: string): boolean => /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text);

function filters(b: Builder, query: ListQuery): void {
  const within = (column: string, values: string[] | undefined, type = 'text'): void => {
    if (values !== undefined) b.and(`${column} = ANY(${b.value(values, `::${type}[]`)})`);
  };
  within('status', query.status);
  within('id', query.ids?.filter(isUuid), 'uuid');
  within('name', query.names);
  within('disk_format', query.diskFormats);
  within('container_format', query.containerFormats);
  if (query.owner !== undefined) b.and(`owner = ${b.value(query.owner)}`);
  if (query.protected !== undefined) b.and(`protected = ${b.value(query.protected)}`);
  if (query.tags.length > 0) b.and(`tags @> ${b.value(query.tags, '::text[]')}`);
  if (query.sizeMin !== undefined) b.and(`size_bytes >= ${b.value(query.sizeMin, '::bigint')}`);
  if (query.sizeMax !== undefined) b.and(`size_bytes <= ${b.value(query.sizeMax, '::bigint')}`);
  for (const { column, value } of query.equals) b.and(`${column} = ${b.value(value)}`);
  for (const { field, operator, at } of query.times) b.and(`date_trunc('second', ${field}) ${operator} ${b.value(at, '::timestamptz')}`);
  if (Object.keys(query.properties).length > 0) b.and(`properties @> ${b.value(JSON.stringify(query.properties), '::jsonb')}`);
}

/** Rows after the marker's in the list's order, key by key. */
function afterMarker({ sort }: ListQuery): string {
  return sort.map(({ key, descending }, i) => {
    const equal = sort.slice(0, i).map((before, j) => `${SORT_EXPRESSIONS[before.key]} = (SELECT k${j} FROM m)`);
    return `(${[...equal, `${SORT_EXPRESSIONS[key]} ${descending ? '<' : '>'} (SELECT k${i} FROM m)`].join(' AND ')})`;
  }).join(' OR ');
}
