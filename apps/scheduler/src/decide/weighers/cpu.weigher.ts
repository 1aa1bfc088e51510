/**
 * Prefers hosts by the share of CPUs that would stay free: of those that float, of dedicated ones, or of both in the
 * proportion in which the guest has them. Pure.
 */
import type { Weigher } from '../sieve.js';
import { emptiness, freeShareWeigher } from './free-share.js';

const floating = freeShareWeigher('cpu', ({ shape }) => shape.vcpus, (fleet) => fleet.limitVcpus, (fleet) => fleet.usedVcpus);

export const cpuWeigher: Weigher = {
  name: 'cpu',
  kind: 'load',
  add(fleet, ask, hosts, count, multiplier, scores) {
    const { vcpus, dedicated } = ask.shape;
    if (dedicated === 0) return floating.add(fleet, ask, hosts, count, multiplier, scores);
    const all = vcpus + dedicated;
    if (vcpus > 0) floating.add(fleet, ask, hosts, count, (multiplier * vcpus) / all, scores);
    const part = (multiplier * dedicated) / all;
    for (let at = 0; at < count; at += 1) {
      const host = hosts[at]!;
      scores[at]! += part * emptiness(ask.strategy, (fleet.freeDedicated[host]! - dedicated) / fleet.dedicated[host]!);
    }
  },
};
