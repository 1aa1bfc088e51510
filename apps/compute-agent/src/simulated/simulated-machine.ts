/**
 * A purely simulated compute host: domains and files in memory, each remembered in one small file, so that the fleet's
 * process may be killed as an agent may: its guests go on "running".
 *
 * Owns: the pretence, and saying so wherever it can be read. The loop above is the real one.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { formatCpuList } from '#libs/config';
import type { DesiredInstance, Layout } from '#libs/contracts';
import type { FakeKernel } from '#libs/pci';
import { isKept } from '../decide/build.js';
import { cpuSetsOf, NOTHING_STATED, type StatedCpus } from '../decide/cpu-sets.js';
import type { DomainNotes, Frozen, ObservedDomain, ObservedFiles } from '../decide/facts.js';
import { devicesIn, layoutKey, layoutProblem, type HostCpus, type OwnDevice } from '../decide/layout.js';
import { domainName, RENDER_VERSION } from '../domain-xml/render.js';
import { StepError } from '../errors.js';
import type { DomainToDefine, Hypervisor, InstanceFiles, Machine, MachineFacts, Observation } from '../hypervisor/hypervisor.js';
import type { PlacedDevice } from '../devices/decide/ready.js';
import type { DeviceUse } from '../devices/decide/seen.js';
import { simulatedDevice, SimulatedPci, type SimulatedDevice } from './simulated-pci.js';
import { DEFAULT_SHAPE, SIMULATED_FLAGS, simulatedCells, simulatedXml, type SimulatedShape } from './simulated-shape.js';

export interface SimulatedMachineOptions {
  readonly folder: string;
  readonly cloudId: string;
  readonly shape?: SimulatedShape;
  readonly cpus?: StatedCpus;
  /** Its PCI bus, where that outlives this process; else made of the shape, and remembered in a file. */
  readonly kernel?: FakeKernel;
  /** Milliseconds a guest takes to obey its power button; null: it never does. */
  readonly shutdownMs?: number | null;
  /** Asked once per image, as a real host would before it downloads. */
  urlOf(imageId: string): Promise<{ url: string; sha512: string }>;
  after(ms: number, task: () => void): () => void;
}

/** Then a file begins anew. */
const LINES = 64;

type Placed = Pick<DesiredInstance, 'vcpus' | 'memoryMib' | 'layout'>;

/** What is remembered of one instance. */
interface Kept {
  id: string;
  power: ObservedDomain['power'] | null;
  notes: DomainNotes | null;
  /** What it was defined with: nothing really runs anywhere, but whoever looks sees what was asked. */
  placed: Placed | null;
  /** Disk generations; spec generations kept beside. */
  disks: number[];
  previous: number[];
  saved: boolean;
  configDrive: boolean;
  log: string;
  /** Devices of the host that it was defined with, and those that it has while it is on. */
  devices: SimulatedDevice[];
  taken: SimulatedDevice[];
  /** Its guest lets no device go: whose name begins with "deaf" does not, to try that out. */
  deaf: boolean;
}

/** As it was remembered before disks had generations. */
type KeptBefore = Partial<Kept> & { id: string; disk?: boolean };
const keptOf = ({ disk, ...kept }: KeptBefore): Kept => ({
  power: null, notes: null, placed: null, previous: [], saved: false, configDrive: false, log: '', deaf: false, ...kept, devices: placedAt(kept.devices), taken: placedAt(kept.taken),
  disks: kept.disks ?? (disk === true ? [1] : []),
  ...(kept.notes && { notes: { ...kept.notes, sharedCpus: kept.notes.sharedCpus ?? '', diskGeneration: kept.notes.diskGeneration ?? 1, shape: kept.notes.shape && { ...kept.notes.shape, layout: kept.notes.shape.layout ?? null }, devices: kept.notes.devices ?? devicesIn(kept.placed?.layout) } }),
});

