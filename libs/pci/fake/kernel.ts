import type { HeldFunction, PciAddress, PciFunction, PciReading, VfSettings } from '../api.js';
import { parsePciAddress, tryPciAddress } from '../address.js';
import { describe, PASSING_DRIVERS } from '../kernel-pci.js';
import type { KernelAnswer, KernelOp, KernelPort, KernelWrite } from '../kernel-port.js';
import { labShape, type FakeFunctionShape, type FakeShape } from './shape.js';
import { FakeState, VFIO, type FakeFunction } from './state.js';

/** Something that no correct agent ever lets happen; a checker looks here. */
export interface FakeHarm { readonly kind: 'unplugged' | 'protected-unbound' | 'reset-in-use'; readonly address: PciAddress; readonly key: string; readonly domain: string | null }
export interface FakeWritten { readonly write: KernelWrite; readonly errno: string | null }
export interface FakeKernelOptions {
  /** Awaited before each read (null) and write: where a simulation lets time pass. */
  readonly delay?: (write: KernelWrite | null) => Promise<void>;
  readonly nowMs?: () => number;
}

const LOG_LIMIT = 10_000;
const DONE: KernelAnswer = { kind: 'done' };
const refused = (errno: string): KernelAnswer => ({ kind: 'refused', errno, text: errno });

/**
 * A kernel's PCI side in memory, with its errors, its silences and its hangs. It outlives the agents that talk to it, as a kernel does: an
 * agent that starts again is a new FakePci over the same kernel. All of its state may be read; hooks stand for what happens to hosts.
 */
export class FakeKernel implements KernelPort {
  readonly state: FakeState;
  readonly harms: FakeHarm[] = [];
  /** The last writes, oldest first. */
  readonly log: FakeWritten[] = [];
  boots = 1;
  private readonly listeners = new Set<() => void>();
  private readonly failures: { op: KernelOp | 'read' | 'vfs'; errno: string; address: PciAddress | null }[] = [];
  private readonly armed = new Set<FakeFunction>();
  private readonly pending = new Map<FakeFunction, { held: HeldFunction; finish: () => void }>();
  private pids = 1_000;

  constructor(shape: FakeShape = labShape(), private readonly options: FakeKernelOptions = {}) {
    this.state = new FakeState(shape);
  }

  // ——— KernelPort

  get bootId(): string { return `00000000-0000-4000-8000-${this.boots.toString(16).padStart(12, '0')}`; }

  async read(): Promise<PciReading> {
    await this.options.delay?.(null);
    this.failRead();
    const functions = new Map<PciAddress, PciFunction>();
    const groups = new Map<number, PciAddress[]>();
    for (const one of [...this.state.functions.values()].filter((each) => each.present).sort((a, b) => (a.address < b.address ? -1 : 1))) {
      functions.set(one.address, this.state.view(one));
      if (one.group !== null) groups.set(one.group, [...groups.get(one.group) ?? [], one.address]);
    }
    return { functions, groups, held: this.heldNow() };
  }

  async look(address: PciAddress): Promise<PciFunction | null> {
    await this.options.delay?.(null);
    this.failRead();
    const found = this.state.at(address);
    return found === null ? null : this.state.view(found);
  }

  async opened(word: string): Promise<readonly (readonly PciAddress[])[]> {
    const present = [...this.state.functions.values()].filter((one) => one.present);
    const groups = new Set(present.filter(({ user, group }) => user?.domain === word && group !== null).map(({ group }) => group));
    return await Promise.resolve([...groups].map((of) => present.filter(({ group }) => group === of).map(({ address }) => address).sort()));
  }

  async held(): Promise<readonly HeldFunction[]> { return await Promise.resolve(this.heldNow()); }

