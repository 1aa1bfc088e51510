/**
 * What the host loop needs of a hypervisor and of the place where instances' files lie. Two of each: libvirt with real
 * files, and simulated ones. Both are only hands and eyes: they never decide, and every call may be repeated.
 */
import type { DesiredInstance, HostInventory } from '#libs/contracts';
import type { PlacedDevice, Readiness } from '../devices/decide/ready.js';
import type { DeviceUse } from '../devices/decide/seen.js';
import type { Frozen, HostCpuSets, ObservedDomain, ObservedFiles } from '../decide/facts.js';
import type { OwnDevice } from '../decide/layout.js';

/** A domain with our cloud's notes, or with none of ours but an id we know. */
export interface Observation {
  readonly domains: ReadonlyMap<string, ObservedDomain>;
  readonly cpus: HostCpuSets;
}

/** What the machine is, before its share is taken. */
export interface MachineFacts {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly cpuModel: string;
  readonly cpuArch: string;
  readonly cells: HostInventory['cells'];
  /** Features of the CPU that guests are given, as libvirt names them; empty: not known. */
  readonly cpuFlags: readonly string[];
  readonly hypervisorVersion: number;
  readonly libvirtVersion: number;
}

export interface DomainToDefine {
  readonly desired: DesiredInstance;
  readonly frozen: Frozen;
  readonly epoch: number;
  readonly rebootCount: number;
  /** Where its devices stand today. Absent: it has none. */
  readonly devices?: readonly PlacedDevice[];
}

/** Calls throw StepError. Every one is idempotent: already so is success. */
export interface Hypervisor {
  readonly kind: 'libvirt' | 'simulated';
  /** false: nothing is known of the domains, so nothing is done. */
  readonly isUp: boolean;
  start(): void;
  close(): Promise<void>;
  /** It came up, went down, or something happened to a domain: look. */
  onChange(listener: () => void): void;
  facts(): Promise<MachineFacts>;
  /** All domains that carry notes of ours, and all whose id is in `known`. */
  observe(known: ReadonlySet<string>): Promise<Observation>;
  /** Which domains have, or are defined with, which devices of the host: all domains, whoever's they are. */
  deviceUses(): Promise<readonly DeviceUse[]>;
  /** What is chosen for a domain first defined now. */
  freeze(): Promise<Frozen>;
  /** @returns the digest of the definition as the hypervisor took it; null: it cannot say */
  define(domain: DomainToDefine): Promise<string | null>;
  /** Writes into the notes what it was built as, when nothing it is made of differs; on or off. */
  bookSpec(domain: Omit<DomainToDefine, 'rebootCount' | 'devices'>): Promise<void>;
  /** Writes the count into the notes of a domain that is off (what it will start with) or on. */
  bookReboots(id: string, count: number): Promise<void>;
  /** Writes into the notes which devices the domain may have, on or off. */
  bookDevices(desired: DesiredInstance, devices: readonly OwnDevice[]): Promise<void>;
  /** Gives it the device, running and defined, where it has it not. @returns the digest of its definition; null: it cannot say */
  attachDevice(id: string, device: PlacedDevice): Promise<string | null>;
  /** Takes it out of the definition, and asks a running guest for it without waiting. @returns gone: the domain provably has it no more */
  detachDevice(id: string, place: number): Promise<'gone' | 'asked'>;
  startDomain(id: string): Promise<void>;
  /** Halts its CPUs. */
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Keeps its memory and stops it: its next start goes on from there. */
  save(id: string): Promise<void>;
  /** Throws kept memory away. */
  dropSaved(id: string): Promise<void>;
  pressPowerButton(id: string): Promise<void>;
  /** Cuts the power. */
  destroy(id: string): Promise<void>;
  undefine(id: string): Promise<void>;
  /** The definition as the hypervisor has it; null: no such domain. */
  domainXml(id: string): Promise<string | null>;
}

/** Files of instances, each in a folder named by the id. Calls throw StepError or the system's own errors. */
export interface InstanceFiles {
  list(): Promise<ReadonlyMap<string, ObservedFiles>>;
  /** Its image need not be fetched. Absent: nobody knows before. */
  hasImage?(desired: DesiredInstance): Promise<boolean>;
  /** Checksums of the base images that are here. Absent: nobody is told. */
  cachedImages?(): Promise<string[]>;
  fetchImage(desired: DesiredInstance, signal: AbortSignal): Promise<void>;
  /** The disk of `diskGeneration`, from the image. Never replaces one that is there, never touches another generation's. */
  makeDisk(desired: DesiredInstance, signal: AbortSignal): Promise<void>;
  /** Where the disk of a generation lies; absent: nowhere really. */
  diskPath?(id: string, diskGeneration: number): string;
  /** The same disk, from the host that has it. */
  receiveDisk(desired: DesiredInstance, signal: AbortSignal): Promise<void>;
  /** Makes the disk as large as the flavor says, when it is smaller. Only while the guest is off. */
  growDisk(desired: DesiredInstance, signal: AbortSignal): Promise<void>;
  /** A copy of the disk as it is, kept as that of `previous.specGeneration`. Only while the guest is off. */
  keepDisk(desired: DesiredInstance, signal: AbortSignal): Promise<void>;
  /** What was kept as `previous.specGeneration` becomes the disk; it stays kept until it is dropped. Only while the guest is off. */
  restoreDisk(desired: DesiredInstance): Promise<void>;
  /** Disks of lower generations; nothing when the one of `diskGeneration` is not there. */
  dropDisks(desired: DesiredInstance): Promise<void>;
  /** What is kept beside and not named by the wish. */
  dropPrevious(desired: DesiredInstance): Promise<void>;
  makeConfigDrive(desired: DesiredInstance): Promise<void>;
  /** Everything of the instance, logs included. */
  remove(id: string): Promise<void>;
  sizes(id: string): Promise<{ path: string; bytes: number }[]>;
  /** The last `maxBytes` of the serial log; empty when there is none. */
  readLog(id: string, maxBytes: number): Promise<Uint8Array>;
  /** Capacity of the file system, GiB. */
  diskGib(): Promise<number>;
}

/** Devices of the host for its instances. */
export interface InstanceDevices {
  /** false: devices are looked at and told, and no guest gets any. */
  readonly mayGive: boolean;
  /** As last looked. */
  readiness(desired: Pick<DesiredInstance, 'id' | 'layout'>): Readiness;
  /** Where they stand, as last looked. @throws StepError when it may not have them */
  place(desired: DesiredInstance): readonly PlacedDevice[];
  /** Takes them from the host, sets and binds them for this guest, verified; what its guest has already is left as it is. @throws StepError */
  prepare(desired: DesiredInstance, signal: AbortSignal): Promise<readonly PlacedDevice[]>;
}

/** One compute host, real or not. */
export interface Machine {
  readonly hypervisor: Hypervisor;
  readonly files: InstanceFiles;
  /** Absent: it gives none to guests. */
  readonly devices?: InstanceDevices;
}
