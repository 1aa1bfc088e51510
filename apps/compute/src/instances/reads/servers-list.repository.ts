import { Inject, Injectable } from '@nestjs/common';
import type { listServers, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { badRequest } from '#libs/errors';
import { LIMITS } from '../../limits.js';
import { after, conditions, isBare, patternsOf, sortColumns, UUID } from './list-filter.js';
import { fitsListed, listedBytes, listedColumns, type ListedRow } from './listed-rows.js';

type Input = ReceivedBy<typeof listServers>;
type Query = (text: string, values: unknown[]) => Promise<ListedRow[]>;

/** One for each column: what is as in the row before is the same text, so that a thousand rows hold one of it. */
function sharedText(): (text: string) => string {
  let last = '';
  return (text) => (text === last ? last : (last = text));
}
/** Rows by place and as text: whoever reads a thousand of them knows what is where. */
const AS_TEXT = { rowMode: 'array' as const, types: { getTypeParser: sharedText } as never };

/** Lists of servers, by keyset: the last page costs what the first does. Reads only. */
@Injectable()
export class ServersListRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** As many as were asked for, or as have so many bytes of what may be long, but one at least; and whether there are more. */
  async list(input: Input, bytes: number): Promise<{ rows: ListedRow[]; more: boolean }> {
    const rows = patternsOf(input.filters).length === 0
      ? await this.#list(input, bytes, async (text, values) => (await this.db.pool.query({ text, values, ...AS_TEXT })).rows as never)
      : await this.#bounded(input, bytes);
    const fit = input.namesOnly ? -1 : rows.findIndex((row) => !fitsListed(row));
    const page = rows.slice(0, Math.min(input.limit, fit === -1 ? Infinity : Math.max(1, fit)));
    return { rows: page, more: rows.length > page.length };
  }

  /** Order and filters are settled on ids first, so that a sort carries no wide rows; then the page's rows are fetched. */
  async #list(input: Input, bytes: number, query: Query): Promise<ListedRow[]> {
    const columns = sortColumns(input.sort);
    const values: unknown[] = [];
    const param = (value: unknown): string => `$${values.push(value)}`;
    const met = conditions(input, param);
    if (input.marker !== undefined) met.push(after(columns, await this.#marker(input, columns, query), param));
    const direction = ({ descending }: { descending: boolean }): string => (descending ? 'DESC' : 'ASC');
    const where = met.length === 0 ? 'true' : met.join(' AND ');
    const order = columns.map((column) => `${column.sql} ${direction(column)}`).join(', ');
    const shown = listedColumns(input);
    // An index gives its rows in this order: nothing is sorted.
    const top = `FROM compute.instances i WHERE ${where} ORDER BY ${order} LIMIT ${param(input.limit + 1)}`;
    if (isBare(input)) return query(input.namesOnly ? `SELECT ${shown} ${top}` : `SELECT ${shown} FROM (SELECT i.*, ${this.#fits(input, order, param(bytes))} FROM (SELECT i.* ${top}) i) i ORDER BY ${order}`, values);
    const place = columns.map((column, index) => `page.k${index} ${direction(column)}`).join(', ');
    const page = `WITH page AS MATERIALIZED (SELECT i.id, ${columns.map(({ sql }, index) => `${sql} AS k${index}`).join(', ')} ${top})`;
    if (input.namesOnly) return query(`${page} SELECT ${shown} FROM page JOIN compute.instances i USING (id) ORDER BY ${place}`, values);
    return query(`${page} SELECT ${shown} FROM (SELECT i.*, row_number() OVER (ORDER BY ${place}) AS place, ${this.#fits(input, place, param(bytes))} FROM page JOIN compute.instances i USING (id)) i ORDER BY i.place`, values);
  }

  /** This one and all before it have no more than so many bytes. What is long is not read for that, but measured where it lies. */
  #fits({ withUserData }: Input, order: string, bytes: string): string {
    return `sum(${listedBytes(withUserData)}) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING) <= ${bytes} AS fits`;
  }

  /** The marker's own place in the order. A server that was deleted since it ended a page still marks that place. */
  async #marker(input: Input, columns: ReturnType<typeof sortColumns>, query: Query): Promise<string[]> {
    const marker = input.marker as string;
    const found = UUID.test(marker)
      ? await query(`
        SELECT ${columns.map(({ sql }) => `(${sql})::text`).join(', ')} FROM compute.instances i
        WHERE i.id = $1 AND ($2::text IS NULL OR i.project_id = $2)`, [marker, input.projectId])
      : [];
    if (!found[0]) throw badRequest(`marker [${marker}] not found`);
    return found[0] as string[];
  }

  /** Regular expressions of strangers run under a time limit of their own. */
  async #bounded(input: Input, bytes: number): Promise<ListedRow[]> {
    try {
      return await this.db.transaction(async (client: PoolClient) => {
        await client.query(`SET LOCAL statement_timeout = ${LIMITS.listStatementMs}`);
        return this.#list(input, bytes, async (text, values) => (await client.query({ text, values, ...AS_TEXT })).rows as never);
      });
    } catch (error) {
      const code = (error as { code?: string }).code;
      const said = patternsOf(input.filters).map(([field, pattern]) => `${field}: '${pattern}'`).join(', ');
      if (code === '2201B') throw badRequest(`Invalid filter ${said} is not a valid regular expression.`);
      if (code === '57014') throw badRequest(`Invalid filter ${said} takes too long to match; a simpler expression is needed.`);
      throw error;
    }
  }
}
