import { auditRow, type AuditActor, type AuditEntry } from './audit.js';

/**
 * A record as a part of a bigger statement: an INSERT for its WITH, which writes when `when` (the name of another part of it) has rows.
 * Its values follow the `before` values that the statement has.
 */
export function auditPart(actor: AuditActor, entry: AuditEntry, when: string, before: number): { text: string; values: unknown[] } {
  const { columns, row } = auditRow(actor, entry);
  const places = row.map((_, index) => `$${before + index + 1}${columns[index] === 'detail' ? '::jsonb' : '::text'}`);
  return { text: `INSERT INTO audit.records (${columns.join(', ')}) SELECT ${places.join(', ')} WHERE EXISTS (SELECT FROM ${when})`, values: row };
}

/**
 * A change of one statement, with its record in the same statement: one round trip, one commit, no record when nothing was changed.
 * `text` has to end with RETURNING; what it returns, the whole returns.
 * @returns what `pool.query(...audited(…))` wants.
 */
export function audited(actor: AuditActor, entry: AuditEntry, text: string, values: readonly unknown[]): [string, unknown[]] {
  const record = auditPart(actor, entry, 'changed', values.length);
  return [`WITH changed AS (${text}), audited AS (${record.text}) SELECT * FROM changed`, [...values, ...record.values]];
}
