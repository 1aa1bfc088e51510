/**
 * Leaves out hosts the asker named: a server that moves does not come to where it is, and never to where something of
 * it may be left (two disks of one server on one host would be one too many). Pure; a crash here loses nothing.
 */
import type { Fleet } from '../fleet.js';
import type { Blocker } from '../request.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsAre } from '../words.js';

const isLeftOut = (fleet: Fleet, request: Ask, host: number): boolean => request.notHosts?.includes(fleet.ids[host]!) === true;

export const notHostsFilter: Filter = {
  name: 'not-hosts',
  sieve(fleet, request, hosts, count) {
    if (request.notHosts === undefined || request.notHosts.length === 0) return count;
    let kept = 0;
    for (let at = 0; at < count; at += 1) {
      const host = hosts[at]!;
      if (isLeftOut(fleet, request, host)) continue;
      hosts[at] = hosts[kept]!;
      hosts[kept] = host;
      kept += 1;
    }
    return kept;
  },
  measure(fleet, request, host): Blocker | null {
    return isLeftOut(fleet, request, host) ? { filter: 'not-hosts', needed: 'another host', free: 'has the server, or something of it', distance: 1 } : null;
  },
  sentence: (refused) => `${hostsAre(refused)} where the server is, or may have left something.`,
};
