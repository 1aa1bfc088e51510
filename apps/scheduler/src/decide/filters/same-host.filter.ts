/**
 * Keeps hosts that have one of the servers the asker wants to be beside (Nova's same_host hint). Pure.
 */
import { hostsHave } from '../words.js';
import type { Filter } from '../sieve.js';
import { sift } from './sift.js';

export const sameHostFilter: Filter = {
  name: 'same-host',
  sieve(fleet, { sameHosts }, hosts, count) {
    if (!sameHosts) return count;
    const wanted = new Set(sameHosts.map((id) => fleet.indexOf(id)));
    return sift(hosts, count, (host) => wanted.has(host));
  },
  measure: (fleet, { sameHosts }, host) => (!sameHosts || sameHosts.includes(fleet.ids[host]!) ? null
    : { filter: 'same-host', needed: 'one of the servers of the same_host hint', free: sameHosts.length === 0 ? 'none of them is on any host' : 'has none of them', distance: 1 }),
  sentence: (refused, _nearest, _fleet, { sameHosts }) => (sameHosts?.length === 0
    ? 'None of the servers of the same_host hint is on a host.'
    : `${hostsHave(refused)} none of the servers of the same_host hint.`),
};
