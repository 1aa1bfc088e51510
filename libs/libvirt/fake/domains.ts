// The in-memory hypervisor's domains: which exist, which run, how they start and stop, and the events that follow.
import { randomUUID } from 'node:crypto';
import type { DomainEvent, DomainRef } from '../api.js';
import { fromRef, uuidFromBytes, type WireDomain } from '../convert.js';
import { LibvirtError } from '../errors.js';
import { lifecycleEvent } from '../events.js';
import type { FakeConsoles } from './consoles.js';
import { hasDevice, readDomainXml, withDevice, withoutDevice, type DomainDoc } from './domain-doc.js';
import { aliasOf, DevicesInUse, type FakeHostDevices } from './host-devices.js';
import { domainEvent, domainState, ERR, STATE } from './rules.js';
import { parseXml } from './xml.js';

export interface FakeDomain {
  readonly name: string;
  readonly uuid: string;
  id: number;
  state: number;
  reason: number;
  config: DomainDoc | null; // null: transient
  live: DomainDoc | null; // null: not running
  saved: SavedState | null; // what a start goes on from
  startedAt: number;
  booted: boolean;
  starts: number;
  resets: number;
  cancelShutdown: (() => void) | undefined;
  /** Devices that its guest was asked to let go, and has not yet. */
  readonly leaving: Set<string>;
  /** Devices that QEMU has and libvirt knows nothing of. */
  readonly forgotten: Set<string>;
}

/** A managed save: the definition that ran, and whether its CPUs did. `spoiled`: the image cannot be read back. */
export interface SavedState {
  readonly live: DomainDoc;
  readonly paused: boolean;
  readonly booted: boolean;
  spoiled: boolean;
}

export interface DomainsOptions {
  readonly consoles: FakeConsoles;
  readonly bootText: string | ((domain: DomainRef) => string);
  readonly newUuid: (() => string) | undefined;
  readonly now: () => number;
  readonly hostDevices: FakeHostDevices | undefined;
  /** A guest was asked to let a device go. */
  asked(domain: FakeDomain, alias: string): void;
  tell(event: DomainEvent): void;
}

const QEMU = 10; // libvirt's number for the part that refuses

export function refOf({ name, uuid, id }: FakeDomain): DomainRef {
  return { name, uuid, id };
}

export function wireOf(domain: FakeDomain): WireDomain {
  return fromRef(domain);
}

function invalid(why: string): LibvirtError {
  return new LibvirtError(ERR.OPERATION_INVALID, `Requested operation is not valid: ${why}`, QEMU);
}

export class FakeDomains {
  readonly #byUuid = new Map<string, FakeDomain>();
  readonly #byName = new Map<string, FakeDomain>();
  #nextId = 1;

  readonly #devices: DevicesInUse;
  #forgetful = false;

  constructor(private readonly options: DomainsOptions) {
    this.#devices = new DevicesInUse(options.hostDevices);
  }

