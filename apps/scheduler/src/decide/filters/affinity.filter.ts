/**
 * Keeps hosts that have members of the server's group, if its policy is affinity and any member has a host yet. Pure.
 */
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

/** Where members are; null: the server may be anywhere. */
function membersOf({ group }: Ask): Map<string, number> | null {
  if (group?.policy !== 'affinity') return null;
  for (const count of group.members.values()) if (count > 0) return group.members;
  return null;
}

export const affinityFilter: Filter = {
  name: 'affinity',
  sieve(fleet, ask, hosts, count) {
    const members = membersOf(ask);
    if (members === null) return count;
    const theirs = new Set<number>();
    for (const [id, number] of members) if (number > 0) theirs.add(fleet.indexOf(id));
    return sift(hosts, count, (host) => theirs.has(host));
  },
  measure(fleet, ask, host) {
    const members = membersOf(ask);
    return members === null || (members.get(fleet.ids[host]!) ?? 0) > 0 ? null : { filter: 'affinity', needed: 'members of its server group', free: 'none', distance: 1 };
  },
  sentence: (refused) => `${hostsHave(refused)} no member of the server's group, whose policy is affinity.`,
};