  async write(write: KernelWrite, lock: PciAddress): Promise<KernelAnswer> {
    await this.options.delay?.(write);
    const answer = this.writeNow(write, lock);
    this.log.push({ write, errno: answer.kind === 'refused' ? answer.errno : answer.kind === 'done' ? null : answer.kind });
    if (this.log.length > LOG_LIMIT) this.log.shift();
    if (answer.kind === 'done') this.changed();
    return answer;
  }

  async vfs(pf: PciAddress): Promise<readonly VfSettings[] | Extract<KernelAnswer, { kind: 'refused' }>> {
    await this.options.delay?.(null);
    this.failRead();
    const found = this.state.at(pf);
    if (found === null) return { kind: 'refused', errno: 'ENODEV', text: 'Cannot find device' };
    const failing = this.failures.findIndex((one) => one.op === 'vfs' && (one.address === null || one.address === pf));
    if (failing >= 0) return { kind: 'refused', errno: this.failures.splice(failing, 1)[0]?.errno ?? null, text: '' };
    return found.vfs.flatMap((vf) => (vf.settings === null ? [] : [vf.settings]));
  }

  async isUp(network: string): Promise<boolean> {
    return await Promise.resolve([...this.state.functions.values()].some((one) => one.shape.network === network && one.up));
  }

  async hasCarrier(network: string): Promise<boolean | null> {
    const found = [...this.state.functions.values()].find((one) => one.present && one.shape.network === network);
    return await Promise.resolve(found === undefined ? null : found.up && found.carrier);
  }

  async protectedFunctions(): Promise<ReadonlyMap<PciAddress, string>> {
    const found = new Map<PciAddress, string>();
    for (const one of this.state.functions.values()) {
      if (one.shape.protectedBy === undefined || !one.present) continue;
      for (const each of [...this.state.above(one), one]) found.set(each.address, one.shape.protectedBy);
    }
    return await Promise.resolve(found);
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => { this.listeners.delete(listener); };
  }

  // ——— what happens to hosts

  /** A function falls off the bus (a PF with its VFs); whoever uses it has lost it. */
  vanish(address: PciAddress): void {
    const one = this.need(address);
    this.state.dropVfs(one);
    one.present = false;
    one.user = null;
    if (one.vf !== null) one.vf.pf.vfs = one.vf.pf.vfs.filter((vf) => vf !== one);
    this.state.moved();
    this.changed();
  }

  /** By key, as its address may be somebody else's by now. */
  comeBack(key: string): void {
    const one = this.state.functions.get(key);
    if (one === undefined) throw new Error(`The fake host has never had ${key}.`);
    if (one.present) return;
    Object.assign(one, { present: true, driver: one.vf?.pf.autoprobe === false ? null : one.shape.kernelDriver, override: null, user: null });
    if (one.vf !== null) one.vf.pf.vfs = [...one.vf.pf.vfs, one].sort((a, b) => a.vf!.index - b.vf!.index);
    this.state.moved();
    this.changed();
  }

  /** All domains are gone, VFs and overrides too; hung writers with them. A run of vfio-pci by the kernel's command line is not played. */
  reboot(): void {
    this.boots += 1;
    this.pending.clear();
    this.armed.clear();
    this.state.boot();
    this.changed();
  }

  /**
   * A card is put into the first slot, and the host boots: every bus behind a port is called so much higher as the card takes buses, and the
   * new card (if given) stands on what was the first one's address.
   */
  renumber(inserted: readonly FakeFunctionShape[] = [], buses = 1): void {
    this.state.shift(buses);
    for (const one of inserted) this.state.add(one);
    this.reboot();
  }

  /** The next write of that kind (of that function, if named) is refused, or the next look fails, or the next at what VFs may do. */
  failNext(op: KernelOp | 'read' | 'vfs', errno: string, address: PciAddress | null = null): void {
    this.failures.push({ op, errno, address });
  }

  /** The next write under that PF's lock hangs, until `unhang`. */
  hang(pf: PciAddress): void { this.armed.add(this.need(pf)); }