  all(): FakeDomain[] {
    return [...this.#byUuid.values()];
  }

  get(nameOrUuid: string): FakeDomain | undefined {
    return this.#byUuid.get(nameOrUuid) ?? this.#byName.get(nameOrUuid);
  }

  /** @throws LibvirtError NO_DOMAIN */
  find(dom: WireDomain): FakeDomain {
    const uuid = uuidFromBytes(dom.uuid);
    const domain = this.#byUuid.get(uuid);
    if (!domain) throw new LibvirtError(ERR.NO_DOMAIN, `Domain not found: no domain with matching uuid '${uuid}'${dom.name ? ` (${dom.name})` : ''}`, QEMU);
    return domain;
  }

  /** @throws LibvirtError NO_DOMAIN */
  findByName(name: string): FakeDomain {
    const domain = this.#byName.get(name);
    if (!domain) throw new LibvirtError(ERR.NO_DOMAIN, `Domain not found: no domain with matching name '${name}'`, QEMU);
    return domain;
  }

  /** @throws LibvirtError NO_DOMAIN, OPERATION_INVALID when it does not run */
  active(dom: WireDomain): FakeDomain & { live: DomainDoc } {
    const domain = this.find(dom);
    if (!domain.live) throw invalid('domain is not running');
    return domain as FakeDomain & { live: DomainDoc };
  }

  define(xml: string): FakeDomain {
    const doc = this.#read(xml);
    const domain = this.#byUuid.get(doc.uuid) ?? this.#add(doc);
    const added = domain.config === null;
    domain.config = doc;
    this.emit(refOf(domain), 'defined', added ? 'added' : 'updated');
    return domain;
  }

  undefine(domain: FakeDomain, withSaved = false): void {
    if (!domain.config) throw invalid('cannot undefine transient domain');
    if (domain.saved && !withSaved) throw invalid('Refusing to undefine while domain managed save image exists');
    domain.saved = null;
    domain.config = null;
    if (!domain.live) this.#remove(domain);
    this.emit(refOf(domain), 'undefined', 'removed');
  }

  startTransient(xml: string, paused: boolean): FakeDomain {
    const doc = this.#read(xml);
    const known = this.#byUuid.get(doc.uuid);
    if (known?.live) throw invalid(`domain '${doc.name}' is already active`);
    return this.#start(known ?? this.#add(doc), doc, paused);
  }

  startDefined(domain: FakeDomain, paused: boolean, forceBoot = false): FakeDomain {
    if (domain.live || !domain.config) throw invalid('domain is already running');
    if (forceBoot) domain.saved = null;
    return domain.saved ? this.#restore(domain, domain.saved, paused) : this.#start(domain, domain.config, paused);
  }

  /** Its memory goes to a file, and it is off. */
  managedSave(domain: FakeDomain & { live: DomainDoc }, paused: boolean): void {
    if (!domain.config) throw invalid('cannot do managed save for transient domain');
    const [device] = domain.live.hostDevices;
    if (device) throw new LibvirtError(ERR.OPERATION_INVALID, `Requested operation is not valid: cannot migrate domain: ${device.address}: VFIO migration is not supported in kernel`, QEMU);
    domain.saved = { live: domain.live, paused, booted: domain.booted, spoiled: false };
    this.stop(domain, 'saved');
  }

  removeSaved(domain: FakeDomain): void {
    domain.saved = null;
  }

  suspend(domain: FakeDomain, why: 'user' | 'ioerror' = 'user'): void {
    if (domain.state === STATE.paused) return;
    [domain.state, domain.reason] = domainState('paused', why);
    this.emit(refOf(domain), 'suspended', why === 'user' ? 'paused' : 'ioerror');
  }

  resume(domain: FakeDomain): void {
    if (domain.state === STATE.running) throw invalid('domain is already running');
    [domain.state, domain.reason] = domainState('running', 'unpaused');
    this.emit(refOf(domain), 'resumed', 'unpaused');
    this.#boot(domain);
  }

  reset(domain: FakeDomain): void {
    domain.resets++;
    domain.booted = false;
    for (const alias of [...domain.leaving]) this.letGo(domain, alias); // QEMU takes what is to go at a reset
    this.options.tell({ kind: 'reboot', domain: refOf(domain) });
    if (domain.state === STATE.running) this.#boot(domain);
  }

  /** The next device that is attached to a running domain is QEMU's, and libvirtd ends before it has noted that. */
  forgetNextAttach(): void { this.#forgetful = true; }

  /** One device more, in the running domain, its definition, or both. */
  attach(domain: FakeDomain, xml: string, flags: number): void {
    const { live, config } = this.affected(domain, flags);
    const alias = aliasOf(parseXml(xml));
    for (const doc of [config ? domain.config : null, live ? domain.live : null]) {
      if (doc && alias !== null && hasDevice(doc, alias)) throw new LibvirtError(ERR.INVALID_ARG, `invalid argument: non unique alias detected: ${alias}`, QEMU);
    }
    if (live && alias !== null && domain.forgotten.has(alias)) throw new LibvirtError(ERR.INTERNAL_ERROR, `internal error: unable to execute QEMU command 'device_add': Duplicate device ID '${alias}'`, QEMU);
    if (live && domain.live) {
      const next = withDevice(domain.live, xml);
      const had = domain.live.hostDevices.length;
      this.#devices.take(domain, next.hostDevices.slice(had)); // it stands last
      if (alias !== null && this.#forgetful) {
        this.#forgetful = false;
        domain.forgotten.add(alias);
        throw new LibvirtError(ERR.INTERNAL_ERROR, 'internal error: client socket is closed', QEMU);
      }
      domain.live = next;
    }
    if (config && domain.config) domain.config = withDevice(domain.config, xml);
    if (live && alias !== null) this.options.tell({ kind: 'device-added', domain: refOf(domain), alias });
  }

  /** Out of the definition at once; out of the running domain when its guest lets it go. */
  detach(domain: FakeDomain, alias: string, flags: number): void {
    const { live, config } = this.affected(domain, flags);
    for (const doc of [config ? domain.config : null, live ? domain.live : null]) {
      if (doc && !hasDevice(doc, alias)) throw new LibvirtError(ERR.INTERNAL_ERROR, `internal error: no device found with alias ${alias}`, QEMU);
    }
    if (live && domain.leaving.has(alias)) throw new LibvirtError(ERR.INTERNAL_ERROR, `internal error: unable to execute QEMU command 'device_del': Device ${alias} is already in the process of unplug`, QEMU);
    if (config && domain.config) domain.config = withoutDevice(domain.config, alias);
    if (!live) return;
    domain.leaving.add(alias);
    this.options.asked(domain, alias);
  }

  /** The guest lets go of a device that it was asked for. */
  letGo(domain: FakeDomain, alias: string): void {
    if (!domain.live || !domain.leaving.delete(alias)) return;
    this.#devices.give(domain.live.hostDevices.filter((device) => device.alias === alias));
    domain.live = withoutDevice(domain.live, alias);
    this.options.tell({ kind: 'device-removed', domain: refOf(domain), alias });
  }

  /** The guest ends by itself. */
  guestStops(domain: FakeDomain, why: 'shutdown' | 'crashed'): void {
    if (!domain.live) return;
    if (why === 'shutdown') this.emit(refOf(domain), 'shutdown', 'guest'); // said first, as QEMU does
    this.stop(domain, why);
  }

  stop(domain: FakeDomain, why: 'shutdown' | 'destroyed' | 'crashed' | 'saved', tell = true): void {
    domain.cancelShutdown?.();
    domain.cancelShutdown = undefined;
    if (tell && why === 'destroyed') this.emit(refOf(domain), 'shutdown', 'host');
    domain.live = null;
    domain.id = -1;
    domain.leaving.clear();
    domain.forgotten.clear();
    this.#devices.giveAll(domain);
    [domain.state, domain.reason] = domainState('shutoff', why);
    if (!domain.config) this.#remove(domain);
    this.options.consoles.end(domain.uuid);
    if (tell) this.emit(refOf(domain), 'stopped', why);
  }

  /** Which of the two documents flags mean; "current" is the live one of a running domain. */
  affected(domain: FakeDomain, flags: number): { live: boolean; config: boolean } {
    const current = (flags & 3) === 0;
    const live = (flags & 1) !== 0 || (current && domain.live !== null);
    const config = (flags & 2) !== 0 || (current && domain.live === null);
    if (live && !domain.live) throw invalid('domain is not running');
    if (config && !domain.config) throw invalid('transient domains do not have any persistent config');
    return { live, config };
  }

  emit(domain: DomainRef, event: Parameters<typeof domainEvent>[0], detail: string): void {
    this.options.tell(lifecycleEvent(domain, ...domainEvent(event, detail)));
  }

  #read(xml: string): DomainDoc {
    const doc = readDomainXml(xml, this.options.newUuid ?? randomUUID);
    const sameUuid = this.#byUuid.get(doc.uuid);
    const sameName = this.#byName.get(doc.name);
    if (sameUuid && sameUuid.name !== doc.name) throw new LibvirtError(ERR.OPERATION_FAILED, `operation failed: domain '${sameUuid.name}' is already defined with uuid ${doc.uuid}`, QEMU);
    if (sameName && sameName.uuid !== doc.uuid) throw new LibvirtError(ERR.OPERATION_FAILED, `operation failed: domain '${doc.name}' already exists with uuid ${sameName.uuid}`, QEMU);
    return doc;
  }

  #add(doc: DomainDoc): FakeDomain {
    const [state, reason] = domainState('shutoff', 'unknown');
    const domain: FakeDomain = {
      name: doc.name, uuid: doc.uuid, id: -1, state, reason, config: null, live: null, saved: null, startedAt: 0, booted: false, starts: 0, resets: 0, cancelShutdown: undefined, leaving: new Set(), forgotten: new Set(),
    };
    this.#byUuid.set(doc.uuid, domain);
    this.#byName.set(doc.name, domain);
    return domain;
  }

