import { z } from 'zod';
import { badRequest } from '#libs/errors';
import { parseInput } from '#libs/http';
import { LIMITS } from '../limits.js';
import { STATUSES, VISIBILITIES, type Status, type Visibility } from './image.js';

/** What a list may be sorted by. */
export const SORT_KEYS = ['name', 'status', 'container_format', 'disk_format', 'size', 'id', 'created_at', 'updated_at', 'owner', 'visibility', 'min_disk', 'min_ram', 'virtual_size'] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export interface SortBy { key: SortKey; descending: boolean }

export interface TimeBound { field: 'created_at' | 'updated_at'; operator: '=' | '<>' | '<' | '<=' | '>' | '>='; at: Date }

/** A list as it was asked for. */
export interface ListQuery {
  limit: number;
  marker: string | undefined;
  sort: SortBy[];
  /** undefined: what is the caller's and what is public. */
  visibility: Visibility | 'all' | undefined;
  hidden: boolean;
  status: Status[] | undefined;
  ids: string[] | undefined;
  names: string[] | undefined;
  owner: string | undefined;
  protected: boolean | undefined;
  diskFormats: string[] | undefined;
  containerFormats: string[] | undefined;
  tags: string[];
  sizeMin: number | undefined;
  sizeMax: number | undefined;
  equals: { column: 'md5' | 'sha512' | 'min_disk_gib' | 'min_ram_mib'; value: string | number }[];
  times: TimeBound[];
  /** Free properties, by exact value. */
  properties: Record<string, string>;
}

type Raw = Record<string, string | string[] | undefined>;

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.at(-1) : value);
const many = (value: string | string[] | undefined): string[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

const Count = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const BOOLEANS: Record<string, boolean> = { true: true, '1': true, yes: true, on: true, false: false, '0': false, no: false, off: false };

function count(raw: Raw, name: string): number | undefined {
  const text = one(raw[name]);
  if (text === undefined) return undefined;
  if (!/^\d{1,16}$/.test(text)) throw badRequest(`${name} must be a whole number that is not negative; it is '${text.slice(0, 40)}'.`);
  return parseInput(Count, text);
}

function flag(raw: Raw, name: string): boolean | undefined {
  const text = one(raw[name]);
  if (text === undefined) return undefined;
  const value = BOOLEANS[text.toLowerCase()];
  if (value === undefined) throw badRequest(`${name} must be true or false; it is '${text.slice(0, 40)}'.`);
  return value;
}

function word<T extends string>(raw: Raw, name: string, words: readonly T[]): T | undefined {
  const text = one(raw[name]);
  if (text === undefined) return undefined;
  if (!(words as readonly string[]).includes(text)) throw badRequest(`Invalid ${name} value '${text.slice(0, 40)}': must be one of ${words.join(', ')}.`);
  return text as T;
}

/** `value`, or `in:a,"b,c"`. */
function listed(raw: Raw, name: string): string[] | undefined {
  const text = one(raw[name]);
  if (text === undefined) return undefined;
  if (!text.startsWith('in:')) return [text.startsWith('eq:') ? text.slice(3) : text];
  const parts = [...text.slice(3).matchAll(/"([^"]*)"|([^,]+)/g)].map((match) => match[1] ?? match[2] ?? '');
  if (parts.length === 0 || parts.length > LIMITS.filterValues) throw badRequest(`${name}=in: takes 1 to ${LIMITS.filterValues} values.`);
  return parts;
}

const OPERATORS: Record<string, TimeBound['operator']> = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '=', neq: '<>' };

function times(raw: Raw, field: TimeBound['field']): TimeBound[] {
  return many(raw[field]).map((text) => {
    const match = /^(?:(gte?|lte?|eq|neq):)?(\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?)$/.exec(text);
    const stamp = match?.[2] ?? '';
    const at = new Date(/T[\d:.]+$/.test(stamp) ? `${stamp}Z` : stamp);
    // Databases know no year 0.
    if (match === null || !(at.getTime() >= Date.parse('0001-01-01T00:00:00Z'))) throw badRequest(`${field} takes gt:, gte:, lt:, lte:, eq: or neq: and an ISO 8601 time; it is '${text.slice(0, 60)}'.`);
    return { field, operator: OPERATORS[match[1] ?? 'eq'] ?? '=', at };
  });
}

