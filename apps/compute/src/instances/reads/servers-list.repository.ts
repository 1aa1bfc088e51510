import { Inject, Injectable } from '@nestjs/common';
import type { listServers, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { badRequest } from '#libs/errors';
import { LIMITS } from '../../limits.js';
import type { InstanceRow } from '../instance-row.js';
import { after, conditions, sortColumns, UUID } from './list-filter.js';

type Input = ReceivedBy<typeof listServers>;
type Query = <T extends object>(text: string, values: unknown[]) => Promise<T[]>;

/** Lists of servers, by keyset: the last page costs what the first does. Reads only. */
@Injectable()
export class ServersListRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** One more than `limit`, so that the caller sees whether there are more. */
  async list(input: Input): Promise<InstanceRow[]> {
    if (input.filters.name === undefined) return this.#list(input, async (text, values) => (await this.db.pool.query(text, values)).rows as never);
    return this.#bounded(input, input.filters.name);
  }

  async #list(input: Input, query: Query): Promise<InstanceRow[]> {
    const columns = sortColumns(input.sort);
    const values: unknown[] = [];
    const param = (value: unknown): string => `$${values.push(value)}`;
    const met = conditions(input, param);
    if (input.marker !== undefined) met.push(after(columns, await this.#marker(input, columns, query), param));
    return query<InstanceRow>(`
      SELECT i.* FROM compute.instances i WHERE ${met.length === 0 ? 'true' : met.join(' AND ')}
      ORDER BY ${columns.map(({ sql, descending }) => `${sql} ${descending ? 'DESC' : 'ASC'}`).join(', ')} LIMIT ${param(input.limit + 1)}`, values);
  }

  /** The marker's own place in the order. A server that was deleted since it ended a page still marks that place. */
  async #marker(input: Input, columns: ReturnType<typeof sortColumns>, query: Query): Promise<string[]> {
    const marker = input.marker as string;
    const found = UUID.test(marker)
      ? await query<{ place: string[] }>(`
        SELECT ARRAY[${columns.map(({ sql }) => `(${sql})::text`).join(', ')}] AS place FROM compute.instances i
        WHERE i.id = $1 AND ($2::text IS NULL OR i.project_id = $2)`, [marker, input.projectId])
      : [];
    if (!found[0]) throw badRequest(`marker [${marker}] not found`);
    return found[0].place;
  }

  /** Regular expressions of strangers run under a time limit of their own. */
  async #bounded(input: Input, pattern: string): Promise<InstanceRow[]> {
    try {
      return await this.db.transaction(async (client: PoolClient) => {
        await client.query(`SET LOCAL statement_timeout = ${LIMITS.listStatementMs}`);
        return this.#list(input, async (text, values) => (await client.query(text, values)).rows as never);
      });
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === '2201B') throw badRequest(`Invalid filter name: '${pattern}' is not a valid regular expression.`);
      if (code === '57014') throw badRequest(`Invalid filter name: '${pattern}' takes too long to match; a simpler expression is needed.`);
      throw error;
    }
  }
}
