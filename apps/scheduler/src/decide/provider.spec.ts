import { describe, expect, it } from '@jest/globals';
import { capacityOf } from './capacity.js';
import { claimedResources, deviceAmounts, deviceInventories, inventoriesOf } from './provider.js';

const cell = (id: number, memoryMib: number, pages: { kib: number; total: number }[] = []) => ({ id, memoryMib, pages });
const inventory = {
  vcpus: 8, memoryMib: 8192, diskGib: 100, reservedMemoryMib: 512, reservedDiskGib: 5, sharedCpus: [0, 1, 2, 3], dedicatedCpus: [4, 5, 6, 7], resources: { CUSTOM_FPGA: 2 },
  cells: [cell(0, 8192, [{ kib: 2048, total: 512 }])],
};
const ratios = { cpu: 4, ram: 1.5, disk: 1 };
const nothing = { vcpus: 0, pcpus: 0, memoryMib: 0, diskGib: 0, resources: {} };

describe('inventoriesOf', () => {
  it('says what claims are held to', () => {
    const found = inventoriesOf(inventory, ratios, { vcpus: 3, pcpus: 4, memoryMib: 600, diskGib: 7, resources: { CUSTOM_FPGA: 1, CUSTOM_GONE: 1 } });
    expect(found).toMatchObject({
      VCPU: { total: 4, reserved: 0, maxUnit: 4, allocationRatio: 4, used: 3 }, PCPU: { total: 4, allocationRatio: 1, used: 4 },
      // 1 GiB is in huge pages.
      MEMORY_MB: { total: 8192, reserved: 1536, maxUnit: 6656, allocationRatio: 1.5, used: 600 }, DISK_GB: { total: 100, reserved: 5, used: 7 },
      CUSTOM_FPGA: { total: 2, used: 1 }, CUSTOM_GONE: { total: 0, used: 1 },
    });
    const { limit } = capacityOf(inventory, ratios);
    const capacity = (name: string): number => Math.floor((found[name]!.total - found[name]!.reserved) * found[name]!.allocationRatio);
    expect({ vcpus: capacity('VCPU'), memoryMib: capacity('MEMORY_MB'), diskGib: capacity('DISK_GB') }).toEqual(limit);
  });

  it('leaves out what there is none of', () => {
    expect(Object.keys(inventoriesOf({ ...inventory, sharedCpus: null, dedicatedCpus: [], resources: {} }, ratios, nothing))).toEqual(['VCPU', 'MEMORY_MB', 'DISK_GB']);
    expect(claimedResources({ ...nothing, pcpus: 2, resources: { CUSTOM_FPGA: 1 } })).toEqual({ PCPU: 2, CUSTOM_FPGA: 1 });
  });
});

describe('devices as resources', () => {
  it('says what there is, what servers hold and what nobody can have now', () => {
    expect(deviceInventories([{ className: 'fast-net', total: 8, held: 3, unusable: 2 }, { className: 'fast.net', total: 1, held: 0, unusable: 0 }, { className: 'a100', total: 1, held: 0, unusable: 1 }])).toEqual({
      CUSTOM_DEVICE_FAST_NET: { total: 9, reserved: 2, minUnit: 1, maxUnit: 7, stepSize: 1, allocationRatio: 1, used: 3 },
      CUSTOM_DEVICE_A100: { total: 1, reserved: 1, minUnit: 1, maxUnit: 1, stepSize: 1, allocationRatio: 1, used: 0 },
    });
    expect(deviceAmounts([{ className: 'a100', count: 2 }, { className: 'x', count: 0 }])).toEqual({ CUSTOM_DEVICE_A100: 2 });
  });
});