  /** Lets a hung writer finish: what it was to do happens now, unless it was killed. */
  unhang(pf: PciAddress, options: { readonly killed?: boolean } = {}): void {
    const one = this.need(pf);
    this.armed.delete(one);
    const waiting = this.pending.get(one);
    if (waiting === undefined) return;
    this.pending.delete(one);
    if (options.killed !== true) waiting.finish();
    this.changed();
  }

  aer(address: PciAddress, kind: 'fatal' | 'nonfatal' | 'correctable' = 'fatal', count = 1): void {
    this.need(address).aer[kind] += count;
    this.changed();
  }

  /** The cable of an interface. */
  link(pf: PciAddress, up: boolean): void {
    const one = this.need(pf);
    one.carrier = up;
    if (up) one.up = true;
    this.changed();
  }

  /** What the PF keeps of a VF, set by somebody else: libvirt for `<interface type='hostdev'>`, or a trusted guest its own MAC. No checks. */
  leave(vf: PciAddress, settings: Partial<Omit<VfSettings, 'index'>>): void {
    const one = this.need(vf);
    if (one.settings === null) throw new Error(`${vf} is no VF.`);
    one.settings = { ...one.settings, ...settings };
    this.changed();
  }

  /** libvirt's words for why a domain can't have it; null: it can. */
  refusalOfUse(address: PciAddress, domain: string, options: { readonly managed?: boolean; readonly asInterface?: boolean } = {}): string | null {
    const one = this.state.at(address);
    if (one === null) return `Device ${address} not found: could not access /sys/bus/pci/devices/${address}/config: No such file or directory`;
    if (one.shape.bridge === true) return 'Non-endpoint PCI devices cannot be assigned to guests';
    if (one.user !== null && one.user.domain !== domain) return `Requested operation is not valid: PCI device ${address} is in use by driver QEMU, domain ${one.user.domain}`;
    if (!this.state.shape.iommu) return "unsupported configuration: host doesn't support passthrough of host PCI devices";
    if (options.managed === false && !VFIO.has(one.driver ?? '')) return `Unmanaged PCI device ${address} must be manually detached from the host`;
    if (options.asInterface === true && one.vf === null) return 'Interface type hostdev is currently supported on SR-IOV Virtual Functions only';
    if (options.asInterface === true && one.vf?.pf.up === false) return `Unable to configure VF ${one.vf.index} of PF '${one.vf.pf.shape.network ?? ''}' because the PF is not online`;
    for (const mate of this.state.mates(one)) {
      if (mate.user !== null && mate.user.domain !== domain) return `internal error: QEMU unexpectedly closed the monitor: vfio ${address}: failed to open /dev/vfio/${one.group ?? 0}: Device or resource busy`;
      if (mate.shape.bridge !== true && mate.driver !== null && !VFIO.has(mate.driver)) {
        return `internal error: process exited while connecting to monitor: vfio ${address}: group ${one.group ?? 0} is not viable. Please ensure all devices within the iommu_group are bound to their vfio bus driver.`;
      }
    }
    return null;
  }

  /**
   * A domain opens the function, or (null) lets it go, by which a hung writer may finish. Managed: libvirt binds it to vfio-pci and back;
   * a PF loses its VFs by that, without a word.
   * @param options.answers the guest reacts to a request to let go (it has an OS); default true
   * @throws Error with libvirt's words when refused
   */
  useBy(address: PciAddress, domain: string | null, options: { readonly answers?: boolean; readonly managed?: boolean; readonly asInterface?: boolean } = {}): void {
    const one = this.need(address);
    if (domain === null) {
      this.letGo(one);
      return;
    }
    const refusal = this.refusalOfUse(address, domain, options);
    if (refusal !== null) throw new Error(refusal);
    const backTo = one.driver !== null && !VFIO.has(one.driver) ? one.driver : null;
    if (backTo !== null) this.loseVfs(one);
    if (!VFIO.has(one.driver ?? '')) one.driver = 'vfio-pci';
    one.user = { domain, answers: options.answers ?? true, backTo: one.user?.backTo ?? backTo };
    one.trace = domain;
    this.changed();
  }