  #remove(domain: FakeDomain): void {
    this.#byUuid.delete(domain.uuid);
    this.#byName.delete(domain.name);
  }

  #start(domain: FakeDomain, doc: DomainDoc, paused: boolean): FakeDomain {
    this.#devices.take(domain, doc.hostDevices);
    domain.live = doc;
    domain.id = this.#nextId++;
    domain.starts++;
    domain.startedAt = this.options.now();
    domain.booted = false;
    [domain.state, domain.reason] = paused ? domainState('paused', 'user') : domainState('running', 'booted');
    if (!paused) this.emit(refOf(domain), 'resumed', 'unpaused'); // QEMU's CPUs run before libvirt calls it started
    this.emit(refOf(domain), 'started', 'booted');
    if (paused) this.emit(refOf(domain), 'suspended', 'paused');
    else this.#boot(domain);
    return domain;
  }

  #restore(domain: FakeDomain, saved: SavedState, paused: boolean): FakeDomain {
    if (saved.spoiled) throw new LibvirtError(ERR.OPERATION_FAILED, 'operation failed: image magic is incorrect', QEMU);
    const stays = paused || saved.paused;
    domain.saved = null;
    domain.live = saved.live;
    domain.id = this.#nextId++;
    domain.booted = saved.booted;
    [domain.state, domain.reason] = stays ? domainState('paused', 'from-snapshot') : domainState('running', 'restored');
    this.emit(refOf(domain), 'started', 'restored');
    if (stays) this.emit(refOf(domain), 'suspended', 'restored');
    return domain;
  }

  #boot(domain: FakeDomain): void {
    if (domain.booted) return;
    domain.booted = true;
    const { bootText, consoles } = this.options;
    consoles.write(domain.uuid, typeof bootText === 'function' ? bootText(refOf(domain)) : bootText);
  }
}
