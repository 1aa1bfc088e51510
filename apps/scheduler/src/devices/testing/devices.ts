/** Functions as a host reports them, rows, classes and pools, for tests: an 82576 like the lab's, a GPU with its audio function. */
import { DeviceClass, DevicePool, HostDevice } from '#libs/contracts';
import type { z } from 'zod';
import type { StockDevice } from '../decide/stock.js';

type Said = Partial<z.input<typeof HostDevice>>;

export const PF0 = 'mac:52:54:00:00:00:01';
export const PF1 = 'mac:52:54:00:00:00:02';
export const vfName = (pf: string, vf: number): string => `${pf}/vf:${vf}`;

export const pf = (identity: string, change: Said = {}): HostDevice => HostDevice.parse({
  identity, identityStrength: 'strong', address: identity === PF0 ? '0000:01:00.0' : '0000:41:00.0', kind: 'pf', vendor: '8086', product: '10c9', pciClass: '020000', driver: 'igb',
  numaNode: identity === PF0 ? 0 : 1, iommuGroup: identity === PF0 ? 14 : 15, pf: null, sriov: { totalVfs: 7, numVfs: 0 }, resetMethods: ['flr'],
  network: { name: identity === PF0 ? 'enp1s0' : 'enp65s0', permanentMac: identity.slice(4), link: 'up' }, cleanAt: 0, ...change,
});
export const vf = (parent: string, index: number, change: Said = {}): HostDevice => HostDevice.parse({
  identity: vfName(parent, index), identityStrength: 'strong', address: `0000:${parent === PF0 ? '01' : '41'}:10.${index}`, kind: 'vf', vendor: '8086', product: '10ca', pciClass: '020000', driver: 'vfio-pci',
  numaNode: parent === PF0 ? 0 : 1, iommuGroup: 20 + index, pf: { identity: parent, vf: index }, sriov: null, resetMethods: ['flr'], network: null, cleanAt: 0, ...change,
});
export const fn = (identity: string, change: Said = {}): HostDevice => HostDevice.parse({
  identity, identityStrength: 'weak', address: '0000:03:00.0', kind: 'function', vendor: '10de', product: '20b0', pciClass: '030200', driver: 'nouveau', numaNode: 0, iommuGroup: 40,
  pf: null, sriov: null, resetMethods: [], network: null, cleanAt: 0, ...change,
});
/** A PF that has its VFs. */
export const withVfs = (parent: string, count: number): HostDevice[] => [pf(parent, { sriov: { totalVfs: 7, numVfs: count } }), ...Array.from({ length: count }, (_, index) => vf(parent, index))];

export const row = (facts: HostDevice, change: Partial<StockDevice> = {}): StockDevice => ({
  id: `id of ${facts.identity}`, identity: facts.identity, facts, nativeDriver: facts.driver === 'vfio-pci' ? null : facts.driver, poolId: null, className: null, role: null, note: null, unit: facts.identity,
  generation: 0, cleanAt: 0, releasedAt: null, vouched: 0, forgotten: false, quarantine: null, missing: false, fenced: false, lastHolder: null, lastClass: null, holder: null, ...change,
});

export const FAST: DeviceClass = DeviceClass.parse({ name: 'fast-net', match: { vendor: ['8086'], product: ['10ca'] } });
export const GPU: DeviceClass = DeviceClass.parse({ name: 'a100', match: { vendor: ['10de'], pciClass: ['03'] }, sanitizer: 'quarantine' });
export const POOL_A = '11111111-1111-4111-8111-111111111111';
export const POOL_B = '22222222-2222-4222-8222-222222222222';
export const vfPool = (change: Partial<z.input<typeof DevicePool>> = {}): DevicePool => DevicePool.parse({ id: POOL_A, name: 'nics', className: 'fast-net', mode: 'vfs', match: { kind: ['pf'], vendor: ['8086'] }, vfCount: 4, ...change });
export const gpuPool = (change: Partial<z.input<typeof DevicePool>> = {}): DevicePool => DevicePool.parse({ id: POOL_B, name: 'gpus', className: 'a100', mode: 'functions', match: { vendor: ['10de'], pciClass: ['03'] }, ...change });
