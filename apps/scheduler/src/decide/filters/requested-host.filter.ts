/**
 * Keeps the one host that was asked for by name, if one was. Pure; a crash here loses nothing.
 */
import type { Blocker } from '../request.js';
import type { Filter } from '../sieve.js';
import { hostsAre } from '../words.js';

export const requestedHostFilter: Filter = {
  name: 'requested-host',
  sieve(fleet, request, hosts, count) {
    if (request.requestedHost === null) return count;
    let kept = 0;
    for (let at = 0; at < count; at += 1) {
      const host = hosts[at]!;
      if (fleet.names[host] !== request.requestedHost) continue;
      hosts[at] = hosts[kept]!;
      hosts[kept] = host;
      kept += 1;
    }
    return kept;
  },
  measure(fleet, request, host): Blocker | null {
    if (request.requestedHost === null || fleet.names[host] === request.requestedHost) return null;
    return { filter: 'requested-host', needed: request.requestedHost, free: fleet.names[host]!, distance: 1 };
  },
  sentence: (refused, _nearest, fleet, request) => (fleet.names.includes(request.requestedHost!)
    ? `${hostsAre(refused)} not the requested host '${request.requestedHost}'.`
    : `No host is named '${request.requestedHost}'.`),
};
