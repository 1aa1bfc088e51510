/**
 * A device as its row has it, with who holds it. Holds nothing, does nothing. Pure.
 */
import type { DeviceClass, DevicePool, HostDevice } from '#libs/contracts';

export type PoolRole = 'offered' | 'companion' | 'keeper' | 'withheld';
export interface Quarantine { generation: number; code: string; sentence: string }
/** Devices of a host, those that have gone for good included: 16 cards of 256 VFs. All of them are read for each report of the host; of one with more, reports are refused. */
export const DEVICES_PER_HOST = 4_096;
/** The claim on it. */
export interface Holder { instanceId: string; generation: number; className: string; /** Of the claim: `run`, `move`, or `lost:…`, which an evacuation left behind. */ purpose: string }

export interface StockDevice {
  id: string;
  identity: string;
  /** null: a claim tells of it, its host has not yet. */
  facts: HostDevice | null;
  nativeDriver: string | null;
  poolId: string | null; className: string | null; role: PoolRole | null; note: string | null;
  unit: string;
  generation: number; cleanAt: number | null; releasedAt: number | null;
  /** The last word of an operator that it is the one it is taken for, given while somebody had it; 0: none. */
  vouched: number;
  /** An operator has said that it will not come back, though it is not clean. Should it, that is over. */
  forgotten: boolean;
  quarantine: Quarantine | null;
  missing: boolean;
  /** Its host is: it is off, and nobody can say when it comes back. */
  fenced: boolean;
  lastHolder: string | null; lastClass: string | null;
  holder: Holder | null;
}

/** What classes and pools there are. */
export interface Definitions { classes: ReadonlyMap<string, DeviceClass>; pools: readonly DevicePool[] }

/** Whom a device is with, as far as anybody knows: the claim's server, or the domain that its host sees on it. */
export const heldBy = ({ holder, facts }: Pick<StockDevice, 'holder' | 'facts'>): string | null => holder?.instanceId ?? facts?.usedBy ?? null;

/** Nothing of a guest is on it: its host has verified that at its present generation, or an operator has said it. */
export const isClean = ({ generation, cleanAt, releasedAt }: Pick<StockDevice, 'generation' | 'cleanAt' | 'releasedAt'>): boolean => Math.max(cleanAt ?? -1, releasedAt ?? -1) >= generation;

/** Its host asks whether it is what it was, or whether it is sound: only an operator can say. */
export const isDoubted = ({ facts }: Pick<StockDevice, 'facts'>): boolean => facts?.condition?.code === 'changed-identity' || facts?.condition?.code === 'aer-errors';

/**
 * It stands in the way of no change: an operator has given it up, or its host is fenced and no server is to have it there. Should it come back,
 * whoever had it lets it go first, and it is made clean as its class says then; if that is gone, by an operator's word alone.
 */
export const isGivenUp = ({ forgotten, fenced, holder }: Pick<StockDevice, 'forgotten' | 'fenced' | 'holder'>): boolean => forgotten || (fenced && (holder === null || holder.purpose.startsWith(LEFT_BEHIND)));

/** How purposes of claims begin that an evacuation left on the host it left. */
export const LEFT_BEHIND = 'lost:';

/** It is not there, nobody has it, and it was not clean when it went: only an operator can say that it will not come back. */
export const isForgettable = (device: StockDevice): boolean => (device.missing || device.facts === null) && heldBy(device) === null && (device.quarantine !== null || !isClean(device));
