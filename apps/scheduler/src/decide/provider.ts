/**
 * A host in the words of OpenStack's Placement: inventories by resource class, traits, and what claims use of them. What a
 * reader computes of them, (total - reserved) × ratio, is the limit that claims are held to. Owns nothing. Pure.
 */
import type { ResourceProvider } from '#libs/contracts';
import { capacityOf, type Inventory, type Ratios } from './capacity.js';

type Inventories = ResourceProvider['inventories'];

export interface Used { vcpus: number; pcpus: number; memoryMib: number; diskGib: number; resources: Readonly<Record<string, number>> }

/** Classes of which the host has nothing and nobody uses anything are left out. Memory in huge pages is reserved: what guests have of it is counted page by page. */
export function inventoriesOf(inventory: Inventory, ratios: Ratios, used: Used): Inventories {
  const limits = capacityOf(inventory, ratios);
  const found: Inventories = {};
  const add = (name: string, total: number, reserved: number, allocationRatio: number, taken: number): void => {
    if (total > 0 || taken > 0) found[name] = { total, reserved: Math.min(reserved, total), minUnit: 1, maxUnit: Math.max(1, total - reserved), stepSize: 1, allocationRatio, used: taken };
  };
  add('VCPU', limits.largest.vcpus, 0, ratios.cpu, used.vcpus);
  add('PCPU', limits.dedicatedCpus.length, 0, 1, used.pcpus);
  add('MEMORY_MB', inventory.memoryMib, inventory.memoryMib - limits.largest.memoryMib, ratios.ram, used.memoryMib);
  add('DISK_GB', inventory.diskGib, inventory.reservedDiskGib, ratios.disk, used.diskGib);
  for (const name of [...new Set([...Object.keys(limits.resources), ...Object.keys(used.resources)])].sort()) add(name, limits.resources[name] ?? 0, 0, 1, used.resources[name] ?? 0);
  return found;
}

/** What a claim is counted for, by class; nothing of a class is left out. */
export function claimedResources({ vcpus, pcpus, memoryMib, diskGib, resources }: Used): Record<string, number> {
  const all = { VCPU: vcpus, PCPU: pcpus, MEMORY_MB: memoryMib, DISK_GB: diskGib, ...resources };
  return Object.fromEntries(Object.entries(all).filter(([, amount]) => amount > 0));
}

/** Devices of one class on one host. held: with servers; unusable: neither held nor to be had now (quarantine, missing, not clean yet). Units: what is claimed as one counts once. */
export interface DevicesOfClass { className: string; total: number; held: number; unusable: number }

/** A class' name in Placement's alphabet. */
export const deviceResource = (className: string): string => `CUSTOM_DEVICE_${className.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

/** Classes whose names differ only in what Placement's alphabet lacks are one resource. */
export function deviceAmounts(amounts: readonly { className: string; count: number }[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { className, count } of amounts) if (count > 0) found[deviceResource(className)] = (found[deviceResource(className)] ?? 0) + count;
  return found;
}

/** Devices that nobody can have now are reserved: they come back without the host changing. */
export function deviceInventories(classes: readonly DevicesOfClass[]): Inventories {
  const [totals, held, unusable] = (['total', 'held', 'unusable'] as const).map((field) => deviceAmounts(classes.map((one) => ({ className: one.className, count: one[field] }))));
  return Object.fromEntries(Object.entries(totals!).map(([name, total]) => [name, { total, reserved: unusable![name] ?? 0, minUnit: 1, maxUnit: Math.max(1, total - (unusable![name] ?? 0)), stepSize: 1, allocationRatio: 1, used: held![name] ?? 0 }]));
}
