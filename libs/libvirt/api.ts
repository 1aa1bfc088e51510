// What a compute agent may ask of a hypervisor: the one interface of this library. `LibvirtConnection` speaks it over a
// socket, `FakeLibvirt` answers from memory.
import type { Duplex } from 'node:stream';
import type { DOMAIN_STATES, FLAGS, LIFECYCLE, STATE_REASONS } from './facts.js';

/** A domain as libvirt names it. `uuid` is dashed and lower case; `id` is -1 while it is not running. */
export interface DomainRef {
  readonly name: string;
  readonly uuid: string;
  readonly id: number;
}

export interface CallOptions {
  /** Deadline in ms, counted from the call (waiting for a slot included). */
  readonly timeoutMs?: number;
  /** Aborts the wait, not libvirt's work: a call that was sent may still take effect. */
  readonly signal?: AbortSignal;
  /** A guest's memory is read or written, for minutes: such calls have a link of their own, and hold up no other. For domainCreate of a saved one. */
  readonly memory?: boolean;
}

/** A set of named flags: `{ paused: true }`. Unknown names do not compile; false and absent are the same. */
export type FlagSet<G extends keyof typeof FLAGS> = { readonly [K in keyof (typeof FLAGS)[G]]?: boolean };

export interface LibvirtVersion {
  readonly major: number;
  readonly minor: number;
  readonly release: number;
  /** "9.0.0" */
  readonly text: string;
}

export interface NodeInfo {
  /** CPU model as the kernel's architecture name, e.g. "x86_64". */
  readonly model: string;
  readonly memoryKiB: number;
  readonly cpus: number;
  readonly mhz: number;
  readonly numaNodes: number;
  /** Sockets per NUMA node. */
  readonly sockets: number;
  readonly coresPerSocket: number;
  readonly threadsPerCore: number;
}

export type DomainStateName = (typeof DOMAIN_STATES)[number];
export type DomainReasonName = (typeof STATE_REASONS)[keyof typeof STATE_REASONS][number];

/** `state` 'nostate' and `reason` 'unknown' also stand for numbers newer than our table. */
export interface DomainState {
  readonly state: DomainStateName;
  readonly reason: DomainReasonName;
}

export interface DomainInfo {
  readonly state: DomainStateName;
  readonly maxMemoryKiB: number;
  readonly memoryKiB: number;
  readonly vcpus: number;
  readonly cpuTimeNs: bigint;
}

/** 64-bit numbers are bigint. */
export type StatValue = number | bigint | string | boolean;

export interface DomainStats {
  readonly domain: DomainRef;
  /** libvirt's own field names, e.g. "state.state", "cpu.time", "balloon.current". */
  readonly stats: ReadonlyMap<string, StatValue>;
}

export interface DomainStatsQuery {
  /** Which groups; none means all that the hypervisor has. */
  readonly groups?: FlagSet<'stats'>;
  /** Only these domains; else all that match `filter`. */
  readonly domains?: readonly DomainRef[];
  readonly filter?: FlagSet<'allStats'>;
}

export interface DomainCapabilitiesQuery {
  readonly emulator?: string;
  readonly arch?: string;
  readonly machine?: string;
  readonly virtType?: string;
}

export interface MetadataElement {
  /** The namespace that names the element; one element per namespace and domain. */
  readonly uri: string;
  /** Prefix used for the namespace in the domain's XML. */
  readonly key: string;
  /** One XML element; null removes it. */
  readonly xml: string | null;
}

type Lifecycle = { [E in keyof typeof LIFECYCLE]: { readonly event: E; readonly detail: (typeof LIFECYCLE)[E][number] | 'unknown' } }[keyof typeof LIFECYCLE];

/** Something happened to a domain. `event` 'unknown' is a newer libvirt's: look at the domain. */
export type DomainEvent = { readonly domain: DomainRef } & (
  | ({ readonly kind: 'lifecycle' } & (Lifecycle | { readonly event: 'unknown'; readonly detail: 'unknown' }))
  | { readonly kind: 'reboot' }
  /** Pinning, shares or limits of a running domain were changed. */
  | { readonly kind: 'tunable' }
  /** A running domain has one more device, has let one go, or its guest has refused to. */
  | { readonly kind: 'device-added' | 'device-removed' | 'device-removal-failed'; readonly alias: string }
);

/** A console: bytes both ways. `end()` finishes it in order, `destroy()` aborts it; both leave the domain alone. */
export type ConsoleStream = Duplex;

export interface LibvirtEvents {
  /** Connected and registered for events. Events before this moment are lost: observe everything. */
  up: [];
  /** The connection is gone; every call fails at once until 'up'. */
  down: [reason: Error];
  event: [event: DomainEvent];
}

/** Calls that libvirt answers. Each rejects with LibvirtError, LibvirtUnavailable, LibvirtTimeout or LibvirtBusy. */
export interface LibvirtCalls {
  getLibVersion(options?: CallOptions): Promise<LibvirtVersion>;
  /** The hypervisor's version, e.g. QEMU's. The first call after the daemon's start may probe for seconds. */
  getVersion(options?: CallOptions): Promise<LibvirtVersion>;
  getHostname(options?: CallOptions): Promise<string>;
  getUri(options?: CallOptions): Promise<string>;
  /** XML. The first call after the daemon's start may probe for seconds. */
  getCapabilities(options?: CallOptions): Promise<string>;
  /** XML. */
  getDomainCapabilities(query?: DomainCapabilitiesQuery, options?: CallOptions): Promise<string>;
  /**
   * The best CPU that the hypervisor can give and that all of `cpus` (XML) have, as XML; with `expandFeatures`, every feature by name.
   * @throws LibvirtError where the hypervisor can give none
   */
  baselineHypervisorCpu(cpus: readonly string[], query?: DomainCapabilitiesQuery, flags?: FlagSet<'baselineCpu'>, options?: CallOptions): Promise<string>;
  nodeGetInfo(options?: CallOptions): Promise<NodeInfo>;

