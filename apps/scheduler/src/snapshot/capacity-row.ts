import type { Capacity } from '../decide/host-row.js';

/** Columns of scheduler.host_capacity, as every statement that answers them names them. */
export interface CapacityColumns {
  limit_vcpus: number; limit_memory_mib: number; limit_disk_gib: number; largest_vcpus: number; largest_memory_mib: number;
  used_vcpus: number; used_memory_mib: number; used_disk_gib: number; version: number;
  /** Of the memory used, for guests with devices. */
  used_pinned_mib: number;
}

/** What is claimed one by one (`claimed`) is no column: who knows it adds it. */
export const capacityOfRow = (row: CapacityColumns): Omit<Capacity, 'claimed'> => ({
  limit: { vcpus: row.limit_vcpus, memoryMib: row.limit_memory_mib, diskGib: row.limit_disk_gib },
  used: { vcpus: row.used_vcpus, memoryMib: row.used_memory_mib, diskGib: row.used_disk_gib },
  pinnedMib: row.used_pinned_mib,
  largest: { vcpus: row.largest_vcpus, memoryMib: row.largest_memory_mib },
  version: row.version,
});
