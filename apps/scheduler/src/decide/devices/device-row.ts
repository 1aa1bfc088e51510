/**
 * Devices as the feed delivers them to placement: one row for each function that a pool gives out, and what pools and classes say.
 * Holds nothing, decides nothing. Pure.
 */
import type { DeviceClass, DevicePool } from '#libs/contracts';

/** free: claimable, as far as itself is concerned. in-use: by a domain whose claim nobody knows. unusable: a condition, protected, or a PF that has VFs. */
export const STANDINGS = ['free', 'claimed', 'in-use', 'scrubbing', 'quarantined', 'unusable', 'missing', 'unpooled'] as const;
export type Standing = (typeof STANDINGS)[number];

export interface DeviceRow {
  id: string;
  identity: string;
  /** Rises with every change of this row; an older one is not taken. */
  version: number;
  /** Of its last hold, 0: none; the next one's is higher by one. */
  generation: number;
  standing: Standing;
  /** null: no pool gives it out (any more). */
  poolId: string | null;
  /** null: the kernel knows none. */
  numaNode: number | null;
  /** Needs count it; else it goes along with the one of its unit that they count. */
  offered: boolean;
  /** What is claimed as one has one. */
  unit: string;
  kind: 'pf' | 'vf' | 'function' | null;
  /** A network function, which has a MAC. */
  network: boolean;
  /** Of a VF: its PF's identity. */
  pf: string | null;
}

/** As SQL says it (scheduler.device_row). */
export type DeviceTuple = [
  id: string, identity: string, version: number, generation: number, standing: Standing, poolId: string | null, offered: boolean | null,
  unit: string, numaNode: number | null, kind: DeviceRow['kind'], network: boolean | null, pf: string | null,
];
export const deviceRowOf = ([id, identity, version, generation, standing, poolId, offered, unit, numaNode, kind, network, pf]: DeviceTuple): DeviceRow =>
  ({ id, identity, version, generation, standing, poolId, offered: offered === true, unit, numaNode, kind, network: network === true, pf });

/** What of a host's devices a read brings: those that changed, and by what it is seen that none was missed. */
export interface DeviceRows { rows: readonly DeviceRow[]; /** Of those in pools: how many, and the sum of their versions. */ count: number; versions: number }

export type PoolRow = Pick<DevicePool, 'id' | 'name' | 'className' | 'physicalNetwork' | 'groupTogether'> & { vlans: readonly number[]; macPrefix: string };
export type ClassRow = Pick<DeviceClass, 'name' | 'numaPolicy' | 'attach'>;