/** Before devices had places, they stood in the order of the layout. */
const placedAt = (devices: readonly (Omit<SimulatedDevice, 'place'> & { place?: number })[] = []): SimulatedDevice[] => devices.map((device, at) => ({ ...device, place: device.place ?? at }));
const isOn = ({ power }: Pick<Kept, 'power'>): boolean => power === 'running' || power === 'paused';
const byPlace = (devices: readonly SimulatedDevice[]): SimulatedDevice[] => [...devices].sort((a, b) => a.place - b.place);
const named = (devices: readonly SimulatedDevice[]): { place: number; address: string }[] => devices.map(({ place, address }) => ({ place, address }));

export class SimulatedMachine implements Machine, Hypervisor, InstanceFiles {
  readonly kind = 'simulated';
  readonly bootId: string;
  readonly #options: SimulatedMachineOptions;
  readonly #shape: SimulatedShape;
  readonly #kept = new Map<string, Kept>();
  /** Lines of each file that this process wrote; none: the file is replaced, whatever is in it. */
  readonly #lines = new Map<string, number>();
  /** Its PCI bus; undefined: it pretends to have none. */
  readonly pci: SimulatedPci | undefined;
  readonly #images = new Map<string, Promise<void>>();
  readonly #listeners = new Set<() => void>();
  /** Which start or end of a guest was its last here: a button is of the guest that was on when it was pressed. */
  readonly #turns = new Map<string, number>();
  #lastTurn = 0;
  #up = false;

  constructor(options: SimulatedMachineOptions) {
    this.#options = options;
    this.#shape = options.shape ?? DEFAULT_SHAPE;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.bootId = this.#load();
    const bus = options.kernel ?? this.#shape.devices;
    this.pci = bus && new SimulatedPci(options.folder, bus);
    if (this.pci?.outlives === false) for (const kept of this.#kept.values()) if (isOn(kept)) this.pci?.take(kept.id, kept.taken);
  }

  get hypervisor(): Hypervisor { return this; }
  get files(): InstanceFiles { return this; }
  get isUp(): boolean { return this.#up; }

  start(): void {
    this.#up = true;
    this.#tell();
  }

  async close(): Promise<void> { this.#up = false; }
  onChange(listener: () => void): void { this.#listeners.add(listener); }

  async facts(): Promise<MachineFacts> {
    const { vcpus, memoryMib } = this.#shape;
    return { vcpus, memoryMib, cpuModel: 'simulated', cpuArch: 'x86_64', hypervisorVersion: 0, libvirtVersion: 0, cells: simulatedCells(this.#shape), cpuFlags: SIMULATED_FLAGS };
  }

  async observe(known: ReadonlySet<string>): Promise<Observation> {
    const domains = new Map<string, ObservedDomain>();
    for (const { id, power, notes, saved, devices, taken } of this.#kept.values()) {
      if (power === null || !(notes || known.has(id))) continue;
      domains.set(id, { id, name: domainName(id), power, pausedBy: power === 'paused' ? 'word' : null, reason: 'simulated', saved: saved && power === 'stopped', definition: null, hostdevs: named(devices), live: isOn({ power }) ? named(taken) : [], retuned: false, notes });
    }
    const { shared, dedicated } = this.#host();
    return { domains, cpus: { shared: formatCpuList(shared ?? []), dedicated } };
  }

  async deviceUses(): Promise<DeviceUse[]> {
    return [...this.#kept.values()].flatMap(({ id, power, devices, taken }) => {
      const live = isOn({ power }) ? taken.map(({ address }) => address) : [];
      return [...new Set([...live, ...devices.map(({ address }) => address)])].map((address) => ({ address, domainId: id, live: live.includes(address) }));
    });
  }

  async freeze(): Promise<Frozen> {
    return { renderVersion: RENDER_VERSION, virtType: 'simulated', arch: 'x86_64', machine: 'simulated', emulator: 'simulated', cpuModel: 'simulated', cpuFeatures: '', diskCache: 'none' };
  }

  async define({ desired, frozen, rebootCount, devices = [] }: DomainToDefine): Promise<null> {
    const problem = layoutProblem(desired, this.#host());
    if (problem !== null) throw new StepError('layout-impossible', problem, 'never');
    const { vcpus, memoryMib, layout } = desired;
    this.#change(desired.id, (kept) => {
      kept.power ??= 'stopped';
      kept.placed = { vcpus, memoryMib, layout };
      kept.devices = devices.map(simulatedDevice);
      kept.deaf = desired.name.startsWith('deaf');
      kept.notes = this.#notesOf({ desired, frozen, rebootCount }, formatCpuList(this.#host().shared ?? []));
    });
    return null;
  }

  async bookSpec({ desired, frozen }: Omit<DomainToDefine, 'rebootCount' | 'devices'>): Promise<void> {
    const before = this.#domain(desired.id).notes;
    this.#change(desired.id, (kept) => { kept.notes = this.#notesOf({ desired, frozen, rebootCount: before?.rebootCount ?? desired.rebootCount }, before?.sharedCpus ?? ''); });
  }

  async bookReboots(id: string, rebootCount: number): Promise<void> {
    const notes = this.#domain(id).notes;
    if (notes) this.#change(id, (kept) => { kept.notes = { ...notes, rebootCount }; });
  }

  async bookDevices({ id, layout: given }: DesiredInstance, devices: readonly OwnDevice[]): Promise<void> {
    const { notes } = this.#domain(id);
    if (notes) this.#change(id, (kept) => {
      const before = kept.placed?.layout ?? given;
      const layout = before && { ...before, devices: [...devices] };
      if (kept.placed) kept.placed = { ...kept.placed, layout };
      kept.notes = { ...notes, devices, shape: notes.shape && { ...notes.shape, layout: layoutKey(layout) } };
    });
  }

  async attachDevice(id: string, placed: PlacedDevice): Promise<null> {
    const kept = this.#domain(id);
    const device = simulatedDevice(placed);
    const lacks = (list: readonly SimulatedDevice[]): boolean => !list.some(({ place }) => place === device.place);
    const live = isOn(kept) && lacks(kept.taken);
    if (live) this.pci?.take(id, [device]);
    if (live || lacks(kept.devices)) this.#change(id, () => {
      if (live) kept.taken = byPlace([...kept.taken, device]);
      if (lacks(kept.devices)) kept.devices = byPlace([...kept.devices, device]);
    });
    return null;
  }

