import { LIMITS } from '../limits.js';

export interface ListLinks { next: string | null; self: string; previous: null }

/**
 * Keystone's links of a list. `next` repeats the query from the last row on.
 * @param url absolute URL of the list, without a query.
 */
export function listLinks(url: string, query: Record<string, unknown>, next?: string): ListLinks {
  const text = (extra: Record<string, string>): string => {
    const search = new URLSearchParams({ ...strings(query), ...extra }).toString();
    return search === '' ? url : `${url}?${search}`;
  };
  return { next: next === undefined ? null : text({ marker: next }), self: text({}), previous: null };
}

const strings = (query: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(Object.entries(query).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));

export interface Paged<T> { rows: T[]; next: string | undefined }

/** @param rows one more than `limit` when there are more. */
export function cutPage<T>(rows: T[], limit: number, markerOf: (row: T) => string): Paged<T> {
  const last = rows[limit - 1];
  return rows.length > limit && last !== undefined ? { rows: rows.slice(0, limit), next: markerOf(last) } : { rows, next: undefined };
}

/** The page size for what the client asked. */
export const pageSize = (asked: number | undefined): number => Math.min(asked ?? LIMITS.page, LIMITS.page);
