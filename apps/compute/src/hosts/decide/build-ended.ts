/**
 * Did a build end with this report, and does that say something of the host? Pure; what is said is a hint, whose loss costs
 * nothing but a host that is tried once more.
 */
import type { Booking } from './book-report.js';

/** Faults of what was asked for: another host would not do better. */
const NOT_THE_HOSTS = new Set(['image-format', 'image-damaged', 'image-changed', 'image-checksum', 'disk-too-small', 'layout-impossible', 'unsupported']);

/** @param launched it had been up before. @returns true: it is up; false: its host gave up; null: neither, or not the host's fault. */
export function buildEndedWith(launched: boolean, booking: Pick<Booking, 'event' | 'step' | 'observed'>): boolean | null {
  if (launched) return null;
  if (booking.event?.kind === 'launched') return true;
  const { error } = booking.observed;
  return booking.step === 'failed' && booking.event?.kind === 'error' && error?.final === true && !NOT_THE_HOSTS.has(error.code) ? false : null;
}
