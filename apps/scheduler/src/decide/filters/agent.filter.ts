/**
 * Keeps hosts whose agent knows layouts, for guests that get one, real time, for guests that want it, and devices, for guests that
 * have some: an older agent would build them without their CPUs, cells and pages, with threads of ordinary priority, or without their
 * devices. What a host reported before its agent was downgraded, or was told to give no devices, counts for nothing. Pure.
 */
import { wantsDevices } from '../devices/demands.js';
import type { Kind } from '../kinds.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { siftBy } from './sift.js';

export const LAYOUT_TRAIT = 'CUSTOM_SKYLITE_LAYOUT';
export const REALTIME_TRAIT = 'CUSTOM_SKYLITE_CPU_REALTIME';

export const DEVICES_TRAIT = 'CUSTOM_SKYLITE_DEVICES';

const realtime = ({ needs }: Ask): boolean => (needs?.realtime?.length ?? 0) > 0;
const hasLayout = ({ shape, needs }: Ask): boolean => shape.cells.length > 0 || Boolean(needs?.topology);
const concerns = (ask: Ask): boolean => hasLayout(ask) || wantsDevices(ask);
const knowsLayout = (ask: Ask, { traits }: Kind): boolean => !hasLayout(ask) || (traits.has(LAYOUT_TRAIT) && (!realtime(ask) || traits.has(REALTIME_TRAIT)));
const knows = (ask: Ask, kind: Kind): boolean => knowsLayout(ask, kind) && (!wantsDevices(ask) || kind.traits.has(DEVICES_TRAIT));
const layoutWords = (ask: Ask): string => (realtime(ask) ? 'pinned CPUs of real time' : 'pinned CPUs, cells, pages and guest topologies');
const DEVICES_NEEDED = 'an agent that gives devices to guests';

export const agentFilter: Filter = {
  name: 'agent',
  sieve(fleet, ask, hosts, count) {
    const { list } = fleet.kinds;
    return concerns(ask) ? siftBy(hosts, count, fleet.kind, list.length, (kind) => knows(ask, list[kind]!)) : count;
  },
  measure(fleet, ask, host) {
    const kind = fleet.kinds.list[fleet.kind[host]!]!;
    if (!concerns(ask) || knows(ask, kind)) return null;
    return knowsLayout(ask, kind) ? { filter: 'agent', needed: DEVICES_NEEDED, free: 'one that is too old, or is told not to (SKYLITE_DEVICES)', distance: 1 }
      : { filter: 'agent', needed: `an agent that knows ${layoutWords(ask)}`, free: 'an older one: upgrade it', distance: 1 };
  },
  sentence: (refused, nearest, _fleet, ask) => (nearest.needed === DEVICES_NEEDED ? `${hostsHave(refused)} an agent that gives no devices to guests.` : `${hostsHave(refused)} an agent that is too old for ${layoutWords(ask)}.`),
};