  /** All domains; flags of one group add up, groups narrow. */
  listAllDomains(filter?: FlagSet<'listDomains'>, options?: CallOptions): Promise<readonly DomainRef[]>;
  /** @throws LibvirtError NO_DOMAIN */
  domainLookupByUuid(uuid: string, options?: CallOptions): Promise<DomainRef>;
  /** @throws LibvirtError NO_DOMAIN */
  domainLookupByName(name: string, options?: CallOptions): Promise<DomainRef>;
  domainGetXmlDesc(domain: DomainRef, flags?: FlagSet<'xml'>, options?: CallOptions): Promise<string>;
  domainGetInfo(domain: DomainRef, options?: CallOptions): Promise<DomainInfo>;
  domainGetState(domain: DomainRef, options?: CallOptions): Promise<DomainState>;

  /** Defines or redefines (same name and uuid). A running domain goes on as it is. */
  domainDefineXml(xml: string, flags?: FlagSet<'define'>, options?: CallOptions): Promise<DomainRef>;
  /** Starts a defined domain. @throws LibvirtError OPERATION_INVALID when it runs already */
  domainCreate(domain: DomainRef, flags?: FlagSet<'start'>, options?: CallOptions): Promise<DomainRef>;
  /** Starts a transient domain: it vanishes when it stops. */
  domainCreateXml(xml: string, flags?: FlagSet<'start'>, options?: CallOptions): Promise<DomainRef>;
  /** Asks the guest to power off; the guest decides. */
  domainShutdown(domain: DomainRef, flags?: FlagSet<'shutdown'>, options?: CallOptions): Promise<void>;
  /** Asks the guest to reboot; the guest decides. */
  domainReboot(domain: DomainRef, flags?: FlagSet<'reboot'>, options?: CallOptions): Promise<void>;
  /** The reset button. */
  domainReset(domain: DomainRef, options?: CallOptions): Promise<void>;
  /**
   * Stops it now. A daemon that was restarted a moment ago may stop the domain and yet refuse with one of these: look again.
   * @throws LibvirtError OPERATION_INVALID when it does not run, NO_DOMAIN when it is gone
   */
  domainDestroy(domain: DomainRef, flags?: FlagSet<'destroy'>, options?: CallOptions): Promise<void>;
  /** Forgets its definition. A running one becomes transient. */
  domainUndefine(domain: DomainRef, flags?: FlagSet<'undefine'>, options?: CallOptions): Promise<void>;
  domainSuspend(domain: DomainRef, options?: CallOptions): Promise<void>;
  domainResume(domain: DomainRef, options?: CallOptions): Promise<void>;
  /** Writes the guest's memory to libvirt's own place and stops it; its next start goes on from there. */
  domainManagedSave(domain: DomainRef, flags?: FlagSet<'save'>, options?: CallOptions): Promise<void>;
  /** Throws the saved memory away. */
  domainManagedSaveRemove(domain: DomainRef, options?: CallOptions): Promise<void>;
  domainSetMetadata(domain: DomainRef, element: MetadataElement, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<void>;
  /** The element's XML without its namespace. @throws LibvirtError NO_DOMAIN_METADATA */
  domainGetMetadata(domain: DomainRef, uri: string, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<string>;
  /**
   * Gives it one more device (an element of `<devices>`); live, it pins what memory the guest has, which takes its time.
   * @throws LibvirtError INVALID_ARG when the alias is taken
   */
  domainAttachDevice(domain: DomainRef, xml: string, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<void>;
  /**
   * Takes the device with that alias out of the definition; asks a running guest to let it go, and does not wait for that: 'device-removed' tells, or
   * a look. A guest that has been asked and has not answered may be refused to be asked again, for a while.
   * @throws LibvirtError (the code differs between versions) when there is no such device
   */
  domainDetachDevice(domain: DomainRef, alias: string, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<void>;
  getAllDomainStats(query?: DomainStatsQuery, options?: CallOptions): Promise<readonly DomainStats[]>;
}

/** A hypervisor: calls, events, consoles, and whether it can be reached at all. */
export interface Libvirt extends LibvirtCalls {
  /** No observation, no action: while this is false nothing is known of the host. */
  readonly isUp: boolean;
  /** Why it is not up; undefined while it is. */
  readonly downReason: Error | undefined;
  /** Begins to connect, and keeps connecting, until close(). */
  start(): void;
  /** Resolves when up. @throws LibvirtUnavailable after `timeoutMs` or close() */
  waitUp(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
  /** Opens a serial or console device (`device` is its alias; the first one when absent). It must be of type pty. */
  openConsole(domain: DomainRef, query?: { readonly device?: string } & FlagSet<'console'>, options?: CallOptions): Promise<ConsoleStream>;
  on<K extends keyof LibvirtEvents>(name: K, listener: (...args: LibvirtEvents[K]) => void): this;
  off<K extends keyof LibvirtEvents>(name: K, listener: (...args: LibvirtEvents[K]) => void): this;
  once<K extends keyof LibvirtEvents>(name: K, listener: (...args: LibvirtEvents[K]) => void): this;
}