function sorting(raw: Raw): SortBy[] {
  const keys = many(raw['sort_key']);
  const directions = many(raw['sort_dir']);
  const combined = one(raw['sort']);
  if (combined !== undefined && keys.length + directions.length > 0) throw badRequest('Old and new sorting syntax cannot be combined: use sort, or sort_key and sort_dir.');
  const pairs = combined !== undefined ? combined.split(',').map((part) => part.trim().split(':') as [string, string?])
    : keys.map((key, i) => [key, directions[i] ?? directions[0] ?? 'desc'] as [string, string]);
  if (pairs.length === 0 && directions.length > 0) pairs.push(['created_at', directions[0] ?? 'desc']);
  if (pairs.length > LIMITS.sortKeys) throw badRequest(`A list is sorted by ${LIMITS.sortKeys} keys at most.`);
  const sort = pairs.map(([key, direction = 'desc']): SortBy => {
    if (!(SORT_KEYS as readonly string[]).includes(key)) throw badRequest(`Invalid sort key: ${key.slice(0, 40)}. It must be one of: ${SORT_KEYS.join(', ')}.`);
    if (direction !== 'asc' && direction !== 'desc') throw badRequest(`Invalid sort direction: ${direction.slice(0, 40)}. It must be asc or desc.`);
    return { key: key as SortKey, descending: direction === 'desc' };
  });
  // Always a total order, else a marker would lose or repeat images.
  for (const key of ['created_at', 'id'] as const) if (!sort.some((by) => by.key === key)) sort.push({ key, descending: sort[0]?.descending ?? true });
  return sort;
}

const KNOWN: ReadonlySet<string> = new Set([
  'limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'visibility', 'os_hidden', 'status', 'id', 'name', 'owner', 'protected', 'disk_format', 'container_format',
  'tag', 'size_min', 'size_max', 'checksum', 'os_hash_value', 'min_disk', 'min_ram', 'created_at', 'updated_at', 'member_status',
]);

/** @throws SkyError bad-request that names the parameter. */
export function readListQuery(raw: Raw): ListQuery {
  const limit = count(raw, 'limit');
  const equals = ([['checksum', 'md5'], ['os_hash_value', 'sha512']] as const).flatMap(([name, column]) => {
    const value = one(raw[name]);
    return value === undefined ? [] : [{ column, value }];
  });
  const minima = ([['min_disk', 'min_disk_gib'], ['min_ram', 'min_ram_mib']] as const).flatMap(([name, column]) => {
    const value = count(raw, name);
    return value === undefined ? [] : [{ column, value: Math.min(value, LIMITS.minimum) }];
  });
  const statuses = listed(raw, 'status');
  for (const status of statuses ?? []) if (!(STATUSES as readonly string[]).includes(status)) throw badRequest(`Invalid status value '${status.slice(0, 40)}': must be one of ${STATUSES.join(', ')}.`);
  return {
    limit: Math.min(limit ?? LIMITS.pageDefault, LIMITS.pageMax),
    marker: one(raw['marker']),
    sort: sorting(raw),
    visibility: word(raw, 'visibility', [...VISIBILITIES, 'all'] as const),
    hidden: flag(raw, 'os_hidden') ?? false,
    status: statuses as Status[] | undefined,
    ids: listed(raw, 'id'),
    names: listed(raw, 'name'),
    owner: one(raw['owner']),
    protected: flag(raw, 'protected'),
    diskFormats: listed(raw, 'disk_format'),
    containerFormats: listed(raw, 'container_format'),
    tags: many(raw['tag']),
    sizeMin: count(raw, 'size_min'),
    sizeMax: count(raw, 'size_max'),
    equals: [...equals, ...minima],
    times: [...times(raw, 'created_at'), ...times(raw, 'updated_at')],
    properties: Object.fromEntries(Object.entries(raw).filter(([name]) => !KNOWN.has(name)).map(([name, value]) => [name, one(value) ?? ''])),
  };
}
