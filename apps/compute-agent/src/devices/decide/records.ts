/**
 * What the host remembers of each device: words, and how they change. Pure.
 * Owns: when a device counts as clean. A device of which nothing is remembered is clean only when nobody is known to have had it.
 */
import type { HoldWish, HostDevice, PoolWish } from '#libs/contracts';

export interface Dirty { readonly generation: number; readonly code: string; readonly sentence: string }

export interface DeviceRecord {
  /** Highest generation at which it was prepared for a guest here; 0: never. */
  readonly used: number;
  /** Who had it last: whose guest it was prepared for, or the domain that had it without a claim. */
  readonly holder: string | null;
  /** Highest generation at which it was found clean; null: not known to be. */
  readonly cleanAt: number | null;
  readonly dirty: Dirty | null;
  /** Tries to clean it that failed. */
  readonly tries: { readonly generation: number; readonly count: number } | null;
  /** Highest generation at which an operator's word was followed. */
  readonly releasedAt: number;
  /** The last word of an operator that was followed of it while somebody had it: that it is the one it is taken for. */
  readonly vouched: number;
  /** Fatal errors on the bus, counted since the boot, that an operator knows of. */
  readonly aerFatal: number;
  /** As it was seen last. */
  readonly last: LastSeen | null;
}

/** Enough to name it when it cannot be read, and to see that another one stands in its place. */
export type LastSeen = Pick<HostDevice, 'identityStrength' | 'address' | 'kind' | 'vendor' | 'product' | 'pciClass' | 'subsystemVendor' | 'subsystemProduct' | 'driver' | 'numaNode' | 'iommuGroup' | 'mates' | 'pf' | 'sriov' | 'resetMethods' | 'network' | 'protectedBy'>;

export const NO_RECORD: DeviceRecord = { used: 0, holder: null, cleanAt: null, dirty: null, tries: null, releasedAt: 0, vouched: 0, aerFatal: 0, last: null };

/** What the control plane wants of this host's devices, as it was told last. */
export interface Wishes { readonly version: string; readonly pools: readonly PoolWish[]; readonly holds: readonly HoldWish[] }

/** As it may be told: what was handed out since is not clean, whoever asks, also one that has forgotten that hold. */
export const cleanNow = ({ cleanAt, used }: Pick<DeviceRecord, 'cleanAt' | 'used'>): number | null => (cleanAt !== null && cleanAt >= used ? cleanAt : null);

/** A device that nobody is known to have had is clean as found; one that somebody had, may have had, or shall have, is cleaned first. */
export function atFirstSight(record: DeviceRecord, hold: HoldWish | undefined, isClaimed: boolean, wishes: Wishes | null): DeviceRecord {
  return record.cleanAt === null && record.used === 0 && record.holder === null && record.dirty === null && wishes !== null && hold === undefined && !isClaimed ? { ...record, cleanAt: 0 } : record;
}

/** It is handed to a guest: from here on it is not clean, whatever happens next. */
export const prepared = (record: DeviceRecord, generation: number, holder: string): DeviceRecord => ({ ...record, used: generation, holder, tries: null });

export const cleaned = (record: DeviceRecord, generation: number): DeviceRecord => ({ ...record, cleanAt: Math.max(record.cleanAt ?? 0, generation), dirty: null, tries: null });

export const soiled = (record: DeviceRecord, dirty: Dirty): DeviceRecord => ({ ...record, dirty, tries: null });

/** A try to clean it failed: one more, and after `most` of them it is given up. `final`: another try cannot do better. */
export function failedToClean(record: DeviceRecord, failed: Dirty & { readonly final: boolean }, most: number): DeviceRecord {
  const { final, ...dirty } = failed;
  const count = (record.tries?.generation === dirty.generation ? record.tries.count : 0) + 1;
  return final || count >= most ? soiled(record, dirty) : { ...record, tries: { generation: dirty.generation, count } };
}

/** Of a new boot: counters of the bus begin anew, and so do tries. What was dirty stays so. */
export const atBoot = (record: DeviceRecord): DeviceRecord => ({ ...record, tries: null, aerFatal: 0 });
