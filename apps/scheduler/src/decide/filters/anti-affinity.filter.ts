/**
 * Leaves out hosts that have as many members of the server's group as its anti-affinity allows (max_server_per_host, 1
 * unless said otherwise). Pure.
 */
import type { Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

export const antiAffinityFilter: Filter = {
  name: 'anti-affinity',
  sieve(fleet, { group }, hosts, count) {
    if (group?.policy !== 'anti-affinity') return count;
    const full = new Set<number>();
    for (const [id, number] of group.members) if (number >= group.maxServerPerHost) full.add(fleet.indexOf(id));
    return full.size === 0 ? count : sift(hosts, count, (host) => !full.has(host));
  },
  measure(fleet, { group }, host) {
    if (group?.policy !== 'anti-affinity') return null;
    const members = group.members.get(fleet.ids[host]!) ?? 0;
    if (members < group.maxServerPerHost) return null;
    return { filter: 'anti-affinity', needed: `at most ${group.maxServerPerHost} of its server group`, free: `has ${members}`, distance: members - group.maxServerPerHost + 1 };
  },
  sentence: (refused, _nearest, _fleet, { group }) => `${hostsHave(refused)} ${group!.maxServerPerHost === 1 ? 'a member' : `${group!.maxServerPerHost} members`} of the server's group already, whose policy is anti-affinity.`,
};
