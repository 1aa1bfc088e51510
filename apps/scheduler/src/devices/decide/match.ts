/**
 * Does a match fit a function of a host? All that it says must be true; of a list, any. A driver counts as the one that the function
 * had when it had one of its own, so that binding it for guests does not take it out of its pool. Owns nothing. Pure.
 */
import type { DeviceMatch, HostDevice } from '#libs/contracts';

export interface HostFacts {
  id: string; name: string;
  /** Metadata of its aggregates, merged. */
  labels: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface Matchable { device: HostDevice; nativeDriver: string | null; /** Of a VF. */ pf: HostDevice | null }

export function fits(match: DeviceMatch, { device, nativeDriver, pf }: Matchable, host: HostFacts): boolean {
  const { vendor, product, pciClass, kind, driver, numaNode, hosts, hostLabels } = match;
  if (vendor && !vendor.includes(device.vendor)) return false;
  if (product && !product.includes(device.product)) return false;
  if (pciClass && !pciClass.some((prefix) => device.pciClass.startsWith(prefix))) return false;
  if (kind && !kind.includes(device.kind)) return false;
  const drivers = [nativeDriver, device.driver];
  if (driver && !driver.some((one) => drivers.includes(one))) return false;
  const parent = device.kind === 'vf' ? pf : device;
  if (match.pf && !(parent !== null && match.pf.some((one) => one === parent.identity || one === parent.address || one === parent.network?.name))
    && !(device.pf !== null && match.pf.includes(device.pf.identity))) return false;
  if (match.slot && !match.slot.some((one) => one === device.identity || isLike(one, device.address, false))) return false;
  if (numaNode && !(device.numaNode !== null && numaNode.includes(device.numaNode))) return false;
  if (hosts && !hosts.some((one) => isLike(one, host.name, true))) return false;
  if (hostLabels && !Object.entries(hostLabels).every(([key, value]) => host.labels.get(key)?.has(value) === true)) return false;
  return true;
}

/** Nothing of the function is said: all of them fit (of these hosts). */
export const saysNothing = ({ hosts: _hosts, hostLabels: _labels, ...match }: DeviceMatch): boolean => Object.values(match).every((value) => value === undefined);

/** `*`: any characters, anywhere or at the end only. Without backtracking: the parts are looked for one after the other. */
function isLike(pattern: string, text: string, anywhere: boolean): boolean {
  if (!anywhere) return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
