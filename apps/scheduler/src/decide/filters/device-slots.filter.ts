/**
 * Keeps hosts whose choice of devices has room in a guest. Functions of one IOMMU group come together, so that it may be more than was
 * asked for; no contract carries what is beyond the slots. Behind all others, for it looks at the very choice. Pure.
 */
import { LIMITS } from '../../limits.js';
import { demandsOf, wantsDevices } from '../devices/demands.js';
import type { Fleet } from '../fleet.js';
import { layoutOn } from '../numa/layout.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { stockOf } from './devices.filter.js';
import { sift } from './sift.js';

const askedFor = (fleet: Fleet, ask: Ask): number => demandsOf(fleet, ask).reduce((sum, { count }) => sum + count, 0);

/** What it would get here, if that may be more than there are slots; else what it asks for. */
function wouldGet(fleet: Fleet, ask: Ask, asked: number, host: number): number {
  if (asked * Math.max(1, stockOf(fleet, host)?.widest ?? 0) <= LIMITS.devicesOfServer) return asked;
  // Where other filters refuse there is no choice to count.
  return layoutOn(fleet, ask, host)?.layout?.devices?.length ?? 0;
}

export const deviceSlotsFilter: Filter = {
  name: 'device-slots',
  sieve(fleet, ask, hosts, count) {
    if (!wantsDevices(ask)) return count;
    const asked = askedFor(fleet, ask);
    return sift(hosts, count, (host) => wouldGet(fleet, ask, asked, host) <= LIMITS.devicesOfServer);
  },
  measure(fleet, ask, host) {
    if (!wantsDevices(ask)) return null;
    const asked = askedFor(fleet, ask);
    const devices = wouldGet(fleet, ask, asked, host);
    if (devices <= LIMITS.devicesOfServer) return null;
    return { filter: 'device-slots', needed: `slots for ${devices} devices (${asked} asked for, and what goes along in their IOMMU groups)`, free: LIMITS.devicesOfServer, distance: devices / LIMITS.devicesOfServer - 1 };
  },
  sentence: (refused, nearest) => `${hostsHave(refused)} the devices, but a guest has not the slots for all that it would get: ${nearest.needed} needed, ${nearest.free} there.`,
};
