/**
 * Leaves out hosts on which builds kept failing, for as long as the caller said: one broken host would otherwise look the
 * emptiest and take every new server. Whoever names a host (an operator who has repaired it) gets it all the same. Pure.
 */
import type { Filter } from '../sieve.js';
import { hostsAre } from '../words.js';
import { sift } from './sift.js';

export const quarantineFilter: Filter = {
  name: 'quarantine',
  sieve(fleet, { now, requestedHost }, hosts, count) {
    if (fleet.failing === 0 || requestedHost !== null) return count;
    const { quarantinedUntil } = fleet;
    return sift(hosts, count, (host) => quarantinedUntil[host]! <= now);
  },
  measure(fleet, { now, requestedHost }, host) {
    if (requestedHost !== null) return null;
    const left = fleet.quarantinedUntil[host]! - now;
    if (left <= 0) return null;
    return { filter: 'quarantine', needed: 'builds that succeed', free: `${fleet.recentFailures[host]} failed lately; tried again in ${Math.ceil(left / 1000)} s`, distance: left };
  },
  sentence: (refused) => `${hostsAre(refused)} left out for a while because builds failed there.`,
};
