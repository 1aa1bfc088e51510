/**
 * The hypervisor port over libvirt.
 *
 * Owns: which domains are ours (our notes, this cloud's id), what libvirt's states and errors mean to the loop, a cache of
 * notes. Never decides, never touches a domain it is not told to. A crash loses the cache only; a call that was sent may
 * still take effect, which the next observation sees.
 */
import { createHash } from 'node:crypto';
import { formatCpuList } from '#libs/config';
import type { DesiredInstance } from '#libs/contracts';
import { isLibvirtError, LibvirtError, LibvirtTimeout, type DomainRef, type DomainState, type Libvirt } from '#libs/libvirt';
import { cpuSetsOf, NOTHING_STATED, type StatedCpus } from '../decide/cpu-sets.js';
import type { DomainNotes, Frozen, ObservedDomain } from '../decide/facts.js';
import { layoutProblem, type HostCpus, type OwnDevice } from '../decide/layout.js';
import type { PlacedDevice } from '../devices/decide/ready.js';
import type { DeviceUse } from '../devices/decide/seen.js';
import { hostDevicesIn, withoutOwnDevices } from '../domain-xml/host-devices.js';
import { NOTES_PREFIX, NOTES_URI, notesText, readNotes, withNotedDevices, withRebootCount } from '../domain-xml/notes.js';
import { RENDER_VERSION, renderDomain } from '../domain-xml/render.js';
import type { DomainSpec } from '../domain-xml/spec.js';
import { explainVfio } from '../decide/vfio-refusals.js';
import { StepError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { inParallel } from '../parallel.js';
import { guestCpuXml, readCells, readDomainCapabilities, readFeatures, type DomainCapabilities } from './capabilities.js';
import { deviceUses, liveDevices, type Opened } from './device-uses.js';
import type { DomainToDefine, Hypervisor, MachineFacts, Observation } from './hypervisor.js';
import { attachDevice, detachDevice } from './own-devices.js';

export interface LibvirtHypervisorOptions {
  readonly cloudId: string;
  readonly virtType: 'kvm' | 'qemu';
  readonly diskCache: string;
  /** What the host's operator says of its CPUs; absent: nothing. */
  readonly cpus?: StatedCpus;
  /** Absent: the host's devices are not looked at. */
  readonly opened?: Opened;
  pathsOf(desired: DesiredInstance): DomainSpec['files'];
}

/** Notes change only by our hands or with an event; still they are read again now and then. */
const NOTES_KEPT_OBSERVATIONS = 60;

/** Memory is written and read: the action's own deadline counts. */
const LONG = { timeoutMs: LIMITS.actionMs.memory };

type Definition = Required<Pick<ObservedDomain, 'definition' | 'definitionWithDevices' | 'hostdevs' | 'live' | 'retuned'>>;
interface KnownNotes { notes: DomainNotes | null; definition: Definition; left: number }

const UNKNOWN: Definition = { definition: null, definitionWithDevices: null, hostdevs: [], live: [], retuned: false };

export class LibvirtHypervisor implements Hypervisor {
  readonly kind = 'libvirt';
  readonly #libvirt: Libvirt;
  readonly #options: LibvirtHypervisorOptions;
  readonly #opened: Opened;
  readonly #notes = new Map<string, KnownNotes>();
  readonly #listeners = new Set<() => void>();
  /** As last observed: a wrong guess only takes the other link. */
  #lastSaved: ReadonlySet<string> = new Set();
  #capabilities: Promise<DomainCapabilities> | undefined;
  #hostCpus: Promise<HostCpus> | undefined;
  #cpuFlags: Promise<readonly string[]> | undefined;

  constructor(libvirt: Libvirt, options: LibvirtHypervisorOptions) {
    this.#libvirt = libvirt;
    this.#options = options;
    this.#opened = options.opened ?? (() => Promise.resolve([]));
    libvirt.on('up', () => this.#changed(null));
    libvirt.on('down', () => this.#changed(null));
    libvirt.on('event', (event) => this.#changed(event.domain.uuid));
  }

  get isUp(): boolean { return this.#libvirt.isUp; }
  start(): void { this.#libvirt.start(); }
  close(): Promise<void> { return this.#libvirt.close(); }
  onChange(listener: () => void): void { this.#listeners.add(listener); }

  async facts(): Promise<MachineFacts> {
    const [info, capabilities, domain, cpuFlags, version, libVersion] = await Promise.all([
      this.#libvirt.nodeGetInfo(), this.#libvirt.getCapabilities(), this.#domainCapabilities(), this.#features(),
      this.#libvirt.getVersion(), this.#libvirt.getLibVersion(),
    ]);
    const counted = (v: { major: number; minor: number; release: number }): number => v.major * 1_000_000 + v.minor * 1_000 + v.release;
    return {
      vcpus: info.cpus, memoryMib: Math.floor(info.memoryKiB / 1024), cpuModel: domain.cpuModel, cpuArch: domain.arch,
      cells: readCells(capabilities, info), cpuFlags, hypervisorVersion: counted(version), libvirtVersion: counted(libVersion),
    };
  }

  async observe(known: ReadonlySet<string>): Promise<Observation> {
    const [all, saved, { shared, dedicated }] = await Promise.all([this.#libvirt.listAllDomains(), this.#saved(), this.#cpusOf({ layout: null })]);
    const present = new Set(all.map(({ uuid }) => uuid));
    for (const id of this.#notes.keys()) if (!present.has(id)) this.#notes.delete(id);
    const domains = new Map<string, ObservedDomain>();
    await inParallel(all, LIMITS.observeAtOnce, async (domain) => {
      const found = await this.#notesOf(domain);
      if (found === 'gone' || (found.notes === null && !known.has(domain.uuid))) return;
      const state = await this.#libvirt.domainGetState(domain).catch((error: unknown) => {
        if (isLibvirtError(error, 'NO_DOMAIN')) return null;
        throw error;
      });
      if (!state) return;
      const power = powerOf(state);
      domains.set(domain.uuid, {
        id: domain.uuid, name: domain.name, power, pausedBy: power === 'paused' ? pausedBy(state) : null, reason: state.reason,
        saved: saved.has(domain.uuid), ...found.definition, notes: found.notes,
      });
    });
    return { domains, cpus: { shared: formatCpuList(shared ?? []), dedicated } };
  }

  deviceUses(): Promise<readonly DeviceUse[]> { return deviceUses(this.#libvirt, LIMITS.observeAtOnce, this.#opened); }

  async freeze(): Promise<Frozen> {
    const found = await this.#step('define', () => this.#domainCapabilities());
    return {
      renderVersion: RENDER_VERSION, virtType: this.#options.virtType, arch: found.arch, machine: found.machine, emulator: found.emulator,
      cpuModel: found.cpuModel, cpuFeatures: found.cpuFeatures, diskCache: this.#options.diskCache,
    };
  }

  async define({ desired, frozen, epoch, rebootCount, devices = [] }: DomainToDefine): Promise<string | null> {
    const host = await this.#step('define', () => this.#cpusOf(desired));
    const problem = layoutProblem(desired, host);
    if (problem !== null) throw new StepError('layout-impossible', problem, 'never');
    const wanted = desired.layout?.devices?.length ?? 0;
    if (wanted !== devices.length) throw new StepError('device-missing', `The server has ${wanted} devices, and ${devices.length} of them are there: it is not defined without them.`, 'counted');
    const xml = renderDomain({ cloudId: this.#options.cloudId, epoch, rebootCount, desired, frozen, host, devices, files: this.#options.pathsOf(desired) });
    this.#notes.delete(desired.id);
    const domain = await this.#step('define', () => this.#libvirt.domainDefineXml(xml));
    return this.#definitionOf(domain).then(({ definition }) => definition, () => null);
  }

  async bookSpec({ desired, frozen, epoch }: Omit<DomainToDefine, 'rebootCount' | 'devices'>): Promise<void> {
    await this.#bookNotes(desired.id, (old) => {
      const before = readNotes(old);
      return notesText({ cloudId: this.#options.cloudId, epoch, rebootCount: before?.rebootCount ?? desired.rebootCount, sharedCpus: before?.sharedCpus ?? '', frozen, desired });
    });
  }

  async bookReboots(id: string, count: number): Promise<void> {
    await this.#bookNotes(id, (old) => withRebootCount(old, count));
  }

  async bookDevices({ id, layout }: DesiredInstance, devices: readonly OwnDevice[]): Promise<void> {
    await this.#bookNotes(id, (old) => withNotedDevices(old, layout, devices));
  }

  async attachDevice(id: string, device: PlacedDevice): Promise<string | null> {
    return this.#step('attach-device', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      await attachDevice(this.#libvirt, domain, device, this.#opened).finally(() => this.#notes.delete(id));
      return this.#definitionOf(domain).then(({ definition }) => definition, () => null);
    });
  }

  async detachDevice(id: string, place: number): Promise<'gone' | 'asked'> {
    return this.#step('detach-device', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      return detachDevice(this.#libvirt, domain, place, () => this.#bookNotes(id, (notes) => notes), this.#opened).finally(() => this.#notes.delete(id));
    });
  }

  async startDomain(id: string): Promise<void> {
    await this.#step('start', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      if (domain.id >= 0) return;
      await this.#libvirt.domainCreate(domain, {}, { ...LONG, memory: this.#lastSaved.has(id) }).catch(async (error: unknown) => {
        if (!(error instanceof LibvirtError) || (await this.#isActive(id))) return this.#unless(error, () => this.#isActive(id));
        if (!(await this.#saved()).has(id)) throw error;
        throw new StepError('memory-unreadable', `The guest's saved memory cannot be restored (${error.message}). A hard reboot gives it up and boots the guest.`, 'counted', { cause: error });
      });
    });
  }

  async pause(id: string): Promise<void> {
    await this.#step('pause', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      await this.#libvirt.domainSuspend(domain).catch((error: unknown) => this.#unless(error, () => this.#isIn(domain, 'paused')));
    });
  }

  async resume(id: string): Promise<void> {
    await this.#step('resume', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      await this.#libvirt.domainResume(domain).catch((error: unknown) => this.#unless(error, () => this.#isIn(domain, 'running')));
    });
  }

  async save(id: string): Promise<void> {
    await this.#step('suspend', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      // Whatever it does now, it shall run when it is woken.
      if (domain.id >= 0) await this.#libvirt.domainManagedSave(domain, { running: true }, LONG).catch((error: unknown) => this.#unless(error, async () => (await this.#saved()).has(id) && !(await this.#isActive(id))));
    });
  }

  async dropSaved(id: string): Promise<void> {
    await this.#gone('drop-saved', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      await this.#libvirt.domainManagedSaveRemove(domain).catch((error: unknown) => this.#unless(error, async () => !(await this.#saved()).has(id)));
    });
  }

  async pressPowerButton(id: string): Promise<void> {
    await this.#step('power-off', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      if (domain.id >= 0) await this.#libvirt.domainShutdown(domain, { acpiPowerBtn: true }).catch((error: unknown) => this.#unless(error, async () => !(await this.#isActive(id))));
    });
  }

  async destroy(id: string): Promise<void> {
    await this.#gone('destroy', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      if (domain.id >= 0) await this.#libvirt.domainDestroy(domain).catch((error: unknown) => this.#unless(error, async () => !(await this.#isActive(id))));
    });
  }

  async undefine(id: string): Promise<void> {
    await this.#gone('undefine', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      await this.#libvirt.domainUndefine(domain, { managedSave: true, snapshotsMetadata: true, checkpointsMetadata: true, nvram: true });
    });
    this.#notes.delete(id);
  }

  async domainXml(id: string): Promise<string | null> {
    try {
      return await this.#libvirt.domainGetXmlDesc(await this.#libvirt.domainLookupByUuid(id));
    } catch (error) {
      if (isLibvirtError(error, 'NO_DOMAIN')) return null;
      throw error;
    }
  }

  #changed(id: string | null): void {
    if (id === null) this.#notes.clear();
    else this.#notes.delete(id);
    if (id === null && !this.#libvirt.isUp) [this.#capabilities, this.#hostCpus, this.#cpuFlags] = [undefined, undefined, undefined]; // another QEMU may stand behind the next connection
    for (const listener of this.#listeners) listener();
  }

  /** Those that a guest with this layout may run on; asked of libvirt only where it matters. */
  #cpusOf({ layout }: Pick<DesiredInstance, 'layout'>): Promise<HostCpus> {
    const { cpus = NOTHING_STATED } = this.#options;
    if (!layout && cpus.shared === null && cpus.dedicated === null) return Promise.resolve({ shared: null, dedicated: [], cells: [] });
    const asked = this.#hostCpus ?? Promise.all([this.#libvirt.getCapabilities(), this.#libvirt.nodeGetInfo()]).then(([capabilities, info]) => {
      const cells = readCells(capabilities, info);
      return { ...cpuSetsOf(cpus, cells.flatMap((cell) => cell.cpus)), cells };
    });
    this.#hostCpus = asked;
    asked.catch(() => { if (this.#hostCpus === asked) this.#hostCpus = undefined; });
    return asked;
  }

  #domainCapabilities(): Promise<DomainCapabilities> {
    const asked = this.#capabilities ?? this.#libvirt.getDomainCapabilities({ machine: 'pc', virtType: this.#options.virtType }).then(readDomainCapabilities(this.#options.virtType));
    this.#capabilities = asked;
    asked.catch(() => { if (this.#capabilities === asked) this.#capabilities = undefined; });
    return asked;
  }

  /** Asked once, and again only while unknown: the question waits behind starts that hang, and a host must be announced all the same. */
  #features(): Promise<readonly string[]> {
    const asked = this.#cpuFlags ?? this.#domainCapabilities().then((found) => this.#featuresOf(found));
    this.#cpuFlags = asked;
    const again = (): void => { if (this.#cpuFlags === asked) this.#cpuFlags = undefined; };
    asked.then((found) => { if (found.length === 0) again(); }, again);
    return asked;
  }

  /** A libvirt that cannot say leaves them unknown: then nothing is promised. */
  async #featuresOf(domain: DomainCapabilities): Promise<readonly string[]> {
    const query = { arch: domain.arch, machine: domain.machine, virtType: this.#options.virtType };
    try {
      return readFeatures(await this.#libvirt.baselineHypervisorCpu([guestCpuXml(domain)], query, { expandFeatures: true }), domain.cpuFeatures);
    } catch (error) {
      if (error instanceof LibvirtError) return [];
      throw error;
    }
  }

  /** null: not ours. 'gone': it vanished while we looked. */
  async #notesOf(domain: DomainRef): Promise<Omit<KnownNotes, 'left'> | 'gone'> {
    const known = this.#notes.get(domain.uuid);
    if (known && known.left > 0) {
      known.left -= 1;
      return known;
    }
    let notes: DomainNotes | null;
    const entry: KnownNotes = { notes: null, definition: UNKNOWN, left: NOTES_KEPT_OBSERVATIONS };
    this.#notes.set(domain.uuid, entry);
    try {
      notes = readNotes(await this.#libvirt.domainGetMetadata(domain, NOTES_URI));
    } catch (error) {
      this.#notes.delete(domain.uuid);
      if (isLibvirtError(error, 'NO_DOMAIN')) return 'gone';
      if (!isLibvirtError(error, 'NO_DOMAIN_METADATA')) throw error;
      notes = null;
    }
    if (notes && notes.cloudId !== this.#options.cloudId) notes = null;
    if (notes) entry.definition = await this.#definitionOf(domain).catch((error: unknown) => {
      // What it has of devices decides who gets them next: not known is not none.
      if (!isLibvirtError(error, 'NO_DOMAIN')) throw error;
      return UNKNOWN;
    });
    // Nobody tells when that changes.
    if (entry.definition.live.some(({ unnamed }) => unnamed)) this.#notes.delete(domain.uuid);
    entry.notes = notes; // an event that came meanwhile has removed the entry: then the answer is good for this once only
    return entry;
  }

  async #bookNotes(id: string, change: (old: string) => string): Promise<void> {
    await this.#step('book-notes', async () => {
      const domain = await this.#libvirt.domainLookupByUuid(id);
      const old = await this.#libvirt.domainGetMetadata(domain, NOTES_URI);
      this.#notes.delete(id);
      await this.#libvirt.domainSetMetadata(domain, { uri: NOTES_URI, key: NOTES_PREFIX, xml: change(old) }, domain.id < 0 ? { config: true } : { live: true, config: true });
    });
  }

  /** Of what it is to be next time, without our notes: those we change ourselves. */
  async #definitionOf(domain: DomainRef): Promise<Definition> {
    const [given, live] = await Promise.all([this.#libvirt.domainGetXmlDesc(domain, { inactive: true }), domain.id < 0 ? null : this.#libvirt.domainGetXmlDesc(domain)]);
    const xml = given.replace(/<metadata>[\s\S]*<\/metadata>\s*/, '');
    return {
      definition: digestOf(withoutOwnDevices(xml)), definitionWithDevices: digestOf(xml), hostdevs: hostDevicesIn(given), live: live === null ? [] : await liveDevices(domain, live, this.#opened),
      retuned: live !== null && whereItRuns(live) !== whereItRuns(xml),
    };
  }

  /** Domains whose memory is kept. */
  async #saved(): Promise<ReadonlySet<string>> {
    this.#lastSaved = new Set((await this.#libvirt.listAllDomains({ managedsave: true })).map(({ uuid }) => uuid));
    return this.#lastSaved;
  }

  async #isIn(domain: DomainRef, state: DomainState['state']): Promise<boolean> {
    return (await this.#libvirt.domainGetState(domain)).state === state;
  }

  async #isActive(id: string): Promise<boolean> {
    const domain = await this.#libvirt.domainLookupByUuid(id).catch((error: unknown) => {
      if (isLibvirtError(error, 'NO_DOMAIN')) return null;
      throw error;
    });
    return domain !== null && domain.id >= 0;
  }

  /** The refusal does not matter when what was wanted is so already. */
  async #unless(error: unknown, isSo: () => Promise<boolean>): Promise<undefined> {
    if (error instanceof LibvirtError && (await isSo())) return undefined;
    throw error;
  }

  async #gone(code: string, work: () => Promise<void>): Promise<void> {
    await this.#step(code, async () => {
      try {
        await work();
      } catch (error) {
        if (!isLibvirtError(error, 'NO_DOMAIN')) throw error;
      }
    });
  }

  async #step<T>(code: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof StepError) throw error;
      if (error instanceof LibvirtError) {
        const known = explainVfio(error.message);
        throw new StepError(known?.code ?? `libvirt-${code}`, known?.message ?? error.message, 'counted', { cause: error });
      }
      // Unreachable or late: nothing is known of the instance, so nothing is held against it.
      const text = error instanceof Error ? error.message : String(error);
      throw new StepError(error instanceof LibvirtTimeout ? 'libvirt-timeout' : 'libvirt-unavailable', text, 'free', { cause: error });
    }
  }
}

const digestOf = (xml: string): string => createHash('sha256').update(xml).digest('hex').slice(0, 32);

/** The parts of a definition that place a guest on its host. */
const whereItRuns = (xml: string): string => (xml.match(/<vcpu [^>]*>|<cputune>[\s\S]*?<\/cputune>|<numatune>[\s\S]*?<\/numatune>/g) ?? []).join().replace(/\s+/g, ' ');

function powerOf({ state, reason }: DomainState): ObservedDomain['power'] {
  if (state === 'paused') return 'paused';
  if (state === 'crashed') return 'crashed';
  if (state === 'shutoff') return reason === 'crashed' || reason === 'failed' ? 'crashed' : 'stopped';
  return 'running'; // running, blocked, asleep by its own choice, being shut down, and what a newer libvirt may add: never taken for off
}

function pausedBy({ reason }: DomainState): 'word' | 'libvirt' | 'fault' {
  if (reason === 'ioerror' || reason === 'watchdog' || reason === 'crashed' || reason === 'postcopy-failed') return 'fault';
  return reason === 'user' || reason === 'unknown' || reason === 'from-snapshot' ? 'word' : 'libvirt';
}
