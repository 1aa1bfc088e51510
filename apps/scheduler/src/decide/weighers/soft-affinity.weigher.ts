/**
 * Prefers hosts with many members of the server's group, if its policy is soft-affinity; with few, if it is
 * soft-anti-affinity. In shares of the most that any host has. Pure.
 */
import type { Weigher } from '../sieve.js';

export const softAffinityWeigher: Weigher = {
  name: 'softAffinity',
  kind: 'merit',
  add(fleet, { group }, hosts, count, multiplier, scores) {
    if (group?.policy !== 'soft-affinity' && group?.policy !== 'soft-anti-affinity') return;
    const { scratchMarks } = fleet;
    const marked: number[] = [];
    let most = 0;
    for (const [id, members] of group.members) {
      const host = fleet.indexOf(id);
      if (host < 0 || members <= 0) continue;
      scratchMarks[host] = members;
      marked.push(host);
      most = Math.max(most, members);
    }
    if (most === 0) return;
    const part = (group.policy === 'soft-affinity' ? multiplier : -multiplier) / most;
    for (let at = 0; at < count; at += 1) scores[at]! += part * scratchMarks[hosts[at]!]!;
    for (const host of marked) scratchMarks[host] = 0;
  },
};
