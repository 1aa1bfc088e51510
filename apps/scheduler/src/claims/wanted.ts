/** What is wanted of the database and what became of it. Types only. */
import type { GroupWish, Layout } from '#libs/contracts';
import type { DeviceRow } from '../decide/devices/device-row.js';
import type { Amounts, Capacity } from '../decide/host-row.js';

export interface Exact {
  layout: Layout | null;
  /** Of custom resource classes; empty: none. */
  resources: Readonly<Record<string, number>>;
  group: GroupWish | null;
}

/** vcpus: guest CPUs that float; memoryMib: ordinary pages. What is pinned or made of huge pages is in the layout. */
export interface Wanted extends Amounts {
  instanceId: string;
  /** run, or move: the second claim of an instance that is on its way to another place. Both count. */
  purpose: string;
  generation: number;
  projectId: string;
  /** Where to; null: only look what is there already. */
  hostId: string | null;
  /** What it takes, or is bound by, besides amounts; null: nothing. */
  exact: Exact | null;
}

/** What one statement did for one wanted claim. */
export type Taken =
  | { is: 'claimed'; hostId: string; hostName: string; availabilityZone: string; layout: Layout | null }
  /** A tombstone or a newer claim stands at this generation. */
  | { is: 'stale'; generation: number }
  /** An older claim of the instance is still held. */
  | { is: 'held'; generation: number }
  /** No room there any more, or somebody else was at this instance at the same moment: choose again. */
  | { is: 'lost' };

/** devices: as those stand that were wanted there. */
export interface CapacityNow { hostId: string; enabled: boolean; capacity: Capacity; devices?: DeviceRow[] }