  // ——— inside

  private writeNow(write: KernelWrite, lock: PciAddress): KernelAnswer {
    const holder = this.state.at(lock);
    if (holder !== null && this.pending.has(holder)) return { kind: 'locked' };
    const failing = this.failures.findIndex((one) => one.op === write.op && (one.address === null || one.address === addressOf(write)));
    if (failing >= 0) return refused(this.failures.splice(failing, 1)[0]?.errno ?? 'EIO');
    if (holder === null) return this.apply(write);
    const blocked = this.armed.delete(holder) ? () => { this.apply(write); } : this.blocks(write) ? () => { this.apply(write); } : null;
    if (blocked === null) return this.apply(write);
    const held: HeldFunction = { address: lock, pid: this.pids++, startTime: String(this.pids * 7), bootId: this.bootId, what: describe(write), sinceMs: this.options.nowMs?.() ?? 0 };
    this.pending.set(holder, { held, finish: blocked });
    return { kind: 'left', held };
  }

  /** The kernel waits for a guest that does not answer. */
  private blocks(write: KernelWrite): boolean {
    const one = this.state.at(addressOf(write));
    if (one === null) return false;
    if (write.op === 'unbind') return [one, ...one.vfs].some((each) => each.user?.answers === false);
    return write.op === 'numvfs' && write.count === 0 && one.vfs.some((vf) => vf.user?.answers === false);
  }

  private apply(write: KernelWrite): KernelAnswer {
    const one = this.state.at(addressOf(write));
    if (one === null) return refused(['probe', 'bind', 'unbind'].includes(write.op) ? 'ENODEV' : 'ENOENT');
    switch (write.op) {
      case 'numvfs': return this.setNumVfs(one, write.count);
      case 'autoprobe':
        if (one.shape.sriov === undefined) return refused('ENOENT');
        one.autoprobe = write.on;
        return DONE;
      case 'override':
        one.override = write.driver;
        return DONE;
      case 'unbind':
        if (one.driver !== write.driver) return refused('ENODEV');
        this.unbind(one);
        return DONE;
      case 'bind': return this.bindByName(one, write.driver);
      case 'probe':
        if (one.driver === null) one.driver = this.matching(one);
        return DONE;
      case 'reset':
        if (this.state.resetMethods(one).length === 0) return refused('ENOTTY');
        if (one.user !== null) this.harms.push({ kind: 'reset-in-use', address: one.address, key: one.key, domain: one.user.domain });
        one.resets += 1;
        one.trace = null;
        return DONE;
      case 'vf': return this.setVf(one, write.index, write.settings);
      case 'link':
        one.up = true;
        return DONE;
    }
  }

  private setNumVfs(pf: FakeFunction, count: number): KernelAnswer {
    const sriov = pf.shape.sriov;
    if (sriov === undefined) return refused('ENOENT');
    if (!Number.isInteger(count) || count < 0 || count > 65_535) return refused('EINVAL');
    if (count > sriov.totalVfs) return refused('ERANGE');
    if (count === pf.vfs.length) return DONE;
    if (pf.driver === null || pf.driver === 'vfio-pci' || pf.driver === 'pci-stub') return refused('ENOENT');
    if (count > 0 && pf.vfs.length > 0) return refused('EBUSY');
    if (count === 0) this.loseVfs(pf);
    else this.state.makeVfs(pf, count);
    return DONE;
  }

  private unbind(one: FakeFunction): void {
    if (one.shape.protectedBy !== undefined) this.harms.push({ kind: 'protected-unbound', address: one.address, key: one.key, domain: null });
    if (one.user !== null) this.harms.push({ kind: 'unplugged', address: one.address, key: one.key, domain: one.user.domain });
    one.user = null;
    one.driver = null;
    one.up = false;
    this.loseVfs(one);
  }

