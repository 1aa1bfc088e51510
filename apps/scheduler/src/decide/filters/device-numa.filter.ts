/**
 * Keeps hosts whose devices lie where the guest's cells can be, as far as the NUMA affinity policy wants that. For
 * guests with cells alone. Exact: what passes has cells and devices. Pure.
 */
import { fitsNearDevices, isStrict, mostNear, nearAnyCells } from '../devices/device-cells.js';
import { demandsOf, serves, suffices, wantsDevices, type Demand } from '../devices/demands.js';
import type { Fleet } from '../fleet.js';
import { fits } from '../numa/fit.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { poolsWords, stockOf } from './devices.filter.js';
import { sift } from './sift.js';

const concerns = (ask: Ask): boolean => wantsDevices(ask) && ask.shape.cells.length > 0;

/** Too few devices, or cells that do not take the guest: others say that. */
function refuses(fleet: Fleet, ask: Ask, host: number, demands: readonly Demand[]): boolean {
  if (!isStrict(demands) || ask.shape.cells.length > fleet.cellCounts[host]! || !suffices(demands, stockOf(fleet, host)?.bins ?? [], null)) return false;
  return fits(fleet, ask, host) ? !fitsNearDevices(fleet, ask, host, demands) : !nearAnyCells(fleet, ask, host, demands);
}

export const deviceNumaFilter: Filter = {
  name: 'device-numa',
  sieve(fleet, ask, hosts, count) {
    if (!concerns(ask)) return count;
    const demands = demandsOf(fleet, ask);
    return isStrict(demands) ? sift(hosts, count, (host) => fitsNearDevices(fleet, ask, host, demands)) : count;
  },
  measure(fleet, ask, host) {
    if (!concerns(ask)) return null;
    const demands = demandsOf(fleet, ask);
    if (!refuses(fleet, ask, host, demands)) return null;
    const strict = demands.filter((demand) => isStrict([demand]));
    const bins = stockOf(fleet, host)?.bins ?? [];
    const shown = strict.map((demand) => {
      const near = mostNear(fleet, ask, host, demand);
      const all = bins.reduce((sum, bin) => sum + (serves(demand, bin) ? bin.free : 0), 0);
      const byNode = new Map<string, number>();
      for (const bin of bins) if (serves(demand, bin)) byNode.set(bin.numaNode === null ? 'no cell' : `cell ${bin.numaNode}`, (byNode.get(bin.numaNode === null ? 'no cell' : `cell ${bin.numaNode}`) ?? 0) + bin.free);
      const where = [...byNode].sort().map(([node, free]) => `${free} on ${node}`).join(', ');
      return { short: Math.max(0, demand.count - near) / demand.count, words: `${near} ${demand.className} near enough, ${all - near} in the wrong cell (${where}; ${poolsWords(fleet, host, demand.className)})` };
    });
    return {
      filter: 'device-numa', needed: strict.map(({ count, className, policy }) => `${count} ${className} ${policy === 'socket' ? 'in the sockets' : 'in the cells'} of the guest (${policy})`).join(', '),
      free: shown.map(({ words }) => words).join('; '), distance: 1 + shown.reduce((sum, { short }) => sum + short, 0),
    };
  },
  sentence: (refused, nearest) => `${hostsHave(refused)} the devices, but not where the guest's CPUs and memory can be: ${nearest.needed} needed.`,
};
