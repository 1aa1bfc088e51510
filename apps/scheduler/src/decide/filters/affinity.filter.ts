/**
 * Keeps hosts that have members of the server's group, if its policy is affinity and any member has a host yet. A member that
 * is being moved may stay or go: with it alone nobody knows where the group will be. Pure.
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
    for (const [id, number] of members) if (number > 0 && ask.group?.leaving?.has(id) !== true) theirs.add(fleet.indexOf(id));
    return sift(hosts, count, (host) => theirs.has(host));
  },
  measure(fleet, ask, host) {
    const members = membersOf(ask);
    if (members === null) return null;
    const leaving = ask.group?.leaving?.has(fleet.ids[host]!) === true;
    if (!leaving && (members.get(fleet.ids[host]!) ?? 0) > 0) return null;
    return { filter: 'affinity', needed: 'members of its server group', free: leaving ? 'only members that are being moved' : 'none', distance: 1 };
  },
  sentence: (refused, _nearest, _fleet, { group }) => `${hostsHave(refused)} no member of the server's group, whose policy is affinity${(group?.leaving?.size ?? 0) > 0 ? ', but such as are being moved: confirm or revert that first' : ''}.`,
};
