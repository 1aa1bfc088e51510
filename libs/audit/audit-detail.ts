import { AUDIT_LIMITS } from './limits.js';

/** Names whose values never go into a record, whatever the writer thought. */
const SECRET = /pass(word|wd|phrase)?$|adminpass|secret|token|blob|private|user_?data|credential$|^key$|public_key|personality|^totp/i;
/** Of the names above, those that say something about a secret and are none. */
const HARMLESS = /(_id|Id|_at|At|_ids|Ids|_expires|_count)$/;

/** What may be stored of a detail: JSON of bounded size without secrets. */
export function auditDetail(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const clean = cleanObject(detail, 0);
  const chars = JSON.stringify(clean).length;
  return chars <= AUDIT_LIMITS.detailChars ? clean : { omitted: 'too long', chars };
}

function cleanObject(value: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined).slice(0, AUDIT_LIMITS.detailKeys);
  return Object.fromEntries(entries.map(([key, one]) => {
    const name = cut(key, AUDIT_LIMITS.detailTextChars);
    return [name, one !== null && typeof one !== 'boolean' && SECRET.test(key) && !HARMLESS.test(key) ? '***' : cleanValue(one, depth + 1)];
  }));
}

function cleanValue(value: unknown, depth: number): unknown {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return cut(value, AUDIT_LIMITS.detailTextChars);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (typeof value !== 'object') return null;
  if (depth > AUDIT_LIMITS.detailDepth) return '…';
  if (Array.isArray(value)) return value.slice(0, AUDIT_LIMITS.detailItems).map((one) => cleanValue(one, depth + 1));
  return cleanObject(value, depth);
}

/** PostgreSQL stores no NUL and no half of a surrogate pair. */
export function cut(text: string, chars: number): string {
  const clean = text.replaceAll('\u0000', '').toWellFormed();
  return clean.length <= chars ? clean : `${clean.slice(0, chars - 1).toWellFormed()}…`;
}
