/**
 * What of a host's report is worth a line in the timeline although nothing changed its course: something went wrong anew,
 * or the host came to the next piece of work. Pure; the report's own write takes the line along.
 */
import type { Booking } from '../../hosts/decide/book-report.js';

interface Seen { doing?: string | null; error?: { message: string } | null }

export function noteOf(before: { observed: Seen | null }, booking: Pick<Booking, 'observed' | 'step'>): { kind: string; message: string } | null {
  const { error, doing } = booking.observed;
  if (error !== null && error.message !== before.observed?.error?.message) return { kind: 'trouble', message: error.message };
  if (doing !== null && booking.step === 'wait-host' && doing !== (before.observed?.doing ?? null)) return { kind: 'doing', message: doing };
  return null;
}
