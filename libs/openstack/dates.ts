/** Server dates: whole seconds and Z (`2026-01-02T15:04:05Z`). Other forms break clients that parse strictly. */
export const secondsZ = (iso: string): string => `${iso.slice(0, 19)}Z`;

/** Dates of launches, services, keypairs, zones: microseconds, no zone letter (`2026-01-02T15:04:05.000000`). */
export function microsNoZone(iso: string): string {
  // Milliseconds, as nearly all are.
  if (iso.length === 24 && iso[19] === '.' && iso[23] === 'Z') return `${iso.slice(0, 23)}000`;
  const fraction = /\.(\d+)/.exec(iso)?.[1] ?? '';
  return `${iso.slice(0, 19)}.${fraction.slice(0, 6).padEnd(6, '0')}`;
}

export const microsNoZoneOrNull = (iso: string | null): string | null => (iso === null ? null : microsNoZone(iso));
