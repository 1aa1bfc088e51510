import { Inject, Injectable } from '@nestjs/common';
import type { listServers, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { badRequest } from '#libs/errors';
import { LIMITS } from '../../limits.js';
import type { ShownRow } from '../instance-row.js';
import { after, conditions, patternsOf, sortColumns, UUID } from './list-filter.js';

type Input = ReceivedBy<typeof listServers>;
type Query = <T extends object>(text: string, values: unknown[]) => Promise<T[]>;

/** What a list shows of a row: nothing that only the loop needs, of the spec the flavor alone. */
const SHOWN = `i.id, i.project_id, i.user_id, i.name, i.hostname, i.description, i.metadata, i.tags, i.intent, i.generation, i.spec_generation, i.reboot_count, i.reboot_type,
  i.image_id, jsonb_build_object('flavor', i.spec->'flavor') AS spec, i.key_name, i.config_drive, i.requested_zone, i.reservation_id, i.launch_index, i.locked, i.locked_reason, i.rebuilding,
  i.move_kind, i.move_phase, i.host_id, i.host_name, i.availability_zone, i.step, i.fault, i.observed_state, i.observed_generation, i.observed_reboot_count, i.group_id,
  ${['created_at', 'updated_at', 'launched_at', 'terminated_at'].map((column) => `(i.${column} AT TIME ZONE 'UTC')::text AS ${column}`).join(', ')}`;

/** Lists of servers, by keyset: the last page costs what the first does. Reads only. */
@Injectable()
export class ServersListRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** One more than `limit`, so that the caller sees whether there are more. */
  async list(input: Input): Promise<ShownRow[]> {
    if (patternsOf(input.filters).length === 0) return this.#list(input, async (text, values) => (await this.db.pool.query(text, values)).rows as never);
    return this.#bounded(input);
  }

  /** Order and filters are settled on ids first, so that a sort carries no wide rows; then the page's rows are fetched. */
  async #list(input: Input, query: Query): Promise<ShownRow[]> {
    const columns = sortColumns(input.sort);
    const values: unknown[] = [];
    const param = (value: unknown): string => `$${values.push(value)}`;
    const met = conditions(input, param);
    if (input.marker !== undefined) met.push(after(columns, await this.#marker(input, columns, query), param));
    const direction = ({ descending }: { descending: boolean }): string => (descending ? 'DESC' : 'ASC');
    return query<ShownRow>(`
      WITH page AS MATERIALIZED (
        SELECT i.id, ${columns.map(({ sql }, index) => `${sql} AS k${index}`).join(', ')} FROM compute.instances i WHERE ${met.length === 0 ? 'true' : met.join(' AND ')}
        ORDER BY ${columns.map((column) => `${column.sql} ${direction(column)}`).join(', ')} LIMIT ${param(input.limit + 1)})
      SELECT ${SHOWN}, ${input.withUserData ? 'i.user_data' : 'NULL AS user_data'} FROM page JOIN compute.instances i USING (id)
      ORDER BY ${columns.map((column, index) => `page.k${index} ${direction(column)}`).join(', ')}`, values);
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
  async #bounded(input: Input): Promise<ShownRow[]> {
    try {
      return await this.db.transaction(async (client: PoolClient) => {
        await client.query(`SET LOCAL statement_timeout = ${LIMITS.listStatementMs}`);
        return this.#list(input, async (text, values) => (await client.query(text, values)).rows as never);
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
