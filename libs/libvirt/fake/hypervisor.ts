// A hypervisor in memory: the state behind the fake daemon, and usable without one. It keeps libvirt's rules (what is an
// error, which state follows, which events come), starts nothing and costs a few kilobytes a domain.
import type { DomainEvent, DomainRef, DomainState } from '../api.js';
import type { ArgsOf, RetOf } from '../call-table.js';
import { toState } from '../convert.js';
import { LibvirtError } from '../errors.js';
import { FLAGS } from '../facts.js';
import { baselineCpuXml, capabilitiesXml, domainCapabilitiesXml } from './capabilities.js';
import { FakeConsoles, type ConsoleSink } from './consoles.js';
import { getMetadata, setMetadata, withId, type DomainDoc } from './domain-doc.js';
import { FakeDomains, refOf, wireOf, type FakeDomain } from './domains.js';
import { FaultPlan, type FakeProcedure } from './faults.js';
import type { FakeHostDevices } from './host-devices.js';
import { ERR, matchesFilter, STATE } from './rules.js';

export interface FakeHypervisorOptions {
  readonly hostname?: string;
  readonly hostUuid?: string;
  readonly cpus?: number;
  readonly memoryKiB?: number;
  readonly numaNodes?: number;
  readonly capabilitiesXml?: string;
  readonly domainCapabilitiesXml?: string;
  readonly baselineCpuXml?: string;
  /** ms a guest takes to obey a shutdown request; null: it never does. Default 0. */
  readonly shutdownMs?: number | null;
  /** ms a guest takes to let go of a device that it is asked for; null: it never does. Default 0. */
  readonly unplugMs?: number | null | ((alias: string) => number | null);
  /** What a guest's console prints when its CPUs first run. */
  readonly bootText?: string | ((domain: DomainRef) => string);
  /** What a guest's console answers to input; default: echoes it. */
  readonly onConsoleInput?: (domain: DomainRef, input: Buffer) => string | Uint8Array | null;
  /** Time of a call in ms, before it takes effect. Default 0: answered at once. */
  readonly latencyMs?: number | ((procedure: FakeProcedure) => number);
  /** Runs `task` after `ms`; returns how to cancel it. Default: an unref'd timer. */
  readonly schedule?: (ms: number, task: () => void) => () => void;
  /** ms, for CPU time in statistics. Default: the process's clock. */
  readonly now?: () => number;
  readonly newUuid?: () => string;
  /** The host's bus. Absent: any device is there, and only domains are in each other's way. */
  readonly hostDevices?: FakeHostDevices;
}

/** A domain as tests see it. */
export interface FakeDomainView extends DomainState {
  readonly name: string;
  readonly uuid: string;
  readonly id: number;
  readonly persistent: boolean;
  readonly xml: string;
  /** How often it was started, and reset or rebooted, since it is known. */
  readonly starts: number;
  readonly resets: number;
  /** It is off, and its next start goes on from saved memory. */
  readonly saved: boolean;
}

type Handlers = { readonly [P in FakeProcedure]?: (args: ArgsOf<P>) => RetOf<P> };

const unrefTimer = (ms: number, task: () => void): (() => void) => {
  const timer = setTimeout(task, ms).unref();
  return () => clearTimeout(timer);
};

export class FakeHypervisor {
  readonly faults = new FaultPlan();
  readonly #options: FakeHypervisorOptions;
  readonly #consoles: FakeConsoles;
  /** Guests that do not answer when they are asked for a device. */
  readonly #deaf = new Set<string>();
  readonly #domains: FakeDomains;
  readonly #listeners = new Set<(event: DomainEvent) => void>();
  readonly #calls = new Map<FakeProcedure, number>();
  readonly #schedule: (ms: number, task: () => void) => () => void;
  readonly #now: () => number;

