/**
 * Keeps devices free for those who need them: a host with free devices of classes that the server does not ask for costs, as does one
 * with any devices when it asks for none. Pure.
 */
import { demandsOf } from '../devices/demands.js';
import type { Weigher } from '../sieve.js';

export const devicesWeigher: Weigher = {
  name: 'devices',
  kind: 'merit',
  add(fleet, ask, hosts, count, multiplier, scores) {
    if (fleet.withDevices === 0) return;
    // Who came here has all that it asks for free.
    const asked = new Set(demandsOf(fleet, ask).map(({ className }) => className)).size;
    const { hostDevices, deviceSettings } = fleet;
    for (let at = 0; at < count; at += 1) {
      const devices = hostDevices[hosts[at]!];
      if (devices && devices.stock(deviceSettings).freeClasses > asked) scores[at]! -= multiplier;
    }
  },
};
