/**
 * What new claims may use of a host: its inventory less its reserves, times its ratios. Never refuses an inventory: a
 * host that shrank gets smaller limits and is overcommitted, visibly. Pure.
 */
import type { Amounts, Capacity } from './fleet.js';

export interface Inventory { vcpus: number; memoryMib: number; diskGib: number; reservedMemoryMib: number; reservedDiskGib: number }
export interface Ratios { cpu: number; ram: number; disk: number }

/** PostgreSQL's integer; 2 PiB of memory in MiB. */
export const MOST = 2_147_483_647;
const whole = (amount: number): number => Math.min(MOST, Math.max(0, Math.floor(amount)));

export function capacityOf(inventory: Inventory, ratios: Ratios): { limit: Amounts; largest: Capacity['largest'] } {
  const memoryMib = Math.max(0, inventory.memoryMib - inventory.reservedMemoryMib);
  const diskGib = Math.max(0, inventory.diskGib - inventory.reservedDiskGib);
  return {
    limit: { vcpus: whole(inventory.vcpus * ratios.cpu), memoryMib: whole(memoryMib * ratios.ram), diskGib: whole(diskGib * ratios.disk) },
    largest: { vcpus: whole(inventory.vcpus), memoryMib: whole(memoryMib) },
  };
}
