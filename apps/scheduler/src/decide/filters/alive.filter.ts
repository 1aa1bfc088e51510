/**
 * Keeps hosts that were heard lately and whose hypervisor answers. Judges only what the fleet says: whether silence
 * proves anything right now (a bus that is down, a scheduler that just started) is the caller's question. Pure.
 */
import type { Fleet } from '../fleet.js';
import type { Blocker } from '../request.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsAre } from '../words.js';

const silentMs = (fleet: Fleet, request: Ask, host: number): number => request.now - fleet.heardAt[host]!;
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

export const aliveFilter: Filter = {
  name: 'alive',
  sieve(fleet, request, hosts, count) {
    const { heardAt, hypervisorUp } = fleet;
    const since = request.now - request.aliveTimeoutMs;
    let kept = 0;
    for (let at = 0; at < count; at += 1) {
      const host = hosts[at]!;
      if (hypervisorUp[host] === 0 || heardAt[host]! < since) continue;
      hosts[at] = hosts[kept]!;
      hosts[kept] = host;
      kept += 1;
    }
    return kept;
  },
  measure(fleet, request, host): Blocker | null {
    const silent = silentMs(fleet, request, host);
    const needed = `heard within ${seconds(request.aliveTimeoutMs)}, hypervisor answering`;
    if (silent > request.aliveTimeoutMs) {
      return { filter: 'alive', needed, free: silent === Infinity ? 'never heard' : `silent for ${seconds(silent)}`, distance: silent };
    }
    return fleet.hypervisorUp[host] === 1 ? null : { filter: 'alive', needed, free: 'its hypervisor does not answer', distance: 0 };
  },
  sentence: (refused, nearest) => `${hostsAre(refused)} not alive (nearest: ${nearest.free}).`,
};