  async detachDevice(id: string, place: number): Promise<'gone' | 'asked'> {
    const kept = this.#domain(id);
    const leaving = kept.taken.filter((device) => device.place === place);
    const stays = isOn(kept) && leaving.length > 0 && (kept.deaf || kept.power === 'paused');
    if (!stays && leaving.length > 0) this.pci?.giveBack(id, leaving);
    this.#change(id, () => {
      kept.devices = kept.devices.filter((device) => device.place !== place);
      if (!stays) kept.taken = kept.taken.filter((device) => device.place !== place);
    });
    return stays ? 'asked' : 'gone';
  }

  async startDomain(id: string): Promise<void> {
    const kept = this.#domain(id);
    if (kept.power === 'running') return;
    if (kept.power === 'paused') return;
    if (!kept.disks.includes(kept.notes?.diskGeneration ?? 1) || !kept.configDrive) throw new StepError('simulated-start', 'The simulated guest has no disk.', 'counted');
    this.pci?.take(id, kept.devices);
    this.#turn(id);
    this.#change(id, () => {
      kept.power = 'running';
      kept.taken = kept.devices;
      if (kept.saved) {
        kept.saved = false;
        return;
      }
      kept.log = `${kept.log}This is a simulated guest on a simulated host: nothing really runs.\nsimulated guest ${id}: ready\n`.slice(-4096);
    });
  }

  async pause(id: string): Promise<void> {
    if (this.#domain(id).power === 'running') this.#change(id, (kept) => { kept.power = 'paused'; });
  }

  async resume(id: string): Promise<void> {
    if (this.#domain(id).power === 'paused') this.#change(id, (kept) => { kept.power = 'running'; });
  }

  async save(id: string): Promise<void> {
    const { power, taken } = this.#domain(id);
    if (taken.length > 0) throw new StepError('libvirt-suspend', 'cannot migrate domain: VFIO migration is not supported', 'counted');
    if (power === 'running' || power === 'paused') this.#change(id, (kept) => Object.assign(kept, { power: 'stopped', saved: true }));
  }

  async dropSaved(id: string): Promise<void> {
    if (this.#isDefined(id)) this.#change(id, (kept) => { kept.saved = false; });
  }

  async pressPowerButton(id: string): Promise<void> {
    if (this.#domain(id).power !== 'running' || this.#options.shutdownMs === null) return;
    const turn = this.#turns.get(id);
    this.#options.after(this.#options.shutdownMs ?? 20, () => { if (this.#turns.get(id) === turn) this.guestStops(id, 'stopped'); });
  }

  async destroy(id: string): Promise<void> { this.guestStops(id, 'stopped'); }

  async undefine(id: string): Promise<void> {
    if (!this.#isDefined(id)) return;
    this.pci?.giveBack(id);
    this.#change(id, (kept) => { [kept.power, kept.notes, kept.placed, kept.saved, kept.devices, kept.taken] = [null, null, null, false, [], []]; });
  }

  async domainXml(id: string): Promise<string | null> {
    return this.#isDefined(id) ? simulatedXml(id, this.#kept.get(id)?.placed ?? null, this.#host()) : null;
  }

  async list(): Promise<ReadonlyMap<string, ObservedFiles>> {
    return new Map([...this.#kept.values()].filter(hasFiles).map(({ id, disks, previous, configDrive }) => [id, { disks, previous, configDrive, any: true }]));
  }

  async cachedImages(): Promise<string[]> { return [...this.#images.keys()].sort(); }

  async fetchImage({ image }: DesiredInstance): Promise<void> {
    const known = this.#images.get(image.sha512) ?? this.#options.urlOf(image.id).then(({ sha512 }) => {
      if (sha512 !== image.sha512) throw new StepError('image-changed', 'The image is not the one this server was asked for with.', 'never');
    });
    this.#images.set(image.sha512, known);
    await known.catch((error: unknown) => {
      this.#images.delete(image.sha512);
      throw error;
    });
  }

  async makeDisk({ id, diskGeneration }: DesiredInstance): Promise<void> {
    this.#change(id, (kept) => { if (!kept.disks.includes(diskGeneration)) kept.disks = [...kept.disks, diskGeneration].sort((a, b) => a - b); });
  }

  /** Nothing really comes: the disk is there, and its log says what it is. */
  async receiveDisk(desired: DesiredInstance): Promise<void> {
    await this.makeDisk(desired);
    this.#change(desired.id, (kept) => { kept.log = 'This simulated disk came from another host; nothing was really sent.\n'; });
  }

  async growDisk(): Promise<void> { /* as large as wanted already */ }

  async keepDisk({ id, previous }: DesiredInstance): Promise<void> {
    if (previous) this.#change(id, (kept) => { if (!kept.previous.includes(previous.specGeneration)) kept.previous = [...kept.previous, previous.specGeneration]; });
  }

  async restoreDisk(desired: DesiredInstance): Promise<void> { await this.makeDisk(desired); }

  async dropDisks({ id, diskGeneration }: DesiredInstance): Promise<void> {
    this.#change(id, (kept) => { if (kept.disks.includes(diskGeneration)) kept.disks = kept.disks.filter((generation) => generation >= diskGeneration); });
  }

  async dropPrevious(desired: DesiredInstance): Promise<void> {
    this.#change(desired.id, (kept) => { kept.previous = kept.previous.filter((generation) => isKept(desired, generation)); });
  }

  async makeConfigDrive({ id }: DesiredInstance): Promise<void> { this.#change(id, (kept) => { kept.configDrive = true; }); }
  async remove(id: string): Promise<void> { if (this.#kept.has(id)) this.#change(id, (kept) => Object.assign(kept, { disks: [], previous: [], configDrive: false, log: '' })); }
  async sizes(): Promise<{ path: string; bytes: number }[]> { return []; }
  async readLog(id: string, maxBytes: number): Promise<Uint8Array> { return Buffer.from(this.#kept.get(id)?.log ?? '').subarray(-maxBytes); }
  async diskGib(): Promise<number> { return this.#shape.diskGib; }

  /** The guest ends by itself, or is ended. */
  guestStops(id: string, power: 'stopped' | 'crashed'): void {
    const kept = this.#kept.get(id);
    if (!kept || !isOn(kept)) return;
    this.#turn(id);
    this.pci?.giveBack(id);
    this.#change(id, () => { [kept.power, kept.taken] = [power, []]; });
  }

  /** From now on its guest lets devices go, or does not. */
  guestDeaf(id: string, deaf: boolean): void { if (this.#isDefined(id)) this.#change(id, (kept) => { kept.deaf = deaf; }); }

  /** What a guest was told to be placed like; null: it floats, or there is none. */
  layoutOf(id: string): Layout | null { return this.#kept.get(id)?.placed?.layout ?? null; }

  #host(): HostCpus {
    const cells = simulatedCells(this.#shape);
    return { ...cpuSetsOf(this.#options.cpus ?? NOTHING_STATED, cells.flatMap(({ cpus }) => cpus)), cells };
  }

  #turn(id: string): void { this.#turns.set(id, (this.#lastTurn += 1)); }

  #notesOf({ desired, frozen, rebootCount }: Omit<DomainToDefine, 'epoch' | 'devices'>, sharedCpus: string): DomainNotes {
    const { generation, specGeneration, diskGeneration, vcpus, memoryMib, diskGib, layout } = desired;
    return { cloudId: this.#options.cloudId, generation, specGeneration, diskGeneration, rebootCount, sharedCpus, frozen, shape: { vcpus, memoryMib, diskGib, layout: layoutKey(layout) }, devices: devicesIn(layout) };
  }

  #isDefined(id: string): boolean { return (this.#kept.get(id)?.power ?? null) !== null; }

  #domain(id: string): Kept {
    const kept = this.#kept.get(id);
    if (!kept || kept.power === null) throw new StepError('simulated', 'There is no such simulated domain.', 'counted');
    return kept;
  }

  #change(id: string, change: (kept: Kept) => void): void {
    const kept = this.#kept.get(id) ?? keptOf({ id });
    change(kept);
    const path = join(this.#options.folder, `${id}.json`);
    if (kept.power === null && !hasFiles(kept)) {
      this.#kept.delete(id);
      this.#lines.delete(id);
      this.#turns.delete(id);
      rmSync(path, { force: true });
    } else {
      this.#kept.set(id, kept);
      this.#write(id, path, JSON.stringify(kept));
    }
    this.#tell();
  }

  /** The last line counts. Adding one costs a third of replacing the file, which is most of what a thousand hosts in one process do. */
  #write(id: string, path: string, line: string): void {
    const lines = this.#lines.get(id) ?? 0;
    this.#lines.set(id, (lines + 1) % LINES);
    if (lines > 0) return appendFileSync(path, `\n${line}`);
    writeFileSync(`${path}.tmp`, line, { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  }

  #tell(): void { for (const listener of this.#listeners) listener(); }

  /** @returns the boot id: a simulated host reboots only when its folder is removed */
  #load(): string {
    let bootId: string | undefined;
    for (const name of readdirSync(this.#options.folder)) {
      const path = join(this.#options.folder, name);
      if (name === 'boot-id') bootId = readFileSync(path, 'utf8').trim();
      else if (name.endsWith('.json')) {
        const kept = keptOf(JSON.parse(readFileSync(path, 'utf8').split('\n').at(-1) as string) as KeptBefore);
        this.#kept.set(kept.id, kept);
      }
    }
    if (bootId) return bootId;
    bootId = `simulated-${randomUUID()}`;
    writeFileSync(join(this.#options.folder, 'boot-id'), bootId, { mode: 0o600 });
    return bootId;
  }
}

const hasFiles = (kept: Kept): boolean => kept.disks.length > 0 || kept.previous.length > 0 || kept.configDrive || kept.log !== '';
