/** Values of devices for this app's own tests. */
import type { ClaimedDevice, HoldWish, PoolWish } from '#libs/contracts';
import type { OwnDevice } from '../decide/layout.js';

export const POOL_ID = '77777777-7777-4777-8777-777777777777';
/** The first network card of the lab's shape. */
export const PF = 'mac:52:54:00:aa:00:01';
export const vf = (index: number): string => `${PF}/vf:${index}`;

export const poolWish = (count = 2, change: Partial<PoolWish> = {}): PoolWish => ({
  poolId: POOL_ID, poolName: 'fast', identity: PF, mode: 'vfs',
  vfs: { count, driver: 'vfio-pci', policy: { trust: false, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0, vlans: [42], macPrefix: 'fa:16:3e' } }, ...change,
});

export const holdWish = (identity: string, generation: number, holder: string | null, change: Partial<HoldWish> = {}): HoldWish =>
  ({ identity, generation, holder: holder as HoldWish['holder'], sanitizer: 'reset', releasedAt: null, vouched: 0, ...change });

export const claimedDevice = (identity: string, generation: number, change: Partial<ClaimedDevice> = {}): ClaimedDevice => ({
  deviceId: '88888888-8888-4888-8888-888888888888', identity, className: 'fast', generation, numaNode: null, need: 0, attach: 'hostdev', mac: null, vlan: null, physicalNetwork: null, ...change,
});

/** The same at its place in the guest. */
export const ownDevice = (identity: string, place = 0, change: Partial<ClaimedDevice> = {}): OwnDevice => ({ ...claimedDevice(identity, 1, change), place });
