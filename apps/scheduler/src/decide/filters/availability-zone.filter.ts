/**
 * Keeps hosts of the zone asked for. Without a zone: hosts whose zone is not "only when asked"; naming a host asks for
 * its zone too. Pure; a crash here loses nothing.
 */
import type { Fleet } from '../fleet.js';
import type { Blocker } from '../request.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsAre } from '../words.js';

const passes = (fleet: Fleet, request: Ask, host: number): boolean => {
  if (request.availabilityZone !== null) return fleet.zones[host] === request.availabilityZone;
  return fleet.onlyWhenAsked[host] === 0 || fleet.names[host] === request.requestedHost;
};

export const availabilityZoneFilter: Filter = {
  name: 'availability-zone',
  sieve(fleet, request, hosts, count) {
    let kept = 0;
    for (let at = 0; at < count; at += 1) {
      const host = hosts[at]!;
      if (!passes(fleet, request, host)) continue;
      hosts[at] = hosts[kept]!;
      hosts[kept] = host;
      kept += 1;
    }
    return kept;
  },
  measure(fleet, request, host): Blocker | null {
    if (passes(fleet, request, host)) return null;
    return { filter: 'availability-zone', needed: request.availabilityZone ?? 'a zone for everyone', free: fleet.zones[host]!, distance: 1 };
  },
  sentence: (refused, _nearest, _fleet, request) => (request.availabilityZone === null
    ? `${hostsAre(refused)} in a zone that is used only when asked for.`
    : `${hostsAre(refused)} not in availability zone '${request.availabilityZone}'.`),
};