  constructor(options: FakeHypervisorOptions = {}) {
    this.#options = options;
    this.#schedule = options.schedule ?? unrefTimer;
    this.#now = options.now ?? (() => performance.now());
    this.#consoles = new FakeConsoles(options.onConsoleInput ?? ((_, input) => input));
    this.#domains = new FakeDomains({
      consoles: this.#consoles, bootText: options.bootText ?? 'fake guest: ready\r\n', newUuid: options.newUuid, now: this.#now, hostDevices: options.hostDevices,
      asked: (domain, alias) => {
        const unplugMs = typeof options.unplugMs === 'function' ? options.unplugMs(alias) : options.unplugMs === undefined ? 0 : options.unplugMs;
        if (unplugMs === null || this.#deaf.has(domain.uuid)) return;
        this.#schedule(unplugMs, () => { if (domain.state === STATE.running && !this.#deaf.has(domain.uuid)) this.#domains.letGo(domain, alias); });
      },
      tell: (event) => {
        for (const listener of this.#listeners) listener(event);
      },
    });
  }

  // ---- for tests and simulations --------------------------------------------------------------------------------

  domains(): readonly FakeDomainView[] {
    return this.#domains.all().map(view);
  }

  domain(nameOrUuid: string): FakeDomainView | undefined {
    const domain = this.#domains.get(nameOrUuid);
    return domain && view(domain);
  }

  /** How often a procedure was called, refused and faulty calls included. */
  callCount(procedure: FakeProcedure): number {
    return this.#calls.get(procedure) ?? 0;
  }

