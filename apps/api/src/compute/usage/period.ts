import { badRequest } from '#libs/errors';
import type { UsagePeriod } from '#libs/openstack';

const FORM = /^(\d{4}-\d{2}-\d{2})(T)?( )?(\d{2}:\d{2}:\d{2})(\.\d{1,6})?$/;

/** `2026-01-02T03:04:05`, with or without a fraction (after a space only with one); always UTC. Milliseconds since the epoch. */
function momentOf(text: string): number {
  const [, date, t, space, time, fraction = ''] = FORM.exec(text) ?? [];
  if (date === undefined || (t === undefined) === (space === undefined) || (space !== undefined && fraction === '')) throw invalid();
  const iso = `${date}T${time}`;
  const ms = Date.parse(`${iso}${fraction.slice(0, 4)}Z`);
  // A day that a month does not have is not quietly another one.
  if (Number.isNaN(ms) || date < '0001-01-01' || !new Date(ms).toISOString().startsWith(iso)) throw invalid();
  return ms;
}

const invalid = () => badRequest('Invalid datetime string: Datetime is in invalid format');

/** What is not said is now; the future is cut off. */
export function periodOf(start: string | undefined, end: string | undefined, nowMs: number): UsagePeriod {
  const fromMs = start === undefined || start === '' ? nowMs : momentOf(start);
  const toMs = end === undefined || end === '' ? nowMs + 1 : momentOf(end);
  if (fromMs >= toMs) throw badRequest('Invalid start time. The start time cannot occur after the end time.');
  return { fromMs, toMs: Math.min(toMs, nowMs), nowMs };
}
