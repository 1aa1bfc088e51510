/**
 * What the host loop knows when it decides: plain values, no clock, no handles.
 * Owns: the words for what was observed and what has been done. Never reads anything.
 */
import type { DesiredInstance } from '#libs/contracts';

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

/** What the domain's own metadata say: enough to go on when the ledger is lost. */
export interface DomainNotes {
  readonly cloudId: string;
  readonly generation: number;
  readonly specGeneration: number;
  readonly rebootCount: number;
  readonly frozen: Frozen | null;
}

export interface ObservedDomain {
  readonly id: string;
  readonly name: string;
  /** crashed: not running, and it did not end in order. */
  readonly power: 'running' | 'paused' | 'stopped' | 'crashed';
  /** null: a domain with this id that is not ours (no notes, or another cloud's): never touched. */
  readonly notes: DomainNotes | null;
}

/** What lies in the instance's folder. `any`: the folder itself is there. */
export interface ObservedFiles {
  readonly disk: boolean;
  readonly configDrive: boolean;
  readonly any: boolean;
}

export const NO_FILES: ObservedFiles = { disk: false, configDrive: false, any: false };

/** One idempotent action. */
export type Step =
  | 'adopt' | 'fetch-image' | 'make-disk' | 'make-config-drive' | 'define' | 'book-reboot' | 'start' | 'book-start'
  | 'press-power-button' | 'destroy' | 'undefine' | 'remove-files';

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
  /** Spec generation whose disk was made here; null: nothing is finished yet. */
  readonly built: number | null;
  readonly frozen: Frozen | null;
  readonly rebootCount: number;
  /** For which generation, in which boot of the host, the guest was started: it is not started again for the same. */
  readonly started: { readonly generation: number; readonly bootId: string } | null;
  readonly startedAtMs: number | null;
  /** The power button was pressed and the guest has not been started since. Boot clock. */
  readonly powerButton: { readonly firstMs: number; readonly lastMs: number; readonly bootId: string } | null;
  readonly failure: Failure | null;
}

export const NO_PROGRESS: Progress = { built: null, frozen: null, rebootCount: 0, started: null, startedAtMs: null, powerButton: null, failure: null };

/** Everything about one instance on this host. */
export interface InstanceFacts {
  readonly desired: DesiredInstance;
  /** false: the control plane's last full answer did not name it. Absence is no order: it is only watched. */
  readonly listed: boolean;
  readonly progress: Progress;
  readonly domain: ObservedDomain | null;
  readonly files: ObservedFiles;
}

export interface World {
  /** Boot clock. */
  readonly nowMs: number;
  readonly bootId: string;
  /** The control plane was restored from an older state: look, say, do nothing. */
  readonly reportOnly: boolean;
  readonly powerOffMs: number;
  readonly pressAgainMs: number;
}