  /** Returns how to stop listening. */
  onEvent(listener: (event: DomainEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The guest prints something. */
  consoleWrite(nameOrUuid: string, data: string | Uint8Array): void {
    const domain = this.#domains.get(nameOrUuid);
    if (domain) this.#consoles.write(domain.uuid, data);
  }

  /** The guest powers itself off. */
  guestPowerOff(nameOrUuid: string): void {
    const domain = this.#domains.get(nameOrUuid);
    if (domain) this.#domains.guestStops(domain, 'shutdown');
  }

  /** The guest's process dies. */
  guestCrash(nameOrUuid: string): void {
    const domain = this.#domains.get(nameOrUuid);
    if (domain) this.#domains.guestStops(domain, 'crashed');
  }

  /** The guest does not answer when it is asked for a device; false: it does again, and lets go of what it was asked for meanwhile. */
  guestDeaf(nameOrUuid: string, deaf: boolean): void {
    const domain = this.#domains.get(nameOrUuid);
    if (!domain) return;
    if (deaf) this.#deaf.add(domain.uuid);
    else this.#deaf.delete(domain.uuid);
    if (!deaf) for (const alias of [...domain.leaving]) this.#domains.letGo(domain, alias);
  }

  /** libvirtd ends (and is there again) right after QEMU has got the next device that is attached: the call fails, and libvirtd remembers nothing of the device. */
  forgetNextAttach(): void { this.#domains.forgetNextAttach(); }

  /** QEMU cannot write the guest's disk and halts its CPUs. */
  guestIoError(nameOrUuid: string): void {
    const domain = this.#domains.get(nameOrUuid);
    if (domain?.live) this.#domains.suspend(domain, 'ioerror');
  }

  /** Somebody changes the running domain, pinning for example, and not its definition. */
  tune(nameOrUuid: string, change: (xml: string) => string): void {
    const domain = this.#domains.get(nameOrUuid);
    if (!domain?.live) return;
    domain.live = { ...domain.live, xml: change(domain.live.xml) };
    for (const listener of this.#listeners) listener({ kind: 'tunable', domain: refOf(domain) });
  }

  /** A managed save's file is damaged. */
  spoilSaved(nameOrUuid: string): void {
    const saved = this.#domains.get(nameOrUuid)?.saved;
    if (saved) saved.spoiled = true;
  }

  /** libvirt ended after a guest had gone on from its saved memory and before that was removed; or a power cut brought it back. */
  leaveSaved(nameOrUuid: string): void {
    const domain = this.#domains.get(nameOrUuid);
    const live = domain?.live ?? domain?.config;
    if (domain && live) domain.saved = { live, paused: false, booted: true, spoiled: false };
  }

  /** The host loses power: what ran is gone, definitions stay, nobody is told. */
  powerLoss(): void {
    for (const domain of this.#domains.all()) if (domain.live) this.#domains.stop(domain, 'crashed', false);
  }

  // ---- for the fake daemon --------------------------------------------------------------------------------------

  latencyOf(procedure: FakeProcedure): number {
    const { latencyMs } = this.#options;
    return typeof latencyMs === 'function' ? latencyMs(procedure) : (latencyMs ?? 0);
  }

  after(ms: number, task: () => void): () => void {
    return this.#schedule(ms, task);
  }

  count(procedure: FakeProcedure): void {
    this.#calls.set(procedure, (this.#calls.get(procedure) ?? 0) + 1);
  }

  /** Does one call. @throws LibvirtError as libvirtd would */
  handle<P extends FakeProcedure>(procedure: P, args: ArgsOf<P>): RetOf<P> {
    const handler = this.#handlers[procedure] as ((args: ArgsOf<P>) => RetOf<P>) | undefined;
    if (!handler) throw new LibvirtError(ERR.NO_SUPPORT, `this function is not supported by the connection driver: ${procedure}`);
    return handler(args);
  }

  openConsole(args: ArgsOf<'DOMAIN_OPEN_CONSOLE'>, sink: ConsoleSink): { write(data: Buffer): void; close(): void } {
    const domain = this.#domains.active(args.dom);
    if (domain.live.consoles === 0) throw new LibvirtError(ERR.INTERNAL_ERROR, `internal error: cannot find character device ${args.dev_name ?? '<null>'}`);
    return this.#consoles.attach(refOf(domain), sink, (args.flags & FLAGS.console.force) !== 0);
  }

  // ---- the calls ------------------------------------------------------------------------------------------------

  readonly #handlers: Handlers = {
    CONNECT_CLOSE: () => null,
    CONNECT_SUPPORTS_FEATURE: () => ({ supported: 1 }),
    CONNECT_GET_LIB_VERSION: () => ({ lib_ver: 9_000_000n }),
    CONNECT_GET_VERSION: () => ({ hv_ver: 7_002_022n }),
    CONNECT_GET_HOSTNAME: () => ({ hostname: this.#options.hostname ?? 'fake' }),
    CONNECT_GET_URI: () => ({ uri: 'qemu:///system' }),
    CONNECT_GET_CAPABILITIES: () => ({ capabilities: this.#options.capabilitiesXml ?? capabilitiesXml(this.#shape()) }),
    CONNECT_GET_DOMAIN_CAPABILITIES: (args) => ({ capabilities: this.#options.domainCapabilitiesXml ?? domainCapabilitiesXml(args) }),
    CONNECT_BASELINE_HYPERVISOR_CPU: ({ xmlCPUs }) => ({ cpu: this.#options.baselineCpuXml ?? baselineCpuXml(xmlCPUs[0] ?? '') }),
    NODE_GET_INFO: () => {
      const { cpus, memoryKiB, numaNodes } = this.#shape();
      const model = [...Buffer.from('x86_64'.padEnd(32, '\0'))];
      return { model, memory: BigInt(memoryKiB), cpus, mhz: 2400, nodes: numaNodes, sockets: 1, cores: Math.floor(cpus / numaNodes), threads: 1 };
    },
    CONNECT_LIST_ALL_DOMAINS: ({ flags }) => {
      const domains = this.#domains.all().filter((domain) => matchesFilter(domain, flags)).map(wireOf);
      return { domains, ret: domains.length };
    },
    DOMAIN_LOOKUP_BY_UUID: ({ uuid }) => ({ dom: wireOf(this.#domains.find({ uuid, name: '', id: -1 })) }),
    DOMAIN_LOOKUP_BY_NAME: ({ name }) => ({ dom: wireOf(this.#domains.findByName(name)) }),
    DOMAIN_GET_XML_DESC: ({ dom, flags }) => {
      const domain = this.#domains.find(dom);
      const inactive = (flags & FLAGS.xml.inactive) !== 0;
      return { xml: domain.live && !inactive ? withId(domain.live, domain.id) : docOf(domain, 'config').xml };
    },
    DOMAIN_GET_INFO: ({ dom }) => {
      const domain = this.#domains.find(dom);
      const { memoryKiB, vcpus } = docOf(domain, 'live');
      return { state: domain.state, maxMem: BigInt(memoryKiB), memory: BigInt(memoryKiB), nrVirtCpu: vcpus, cpuTime: this.#cpuTime(domain) };
    },
    DOMAIN_GET_STATE: ({ dom }) => {
      const { state, reason } = this.#domains.find(dom);
      return { state, reason };
    },
    DOMAIN_DEFINE_XML_FLAGS: ({ xml }) => ({ dom: wireOf(this.#domains.define(xml)) }),
    DOMAIN_CREATE_XML: ({ xml_desc, flags }) => ({ dom: wireOf(this.#domains.startTransient(xml_desc, (flags & FLAGS.start.paused) !== 0)) }),
    DOMAIN_CREATE_WITH_FLAGS: ({ dom, flags }) => ({ dom: wireOf(this.#domains.startDefined(this.#domains.find(dom), (flags & FLAGS.start.paused) !== 0, (flags & FLAGS.start.forceBoot) !== 0)) }),
    DOMAIN_SHUTDOWN_FLAGS: ({ dom }) => {
      const domain = this.#domains.active(dom);
      const { shutdownMs = 0 } = this.#options;
      if (shutdownMs === null || domain.cancelShutdown) return null;
      // Even an obedient guest obeys after the call has been answered.
      domain.cancelShutdown = this.#schedule(shutdownMs, () => {
        domain.cancelShutdown = undefined;
        this.#domains.guestStops(domain, 'shutdown');
      });
      return null;
    },
    DOMAIN_REBOOT: ({ dom }) => this.#void(this.#domains.reset(this.#domains.active(dom))),
    DOMAIN_RESET: ({ dom }) => this.#void(this.#domains.reset(this.#domains.active(dom))),
    DOMAIN_DESTROY_FLAGS: ({ dom }) => this.#void(this.#domains.stop(this.#domains.active(dom), 'destroyed')),
    DOMAIN_UNDEFINE_FLAGS: ({ dom, flags }) => this.#void(this.#domains.undefine(this.#domains.find(dom), (flags & FLAGS.undefine.managedSave) !== 0)),
    DOMAIN_SUSPEND: ({ dom }) => this.#void(this.#domains.suspend(this.#domains.active(dom))),
    DOMAIN_RESUME: ({ dom }) => this.#void(this.#domains.resume(this.#domains.active(dom))),
    DOMAIN_MANAGED_SAVE: ({ dom, flags }) => {
      const domain = this.#domains.active(dom);
      const paused = (flags & FLAGS.save.paused) !== 0 || ((flags & FLAGS.save.running) === 0 && domain.state === STATE.paused);
      return this.#void(this.#domains.managedSave(domain, paused));
    },
    DOMAIN_MANAGED_SAVE_REMOVE: ({ dom }) => this.#void(this.#domains.removeSaved(this.#domains.find(dom))),
    DOMAIN_ATTACH_DEVICE_FLAGS: ({ dom, xml, flags }) => this.#void(this.#domains.attach(this.#domains.find(dom), xml, flags)),
    DOMAIN_DETACH_DEVICE_ALIAS: ({ dom, alias, flags }) => this.#void(this.#domains.detach(this.#domains.find(dom), alias, flags)),
    DOMAIN_SET_METADATA: ({ dom, type, metadata, key, uri, flags }) => {
      const domain = this.#domains.find(dom);
      const namespace = metadataUri(type, uri);
      if (metadata !== null && !key) throw new LibvirtError(ERR.INVALID_ARG, 'invalid argument: key in virDomainSetMetadata must not be NULL');
      const { live, config } = this.#domains.affected(domain, flags);
      const change = (doc: DomainDoc | null, wanted: boolean): DomainDoc | null => (wanted && doc ? setMetadata(doc, namespace, key ?? '', metadata) : doc);
      [domain.live, domain.config] = [change(domain.live, live), change(domain.config, config)];
      return null;
    },
    DOMAIN_GET_METADATA: ({ dom, type, uri, flags }) => {
      const domain = this.#domains.find(dom);
      const namespace = metadataUri(type, uri);
      return { metadata: getMetadata(docOf(domain, this.#domains.affected(domain, flags).live ? 'live' : 'config'), namespace) };
    },
    CONNECT_GET_ALL_DOMAIN_STATS: ({ doms, flags }) => {
      const domains = doms.length > 0 ? doms.map((dom) => this.#domains.find(dom)) : this.#domains.all();
      // The low bits are the list's filter bits; the high ones ask for speed or strictness.
      const chosen = domains.filter((domain) => matchesFilter(domain, flags & 0xffff));
      return { retStats: chosen.map((domain) => ({ dom: wireOf(domain), params: this.#stats(domain) })) };
    },
  };

  #void(_done: void): null {
    return null;
  }

  #shape(): { hostUuid: string; cpus: number; memoryKiB: number; numaNodes: number } {
    const { hostUuid = '00000000-0000-4000-8000-000000000001', cpus = 4, memoryKiB = 8 * 1024 * 1024, numaNodes = 1 } = this.#options;
    return { hostUuid, cpus, memoryKiB, numaNodes };
  }

  #cpuTime(domain: FakeDomain): bigint {
    return domain.live ? BigInt(Math.round(Math.max(0, this.#now() - domain.startedAt) * 1e6)) : 0n;
  }

  #stats(domain: FakeDomain): RetOf<'CONNECT_GET_ALL_DOMAIN_STATS'>['retStats'][number]['params'] {
    const { memoryKiB, vcpus } = docOf(domain, 'live');
    const state = [
      { field: 'state.state', value: { type: 1, value: domain.state } },
      { field: 'state.reason', value: { type: 1, value: domain.reason } },
    ] as const;
    if (!domain.live) return state;
    return [
      ...state,
      { field: 'cpu.time', value: { type: 4, value: this.#cpuTime(domain) } },
      { field: 'balloon.current', value: { type: 4, value: BigInt(memoryKiB) } },
      { field: 'balloon.maximum', value: { type: 4, value: BigInt(memoryKiB) } },
      { field: 'vcpu.current', value: { type: 2, value: vcpus } },
      { field: 'vcpu.maximum', value: { type: 2, value: vcpus } },
    ];
  }
}

/** A domain has at least one of the two documents. */
function docOf(domain: FakeDomain, first: 'live' | 'config'): DomainDoc {
  return (first === 'live' ? (domain.live ?? domain.config) : (domain.config ?? domain.live))!;
}

function view(domain: FakeDomain): FakeDomainView {
  const { name, uuid, id, starts, resets } = domain;
  return { name, uuid, id, ...toState(domain.state, domain.reason), persistent: domain.config !== null, xml: docOf(domain, 'live').xml, starts, resets, saved: domain.saved !== null };
}

function metadataUri(type: number, uri: string | null): string {
  if (type !== 2 || uri === null) throw new LibvirtError(ERR.ARGUMENT_UNSUPPORTED, 'argument unsupported: only metadata elements');
  return uri;
}
