/** Microversions of Placement's API, 1.0 to 1.39. Pure. */
import { badRequest, SkyError } from '#libs/errors';
import type { Headers } from './microversion.js';

export const PLACEMENT_MIN = '1.0';
export const PLACEMENT_MAX = '1.39';
const MAX_MINOR = 39;

/** `minor` of 1.minor, or why not. */
export type PlacementNegotiated = { readonly minor: number; readonly refusal?: undefined } | { readonly minor?: undefined; readonly refusal: SkyError };

/** `OpenStack-API-Version: placement 1.29`; none: 1.0; `latest`: the highest. Malformed is 400, beyond the range 406 that names the range. */
export function negotiatePlacement(headers: Headers): PlacementNegotiated {
  const value = headers['openstack-api-version'];
  const words = (Array.isArray(value) ? value.join(',') : (value ?? '')).split(',').map((part) => part.trim().split(/\s+/));
  const asked = words.findLast(([service, version]) => service?.toLowerCase() === 'placement' && version !== undefined)?.[1];
  if (asked === undefined) return { minor: 0 };
  if (asked.toLowerCase() === 'latest') return { minor: MAX_MINOR };
  const match = /^(\d{1,6})\.(\d{1,6})$/.exec(asked);
  if (match === null) return { refusal: badRequest(`invalid version string: ${asked.slice(0, 64)}`) };
  const minor = Number(match[2]);
  if (match[1] !== '1' || minor > MAX_MINOR) {
    return { refusal: new SkyError('not-acceptable', `Unacceptable version header: ${asked}`, { details: { min_version: PLACEMENT_MIN, max_version: PLACEMENT_MAX } }) };
  }
  return { minor };
}

/** Headers of every answer; from 1.15 on caches are told not to keep it. */
export const placementHeaders = (minor: number | undefined, now: Date): Record<string, string> => ({
  vary: 'openstack-api-version',
  ...(minor !== undefined && { 'openstack-api-version': `placement 1.${minor}` }),
  ...(minor !== undefined && minor >= 15 && { 'cache-control': 'no-cache', 'last-modified': now.toUTCString() }),
});

/** GET /placement/ */
export const placementVersions = () => ({ versions: [{ id: `v${PLACEMENT_MIN}`, max_version: PLACEMENT_MAX, min_version: PLACEMENT_MIN, status: 'CURRENT', links: [{ rel: 'self', href: '' }] }] });
