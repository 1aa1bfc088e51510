/** Pages that are cut by their bytes as well as by their rows. Pure: gives text, and reads what came back. */
import { LIMITS } from '../limits.js';
import { cutPage, type Paged } from './links.js';

export interface Counted { rowsInAll: string }

/**
 * Of a SELECT with its ORDER BY and LIMIT the first rows that stay below LIMITS.pageBytes as text, one at least. The rest never
 * leaves the database: with what clients may keep in `extra` a full page could be of a size that no process should hold.
 */
export const withinBytes = (select: string): string => `
  SELECT bounded.* FROM (
    SELECT page.*, count(*) OVER () AS "rowsInAll", sum(octet_length(page::text)) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "bytesBefore" FROM (${select}) page) bounded
   WHERE coalesce("bytesBefore", 0) < ${LIMITS.pageBytes}`;

/** @param rows of such a statement. @param limit as it was asked for, without the one row more. */
export function cutBounded<T extends { id: string }>(rows: (T & Counted)[], limit: number): Paged<T> {
  const last = rows.at(-1);
  return last !== undefined && rows.length < Number(last.rowsInAll) ? cutPage<T>([...rows, last], Math.min(rows.length, limit), ({ id }) => id) : cutPage<T>(rows, limit, ({ id }) => id);
}
