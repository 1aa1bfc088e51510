/**
 * What the host loop knows when it decides: plain values, no clock, no handles.
 * Owns: the words for what was observed and what has been done. Never reads anything.
 */
import type { DesiredInstance } from '#libs/contracts';
import type { Readiness } from '../devices/decide/ready.js';
import type { OwnDevice } from './layout.js';

/** What is chosen once, when a domain is first defined, and kept for its life whatever newer agents would choose. */
export interface Frozen {
  readonly renderVersion: number;
  readonly virtType: string;
  readonly arch: string;
  readonly machine: string;
  readonly emulator: string;
  readonly cpuModel: string;
  /** `+name`, `-name`, comma separated; what the model needs beside itself on this host. */
  readonly cpuFeatures: string;
  readonly diskCache: string;
}

/** What a resize changes. */
export interface Shape {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
  /** What was claimed of the host (layout.ts); null: nothing, it floats. */
  readonly layout: string | null;
}

/** What the domain's own metadata say: enough to go on when the ledger is lost. */
export interface DomainNotes {
  readonly cloudId: string;
  readonly generation: number;
  readonly specGeneration: number;
  /** Of the disk it was defined with; 1 in notes of before disks could be made anew. */
  readonly diskGeneration: number;
  readonly rebootCount: number;
  /** The host's shared CPUs that it was defined with, as a list; empty: it was not confined. */
  readonly sharedCpus: string;
  readonly frozen: Frozen | null;
  /** null: the notes do not say. */
  readonly shape: Shape | null;
  /** Every device that the domain or its definition may have, and more: written down before it is attached, and struck out when it is provably gone. */
  readonly devices: readonly OwnDevice[];
}

/** A device of the host in a domain. `place`: of its alias; null: it is none of ours. */
export interface DomainDevice { readonly place: number | null; readonly address: string; /** Its process has it, and libvirt does not know. */ readonly unnamed?: true }

export interface ObservedDomain {
  readonly id: string;
  readonly name: string;
  /** crashed: not running, and it did not end in order. */
  readonly power: 'running' | 'paused' | 'stopped' | 'crashed';
  /** Who halted its CPUs: somebody's word, libvirt for the moment (it saves, dumps, starts), or a fault (its disk, its watchdog). */
  readonly pausedBy: 'word' | 'libvirt' | 'fault' | null;
  /** libvirt's own word for why it is in this state. */
  readonly reason: string;
  /** Memory of it is kept. It is off: its next start goes on from there. It is on: it went on from there, and never may again. */
  readonly saved: boolean;
  /** Digest of its persistent definition, our notes and our devices apart, which come and go; null: not known. */
  readonly definition: string | null;
  /** The same with our devices, as agents of before booked it. */
  readonly definitionWithDevices?: string | null;
  /** It runs, and on other host CPUs or memory than its definition says. */
  readonly retuned: boolean;
  /** Devices of the host that its definition names, in its order. Absent: none. */
  readonly hostdevs?: readonly DomainDevice[];
  /** Those that the running domain has, whatever its definition says. Absent: none. */
  readonly live?: readonly DomainDevice[];
  /** null: a domain with this id that is not ours (no notes, or another cloud's): never touched. */
  readonly notes: DomainNotes | null;
}

/** What lies in the instance's folder, whole files only. */
export interface ObservedFiles {
  /** Disk generations there are disks of, ascending. */
  readonly disks: readonly number[];
  /** Spec generations whose disk is kept beside (a resize that may be taken back), ascending. */
  readonly previous: readonly number[];
  readonly configDrive: boolean;
  /** The folder itself is there. */
  readonly any: boolean;
}

export const NO_FILES: ObservedFiles = { disks: [], previous: [], configDrive: false, any: false };

/** Idempotent actions, one word each. */
export const STEPS = [
  'adopt', 'fetch-image', 'make-disk', 'receive-disk', 'keep-disk', 'restore-disk', 'grow-disk', 'make-config-drive', 'prepare-devices', 'define', 'book-spec', 'drop-disks', 'drop-previous',
  'attach-device', 'detach-device', 'book-reboot', 'book-wake', 'start', 'book-start', 'pause', 'resume', 'save', 'drop-saved', 'press-power-button', 'destroy', 'undefine', 'remove-files',
] as const;
export type Step = (typeof STEPS)[number];

/** The last thing that went wrong, while it is not overcome. */
export interface Failure {
  readonly generation: number;
  readonly step: Step;
  readonly code: string;
  readonly message: string;
  /** How often in a row; tries that failed because something else was unreachable do not count. */
  readonly attempts: number;
  readonly final: boolean;
  /** Boot clock. Not before this is it tried again; meaningless after a reboot. */
  readonly retryAtMs: number;
  readonly bootId: string;
}

/** What this host has done for one instance. Kept in the ledger. */
export interface Progress {
  /** Spec generation that was built here last; null: nothing is finished yet. */
  readonly built: number | null;
  /** Disk generation that was built here last; means nothing while `built` is null. */
  readonly diskGeneration: number;
  /** Digest of the files on the config drive that is there; null: not known. */
  readonly configDrive: string | null;
  readonly frozen: Frozen | null;
  /** Digest of the definition as it was given last; null: not known. */
  readonly definition: string | null;
  readonly rebootCount: number;
  /** For which generation, in which boot of the host, the guest was started: it is not started again for the same. */
  readonly started: { readonly generation: number; readonly bootId: string } | null;
  readonly startedAtMs: number | null;
  /** The power button was pressed and the guest has not been started since. Boot clock. */
  readonly powerButton: { readonly firstMs: number; readonly lastMs: number; readonly bootId: string } | null;
  /** Its kept memory was given to a start, not long ago: a power cut may bring the memory back, and not what the guest wrote since. Boot clock. */
  readonly woken: { readonly atMs: number; readonly bootId: string } | null;
  readonly failure: Failure | null;
  /** By identity: why a device is not attached yet, or how often the guest was asked to let it go. `generation`: of the hold. */
  readonly devices: Readonly<Record<string, Failure>>;
}

export const NO_PROGRESS: Progress = { built: null, diskGeneration: 1, configDrive: null, definition: null, frozen: null, rebootCount: 0, started: null, startedAtMs: null, powerButton: null, woken: null, failure: null, devices: {} };

/** Everything about one instance on this host. */
export interface InstanceFacts {
  readonly desired: DesiredInstance;
  /** false: the control plane's last full answer did not name it. Absence is no order: it is only watched. */
  readonly listed: boolean;
  readonly progress: Progress;
  readonly domain: ObservedDomain | null;
  readonly files: ObservedFiles;
  /** Digest of the files that shall be on the config drive. */
  readonly configDrive: string;
  /** Of the devices in its layout. Absent: this agent knows nothing of devices. */
  readonly devices?: Readiness;
}

export interface World {
  /** Boot clock. */
  readonly nowMs: number;
  readonly bootId: string;
  /** The control plane was restored from an older state: look, say, do nothing. */
  readonly reportOnly: boolean;
  /** For instances that do not say themselves. */
  readonly powerOffMs: number;
  readonly pressAgainMs: number;
  readonly cpus: HostCpuSets;
}

/** The host's CPU sets now: its shared CPUs as a list (empty: all), and those that are given to single guest CPUs. */
export interface HostCpuSets {
  readonly shared: string;
  readonly dedicated: readonly number[];
}

export const NO_CPU_SETS: HostCpuSets = { shared: '', dedicated: [] };
