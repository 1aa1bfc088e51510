/**
 * Did a build end with this report, and does that say something of the host? Pure; what is said is a hint, whose loss costs
 * nothing but a host that is tried once more.
 */
import type { Booking } from './book-report.js';

/**
 * Faults of what was asked for: another host would not do better, and whoever asks for it again and again must not take hosts away
 * from others. So is whatever is wrong with an image: it is not what it is said to be, its store does not give it, or it was deleted meanwhile.
 */
const NOT_THE_HOSTS = new Set(['config-drive', 'disk-too-small', 'layout-impossible', 'unsupported']);
const isTheHosts = (code: string): boolean => !code.startsWith('image-') && !NOT_THE_HOSTS.has(code);

/** @param launched it had been up before. @returns true: it is up; false: its host gave up; null: neither, or not the host's fault. */
export function buildEndedWith(launched: boolean, booking: Pick<Booking, 'event' | 'step' | 'observed'>): boolean | null {
  if (launched) return null;
  if (booking.event?.kind === 'launched') return true;
  const { error } = booking.observed;
  return booking.step === 'failed' && booking.event?.kind === 'error' && error?.final === true && isTheHosts(error.code) ? false : null;
}
