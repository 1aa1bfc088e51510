/**
 * Keeps hosts with enough of the custom resource classes that the flavor asks for (resources:CUSTOM_X=n). Pure.
 */
import type { Fleet } from '../fleet.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

const short = (fleet: Fleet, host: number, wanted: [string, number][]): [string, number, number][] =>
  wanted.map(([name, amount]): [string, number, number] => [name, amount, fleet.resources[host]?.free(name) ?? 0]).filter(([, amount, free]) => free < amount);
const wantedBy = ({ needs }: Ask): [string, number][] => Object.entries(needs?.resources ?? {});

export const resourcesFilter: Filter = {
  name: 'resources',
  sieve(fleet, ask, hosts, count) {
    const wanted = wantedBy(ask);
    return wanted.length === 0 ? count : sift(hosts, count, (host) => short(fleet, host, wanted).length === 0);
  },
  measure(fleet, ask, host) {
    const wrong = short(fleet, host, wantedBy(ask));
    if (wrong.length === 0) return null;
    return {
      filter: 'resources', needed: wrong.map(([name, amount]) => `${amount} ${name}`).join(', '), free: wrong.map(([name, , free]) => `${Math.max(0, free)} ${name}`).join(', '),
      distance: wrong.reduce((sum, [, amount, free]) => sum + (amount - free) / amount, 0),
    };
  },
  sentence: (refused, nearest) => `${hostsHave(refused)} not enough of custom resources: ${nearest.needed} needed (most: ${nearest.free}).`,
};
