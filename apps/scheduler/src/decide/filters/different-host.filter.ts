/**
 * Leaves out hosts that have a server the asker wants to be away from (Nova's different_host hint). Pure.
 */
import type { Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

export const differentHostFilter: Filter = {
  name: 'different-host',
  sieve(fleet, { differentHosts }, hosts, count) {
    if (!differentHosts || differentHosts.length === 0) return count;
    const unwanted = new Set(differentHosts.map((id) => fleet.indexOf(id)));
    return sift(hosts, count, (host) => !unwanted.has(host));
  },
  measure: (fleet, { differentHosts }, host) => (differentHosts?.includes(fleet.ids[host]!)
    ? { filter: 'different-host', needed: 'none of the servers of the different_host hint', free: 'has one of them', distance: 1 } : null),
  sentence: (refused) => `${hostsHave(refused)} a server of the different_host hint.`,
};