  /** VFs go away in silence, from under running guests too. */
  private loseVfs(pf: FakeFunction): void {
    for (const vf of this.state.dropVfs(pf)) {
      if (vf.user !== null) this.harms.push({ kind: 'unplugged', address: vf.address, key: vf.key, domain: vf.user.domain });
    }
  }

  /** The driver is asked whether it matches first, then whether the function is free. */
  private bindByName(one: FakeFunction, driver: string): KernelAnswer {
    if (!this.knows(driver)) return refused('ENOENT');
    if ((one.override ?? one.shape.kernelDriver) !== driver) return refused('ENODEV');
    if (one.driver !== null) return refused('EBUSY');
    if (driver === 'vfio-pci' && !this.state.shape.iommu) return refused('EINVAL');
    one.driver = this.matching(one);
    return one.driver === null ? refused('ENODEV') : DONE;
  }

  private knows(driver: string): boolean {
    return this.state.shape.drivers.includes(driver) || [...this.state.functions.values()].some((each) => each.shape.kernelDriver === driver);
  }

  private matching(one: FakeFunction): string | null {
    if (one.override !== null) {
      if (!this.knows(one.override) || (one.override === 'vfio-pci' && !this.state.shape.iommu)) return null;
      // The driver itself must want it; those that only keep a place want all.
      return PASSING_DRIVERS.has(one.override) || one.override === one.shape.kernelDriver ? one.override : null;
    }
    return one.vf?.pf.autoprobe === false ? null : one.shape.kernelDriver;
  }

  private setVf(pf: FakeFunction, index: number, settings: Partial<Omit<VfSettings, 'index'>>): KernelAnswer {
    const vf = pf.vfs.find((each) => each.vf?.index === index);
    if (vf?.settings === null || vf === undefined) return refused('EINVAL');
    if (pf.driver !== pf.shape.kernelDriver) return refused('ENODEV');
    const { mac, vlan, maxTxMbps, minTxMbps } = settings;
    const link = pf.shape.sriov?.linkMbps ?? 0;
    if (mac !== undefined && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) return refused('EINVAL');
    if (vlan !== undefined && (vlan < 0 || vlan > 4095)) return refused('EINVAL');
    if (maxTxMbps !== undefined && (maxTxMbps > link || (maxTxMbps > 0 && !(pf.up && pf.carrier)))) return refused('EINVAL');
    if (minTxMbps !== undefined && minTxMbps > 0 && pf.shape.sriov?.minRates !== true) return refused('EINVAL');
    vf.settings = { ...vf.settings, ...settings };
    return DONE;
  }

  private letGo(one: FakeFunction): void {
    if (one.user === null) return;
    const { backTo } = one.user;
    one.user = null;
    if (backTo !== null && one.present) one.driver = one.override ?? backTo;
    const pf = one.vf?.pf ?? one;
    const waiting = this.pending.get(pf);
    if (waiting !== undefined && !this.armed.has(pf) && ![pf, ...pf.vfs].some((each) => each.user?.answers === false)) {
      this.pending.delete(pf);
      waiting.finish();
    }
    this.changed();
  }

  private heldNow(): readonly HeldFunction[] { return [...this.pending.values()].map((one) => one.held); }

  private failRead(): void {
    const failing = this.failures.findIndex((one) => one.op === 'read');
    if (failing >= 0) throw Object.assign(new Error('A look at the bus failed.'), { code: this.failures.splice(failing, 1)[0]?.errno });
  }

  private need(address: PciAddress): FakeFunction {
    const found = tryPciAddress(address) === null ? null : this.state.at(parsePciAddress(address));
    if (found === null) throw new Error(`The fake host has nothing at ${address}.`);
    return found;
  }

  private changed(): void { for (const listener of [...this.listeners]) listener(); }
}

const addressOf = (write: KernelWrite): PciAddress => ('address' in write ? write.address : write.pf);
