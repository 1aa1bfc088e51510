/**
 * Keeps hosts with enough free devices of the classes that the flavor asks for, wherever on the host they are. Adds up what is free
 * by pool and cell: never looks at single devices. Pure.
 */
import { demandsOf, serves, suffices, wantsDevices, type Demand } from '../devices/demands.js';
import type { Standing } from '../devices/device-row.js';
import type { Bin, Stock } from '../devices/host-devices.js';
import type { Fleet } from '../fleet.js';
import type { Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

const NONE: readonly Bin[] = [];
export const stockOf = (fleet: Fleet, host: number): Stock | undefined => fleet.hostDevices[host]?.stock(fleet.deviceSettings);
const binsOf = (fleet: Fleet, host: number): readonly Bin[] => stockOf(fleet, host)?.bins ?? NONE;

/** Demands for one class and VLAN, as people think of them: together. */
interface Wanted { demand: Demand; needed: number; free: number }

function wantedOn(fleet: Fleet, demands: readonly Demand[], host: number): Wanted[] {
  const together = new Map<string, Wanted>();
  for (const demand of demands) {
    const key = `${demand.className} ${demand.vlan}`;
    const known = together.get(key);
    if (known) known.needed += demand.count;
    else together.set(key, { demand, needed: demand.count, free: binsOf(fleet, host).reduce((sum, bin) => sum + (serves(demand, bin) ? bin.free : 0), 0) });
  }
  return [...together.values()];
}

const nameOf = ({ className, vlan }: Demand): string => (vlan === null ? className : `${className} with VLAN ${vlan}`);
const OTHERS: readonly (readonly [words: string, standings: readonly Standing[]])[] = [
  ['in use', ['claimed', 'in-use']], ['quarantined', ['quarantined']], ['being scrubbed', ['scrubbing']], ['not usable', ['unusable', 'missing']],
];

/** By pool: what is free and what is not, and why; empty: no pool of the class has anything here. */
export function poolsWords(fleet: Fleet, host: number, className: string, more: (pool: string) => string = () => ''): string {
  const pools = [...(stockOf(fleet, host)?.tally ?? [])].filter(([pool]) => pool.className === className);
  return pools.map(([pool, counts]) => {
    const parts = OTHERS.map(([words, standings]) => [words, standings.reduce((sum, standing) => sum + (counts[standing] ?? 0), 0)] as const).filter(([words, number]) => number > 0 || words !== 'not usable');
    return `pool ${pool.name}: ${counts.free ?? 0} free, ${parts.map(([words, number]) => `${number} ${words}`).join(', ')}${more(pool.id)}`;
  }).join('; ');
}

export const devicesFilter: Filter = {
  name: 'devices',
  sieve(fleet, ask, hosts, count) {
    if (!wantsDevices(ask)) return count;
    const demands = demandsOf(fleet, ask);
    return sift(hosts, count, (host) => suffices(demands, binsOf(fleet, host), null));
  },
  distance(fleet, ask, host) {
    return wantedOn(fleet, demandsOf(fleet, ask), host).reduce((sum, { needed, free }) => sum + Math.max(0, needed - free) / needed, 0);
  },
  measure(fleet, ask, host) {
    if (!wantsDevices(ask)) return null;
    const demands = demandsOf(fleet, ask);
    if (suffices(demands, binsOf(fleet, host), null)) return null;
    const wanted = wantedOn(fleet, demands, host);
    const short = wanted.filter(({ needed, free }) => free < needed);
    const shown = short.length > 0 ? short : wanted;
    return {
      filter: 'devices', needed: shown.map(({ demand, needed }) => `${needed} ${nameOf(demand)}`).join(', '),
      free: shown.map(({ demand, free }) => {
        const pools = poolsWords(fleet, host, demand.className);
        return `${free} ${nameOf(demand)}${pools === '' ? '' : ` (${pools})`}`;
      }).join(', '),
      distance: wanted.reduce((sum, { needed, free }) => sum + Math.max(0, needed - free) / needed, 0),
    };
  },
  sentence(refused, nearest, fleet, ask) {
    const unknown = demandsOf(fleet, ask).find(({ className }) => !fleet.deviceSettings.classes.has(className));
    if (unknown !== undefined) return `No device class is named '${unknown.className}' any more.`;
    return `${hostsHave(refused)} not enough devices free: ${nearest.needed} needed (most: ${totals(nearest.free)}).`;
  },
};

/** Without pools, which are the operator's. */
const totals = (free: number | string): string => String(free).replaceAll(/ \([^)]*\)/g, '');
