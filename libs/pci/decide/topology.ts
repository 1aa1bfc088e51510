/**
 * Slots and the tree they make. Bus numbers are given out anew at each boot, so nothing here depends on them but the root's; a slot's path is
 * told by device and function numbers from the root down. Pure; owns nothing.
 */
import type { PciAddress, PciFunction } from '../api.js';

/** `0000:40/00.0/00.1`: the root bus, then device.function at each step. */
export function slotPath(of: Pick<PciFunction, 'address' | 'path'>): string {
  const steps = [...of.path, of.address];
  const root = steps[0] ?? of.address;
  return [root.slice(0, root.lastIndexOf(':')), ...steps.map(devfn)].join('/');
}

/** What kind of card it is. */
export function modelOf(of: PciFunction): string {
  return `${of.vendor}:${of.product}${of.subsystemVendor === null ? '' : `:${of.subsystemVendor}:${of.subsystemProduct ?? ''}`}`;
}

/** Names the set of all physical functions with their places: the same after a boot that changed nothing. */
export function topologyOf(functions: ReadonlyMap<PciAddress, PciFunction>): string {
  const lines = [...functions.values()].filter((one) => one.physfn === null).map((one) => `${slotPath(one)} ${modelOf(one)}`).sort();
  let hash = 0xcbf29ce484222325n;
  for (const line of lines) {
    for (let at = 0; at < line.length; at += 1) hash = BigInt.asUintN(64, (hash ^ BigInt(line.charCodeAt(at))) * 0x100000001b3n);
    hash = BigInt.asUintN(64, (hash ^ 10n) * 0x100000001b3n);
  }
  return `${lines.length}-${hash.toString(16).padStart(16, '0')}`;
}

const devfn = (address: PciAddress): string => address.slice(address.lastIndexOf(':') + 1);
