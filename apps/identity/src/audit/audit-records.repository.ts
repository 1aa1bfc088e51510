import { Inject, Injectable } from '@nestjs/common';
import type { AuditFilters, AuditRecord } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';

interface Row {
  id: string; xid: string; at: Date; service: string; action: string; outcome: AuditRecord['outcome']; user_id: string | null; user_name: string | null; project_id: string | null;
  domain_id: string | null; target_kind: string | null; target_id: string | null; address: string | null; request_id: string | null; detail: Record<string, unknown>;
}
interface Page { records: AuditRecord[]; next: string | null; more: boolean }

/** A message has to stay below 1 MiB: a page ends earlier when its records are long. */
const PAGE_CHARS = 600_000;

@Injectable()
export class AuditRecordsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Newest first, by number. A record that commits late may turn up before where one is already: this is for looking back. */
  async newest(filters: AuditFilters, marker: string | undefined, limit: number): Promise<Page> {
    const { where, values } = conditions(filters);
    if (marker !== undefined) where.push(`id < $${values.push(marker.split('.')[0])}::bigint`);
    const { rows } = await this.db.pool.query<Row>(`SELECT ${COLUMNS} FROM audit.records WHERE ${where.join(' AND ')} ORDER BY records.id DESC LIMIT $${values.push(limit + 1)}`, values);
    const { kept, more } = fit(rows, limit);
    return { records: kept.map(view), more, next: more ? (kept.at(-1)?.id ?? null) : null };
  }

  /** In the order of commits, up to the oldest transaction that still runs: going on from `next` never skips a record. */
  async inOrder(filters: AuditFilters, marker: string | undefined, limit: number): Promise<Page> {
    const { where, values } = conditions(filters);
    if (marker !== undefined) {
      const [xid, id] = marker.split('.');
      where.push(`(xid, id) > ($${values.push(xid)}::text::xid8, $${values.push(id ?? '0')}::bigint)`);
    }
    where.push('xid < pg_snapshot_xmin(pg_current_snapshot())');
    const { rows } = await this.db.pool.query<Row>(`SELECT ${COLUMNS} FROM audit.records WHERE ${where.join(' AND ')} ORDER BY records.xid, records.id LIMIT $${values.push(limit + 1)}`, values);
    const { kept, more } = fit(rows, limit);
    const last = kept.at(-1);
    return { records: kept.map(view), more, next: last === undefined ? (marker ?? null) : `${last.xid}.${last.id}` };
  }

  /** Partitions ahead made, old ones dropped; by a function of the tables' owner, for this app may not. Gives how many changed. */
  async keepPartitions(monthsAhead: number, keepDays: number): Promise<number> {
    const { rows } = await this.db.pool.query<{ changed: number }>('SELECT audit.keep_record_partitions($1, $2) AS changed', [monthsAhead, keepDays]);
    return rows[0]?.changed ?? 0;
  }
}

const COLUMNS = 'id::text AS id, xid::text AS xid, at, service, action, outcome, user_id, user_name, project_id, domain_id, target_kind, target_id, address, request_id, detail';

function conditions(filters: AuditFilters): { where: string[]; values: unknown[] } {
  const values: unknown[] = [];
  const where: string[] = ['true'];
  const add = (value: unknown, make: (place: string) => string): void => { if (value !== undefined) where.push(make(`$${values.push(value)}`)); };
  add(filters.user, (place) => `(user_id = ${place} OR user_name = ${place})`);
  add(filters.projectId, (place) => `project_id = ${place}`);
  add(filters.domainId, (place) => `domain_id = ${place}`);
  add(filters.service, (place) => `service = ${place}`);
  add(filters.action, (place) => (filters.action?.endsWith(':') === true ? `starts_with(action, ${place})` : `action = ${place}`));
  add(filters.outcome, (place) => `outcome = ${place}`);
  add(filters.targetKind, (place) => `target_kind = ${place}`);
  add(filters.targetId, (place) => `target_id = ${place}`);
  add(filters.address, (place) => `address = ${place}`);
  add(filters.requestId, (place) => `request_id = ${place}`);
  add(filters.since, (place) => `at >= ${place}::timestamptz`);
  add(filters.before, (place) => `at < ${place}::timestamptz`);
  return { where, values };
}

/** At least one, so that every page gets on. */
function fit(rows: Row[], limit: number): { kept: Row[]; more: boolean } {
  let chars = 0;
  const end = rows.findIndex((row, index) => { chars += JSON.stringify(row).length; return index >= limit || (index > 0 && chars > PAGE_CHARS); });
  return end === -1 ? { kept: rows, more: false } : { kept: rows.slice(0, end), more: true };
}

const view = (row: Row): AuditRecord => ({
  id: row.id, at: row.at.toISOString(), service: row.service, action: row.action, outcome: row.outcome, userId: row.user_id, userName: row.user_name, projectId: row.project_id,
  domainId: row.domain_id, targetKind: row.target_kind, targetId: row.target_id, address: row.address, requestId: row.request_id, detail: row.detail,
});
