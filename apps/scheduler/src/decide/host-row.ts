/**
 * One host as the feed delivers it to placement: who it is, how it is made, what claims use of it. Types only: holds
 * nothing, does nothing. Three parts change at three speeds, so each is taken on its own.
 */
import type { DeviceRows } from './devices/device-row.js';

/** Of a host: its CPUs that float, ordinary memory and disk. Of a guest, before it has a host: all its CPUs and memory. */
export interface Amounts { vcpus: number; memoryMib: number; diskGib: number }

export interface HostRow {
  id: string;
  name: string;
  zone: string;
  /** The host's zone is used only by requests that name it (or the host). */
  onlyWhenAsked: boolean;
  enabled: boolean;
  disabledReason: string | null;
  bootId: string | null;
  /** Version of who the host is; an older one is not taken. */
  generation: number;
  /** How it is made; null or left out: as known before. A host whose make was never told has neither cells nor traits. */
  make?: HostMake | null;
  capacity: Capacity;
  /** Of its devices those that changed; left out: none did. */
  devices?: DeviceRows;
}

/** Mostly of the host's inventory, in its words. Changes with the operator's hand or a boot, never with claims. */
export interface HostMake {
  /** Rises with every change; an older one is not taken. */
  version: number;
  /** x86_64, aarch64, …; empty: not known. */
  architecture: string;
  cells: readonly HostCell[];
  /** null: all that are not dedicated. */
  sharedCpus: readonly number[] | null;
  dedicatedCpus: readonly number[];
  cpuFlags: readonly string[];
  /** All of them: the agent's, those of its capabilities (CUSTOM_SKYLITE_…), the operator's. */
  traits: readonly string[];
  /** What claims together may use of custom resource classes. */
  resources: Readonly<Record<string, number>>;
}

export interface HostCell {
  id: number;
  cpus: readonly number[];
  memoryMib: number;
  socket: number;
  /** Its CPUs by physical core; CPUs that no core names are cores of their own. */
  cores: readonly (readonly number[])[];
  pages: readonly { kib: number; total: number }[];
  /** To each cell, in the order of cells; empty: not known. */
  distances: readonly number[];
}

export interface Capacity {
  /** What claims together may use: inventory less reserves and huge pages, times the ratio. */
  limit: Amounts;
  /** What claims use now. May exceed the limit: a host that shrank is overcommitted, visibly, and takes nothing new. */
  used: Amounts;
  /** Of the memory used what is pinned, MiB; left out: none. */
  pinnedMib?: number;
  /** The most one claim may take: overcommitment never makes a guest larger than its host. */
  largest: { vcpus: number; memoryMib: number };
  /** What claims use besides; left out: as known before (nothing, of a new host). */
  claimed?: Claimed;
  /** Rises with every change of the capacity row and of what is claimed. */
  version: number;
}

/** What claims on a host use of what can be counted one by one. */
export interface Claimed {
  /** Dedicated CPUs, by number: those of guests, of their emulators, and siblings that are kept empty. */
  cpus: readonly number[];
  /** Cells of which anything is used. memoryMib: ordinary pages of guests that are bound to the cell. */
  cells: readonly { id: number; memoryMib: number; pages: readonly { kib: number; used: number }[] }[];
  resources: Readonly<Record<string, number>>;
}

/** An aggregate of hosts; its metadata is for filters. */
export interface AggregateRow {
  id: string;
  metadata: Readonly<Record<string, string>>;
  hostIds: readonly string[];
}
