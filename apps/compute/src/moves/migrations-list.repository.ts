import { Inject, Injectable } from '@nestjs/common';
import type { listMigrations, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import type { MigrationRow } from './migration-row.js';

type Filters = ReceivedBy<typeof listMigrations>['filters'];
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** compute.migrations as people list it: filtered in the database, page by page by key. */
@Injectable()
export class MigrationsListRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Newest first, after `marker`; one more than `limit`, so that the caller sees whether there are more. undefined: no such marker. */
  async list(filters: Filters, limit: number, marker: string | undefined): Promise<MigrationRow[] | undefined> {
    const values: unknown[] = [];
    const param = (value: unknown): string => `$${values.push(value)}`;
    // Not a uuid: no instance has it.
    if (filters.instanceId !== undefined && !UUID.test(filters.instanceId)) return [];
    const met: string[] = [];
    if (marker !== undefined) {
      const { rows } = await this.db.pool.query<{ created_at: Date; id: string }>('SELECT created_at::text, id FROM compute.migrations WHERE uuid = $1', [marker]);
      if (rows[0] === undefined) return undefined;
      met.push(`(m.created_at, m.id) < (${param(rows[0].created_at)}::timestamptz, ${param(rows[0].id)}::bigint)`);
    }
    const equals = (column: string, value: string | undefined): void => { if (value !== undefined) met.push(`${column} = ${param(value)}`); };
    equals('m.instance_id', filters.instanceId);
    equals('m.status', filters.status);
    equals('m.kind', filters.kind);
    equals('m.source_host_name', filters.sourceHost);
    equals('m.project_id', filters.projectId);
    equals('m.user_id', filters.userId);
    // A host that is either end of it.
    if (filters.host !== undefined) met.push(`${param(filters.host)} IN (m.source_host_name, m.dest_host_name)`);
    if (filters.changesSince !== undefined) met.push(`m.updated_at >= ${param(filters.changesSince)}`);
    if (filters.changesBefore !== undefined) met.push(`m.updated_at <= ${param(filters.changesBefore)}`);
    if (filters.open !== undefined) met.push(`m.finished_at IS ${filters.open ? '' : 'NOT '}NULL`);
    const where = met.length === 0 ? '' : `WHERE ${met.join(' AND ')}`;
    return (await this.db.pool.query<MigrationRow>(`SELECT m.* FROM compute.migrations m ${where} ORDER BY m.created_at DESC, m.id DESC LIMIT ${param(limit + 1)}`, values)).rows;
  }
}
