/**
 * Keeps hosts that an operator has not closed to new servers. Pure; a crash here loses nothing.
 */
import type { Blocker } from '../request.js';
import type { Filter } from '../sieve.js';
import { hostsAre } from '../words.js';

export const enabledFilter: Filter = {
  name: 'enabled',
  sieve(fleet, _request, hosts, count) {
    const { enabled } = fleet;
    let kept = 0;
    for (let at = 0; at < count; at += 1) {
      const host = hosts[at]!;
      if (enabled[host] === 0) continue;
      hosts[at] = hosts[kept]!;
      hosts[kept] = host;
      kept += 1;
    }
    return kept;
  },
  measure(fleet, _request, host): Blocker | null {
    if (fleet.enabled[host] === 1) return null;
    const reason = fleet.disabledReasons[host];
    return { filter: 'enabled', needed: 'enabled', free: reason ? `disabled: ${reason}` : 'disabled', distance: 1 };
  },
  sentence: (refused) => `${hostsAre(refused)} disabled by an operator.`,
};
