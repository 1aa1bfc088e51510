import { PciError, type HeldFunction, type PciAddress, type PciFunction, type PciHost, type PciReading, type VfSettings } from './api.js';
import { explainErrno } from './errno.js';
import type { KernelAnswer, KernelPort, KernelWrite } from './kernel-port.js';

/** Drivers that only keep a function's place for a guest. */
export const PASSING_DRIVERS: ReadonlySet<string> = new Set(['vfio-pci', 'pci-stub', 'pci-pf-stub', 'uio_pci_generic', 'mlx5_vfio_pci', 'igb_uio']);

/**
 * Every write in its order, refused where the kernel would do harm silently, and verified by looking again; over any make of kernel.
 * Nothing is repeated and nothing is undone here: whoever calls looks again at its next tick. A crash between two writes leaves a state
 * from which the same call goes on.
 */
export class KernelPci implements PciHost {
  /** Whoever writes to a PF or its VFs here waits for the one before; other processes are kept out by the lock. */
  private readonly queues = new Map<PciAddress, Promise<void>>();

  constructor(private readonly port: KernelPort) {}

  get bootId(): string { return this.port.bootId; }
  read(): Promise<PciReading> { return this.port.read(); }
  protectedFunctions(): Promise<ReadonlyMap<PciAddress, string>> { return this.port.protectedFunctions(); }
  onChange(listener: () => void): () => void { return this.port.onChange(listener); }

  async opened(word: string): Promise<readonly (readonly PciAddress[])[]> {
    const groups = await this.port.opened(word);
    return await Promise.all(groups.map((group) => (group.length > 1 ? this.endpoints(group) : group)));
  }

  async setNumVfs(pf: PciAddress, count: number, options: { readonly autoprobe: boolean }): Promise<void> {
    await this.inTurn(pf, () => this.setNumVfsNow(pf, count, options));
  }

  async bind(address: PciAddress, driver: string | null): Promise<void> {
    await this.inTurn(lockOf(await this.present(address)), () => this.bindNow(address, driver));
  }

  async reset(address: PciAddress): Promise<void> {
    await this.inTurn(lockOf(await this.present(address)), () => this.resetNow(address));
  }

  async setVf(pf: PciAddress, index: number, settings: Partial<Omit<VfSettings, 'index'>>): Promise<void> {
    await this.inTurn(pf, () => this.setVfNow(pf, index, settings.mac === undefined ? settings : { ...settings, mac: settings.mac.toLowerCase() }));
  }

  async linkUp(pf: PciAddress): Promise<void> {
    await this.inTurn(pf, () => this.linkUpNow(pf));
  }

  async vfSettings(pf: PciAddress): Promise<readonly VfSettings[]> {
    await this.notHeld(pf);
    return await this.onNetwork(pf, (network) => this.settings(pf, network));
  }

  /** A port above a device may be in its group, and is in no guest. */
  private async endpoints(group: readonly PciAddress[]): Promise<readonly PciAddress[]> {
    const found: PciAddress[] = [];
    for (const address of group) if ((await this.port.look(address))?.isBridge !== true) found.push(address);
    return found;
  }

  private async setNumVfsNow(pf: PciAddress, count: number, options: { readonly autoprobe: boolean }): Promise<void> {
    await this.notHeld(pf);
    const before = sriovOf(await this.present(pf));
    if (count > 0 && before.autoprobe !== options.autoprobe) await this.autoprobe(pf, options.autoprobe);
    if (before.numVfs === count) return;
    await this.write({ op: 'numvfs', pf, count }, pf);
    const after = sriovOf(await this.present(pf));
    if (after.numVfs !== count) throw new PciError('not-verified', null, `${pf} has ${after.numVfs} VFs after ${count} were set.`);
  }

  private async bindNow(address: PciAddress, driver: string | null): Promise<void> {
    const before = await this.present(address, { override: true });
    const lock = lockOf(before);
    await this.notHeld(lock);
    if (before.driverOverride === undefined) throw unread(address);
    if (before.isBridge) throw new PciError('forbidden', null, `${address} is a bridge: guests are given endpoints only.`);
    const own = driver === 'kernel';
    const asWanted = own ? before.driver !== null && !PASSING_DRIVERS.has(before.driver) : before.driver === driver;
    const override = own ? null : driver;
    // Unbound, the driver of a PF takes all its VFs along, without a word.
    if (!asWanted && before.driver !== null && (before.sriov?.numVfs ?? 0) > 0) {
      throw new PciError('in-use', null, `${address} has ${before.sriov?.numVfs ?? 0} VFs, which would vanish without its driver ${before.driver}. Set their number to 0 first.`);
    }
    if (before.driverOverride !== override) await this.write({ op: 'override', address, driver: override }, lock);
    if (!asWanted) {
      if (before.driver !== null) await this.write({ op: 'unbind', address, driver: before.driver }, lock);
      if (driver !== null) await this.probe(before, own);
    }
    const after = await this.present(address, { override: true });
    if (after.driverOverride === undefined) throw unread(address);
    const reached = own ? after.driver !== null && !PASSING_DRIVERS.has(after.driver) : after.driver === driver;
    if (reached && after.driverOverride === override) return;
    throw new PciError('not-verified', null, driver === null
      ? `${address} is still bound to ${after.driver ?? 'nothing'} (override ${after.driverOverride ?? 'none'}).`
      : `${address} is bound to ${after.driver ?? 'nothing'} after a probe for ${own ? 'its own driver' : driver}. Is that driver loaded, has the host an IOMMU that is on, and does its kernel's log say why?`);
  }

  private async resetNow(address: PciAddress): Promise<void> {
    const before = await this.present(address);
    await this.notHeld(lockOf(before));
    if (before.resetMethods.length === 0) throw new PciError('unsupported', null, `${address} offers no reset. Only a power cycle of the host makes it clean.`);
    // A PF's reset is its VFs' reset too.
    if ((before.sriov?.numVfs ?? 0) > 0) throw new PciError('in-use', null, `${address} has ${before.sriov?.numVfs ?? 0} VFs, which its reset would break.`);
    await this.write({ op: 'reset', address }, lockOf(before));
    const after = await this.present(address);
    if (after.vendor !== before.vendor || after.product !== before.product) {
      throw new PciError('not-verified', null, `${address} was ${before.vendor}:${before.product} before its reset and answers as ${after.vendor}:${after.product}.`);
    }
  }

  private async setVfNow(pf: PciAddress, index: number, settings: Partial<Omit<VfSettings, 'index'>>): Promise<void> {
    await this.notHeld(pf);
    await this.onNetwork(pf, (network) => this.setVfBy(network, pf, index, settings));
  }

  private async setVfBy(network: string, pf: PciAddress, index: number, settings: Partial<Omit<VfSettings, 'index'>>): Promise<void> {
    const before = (await this.settings(pf, network)).find((vf) => vf.index === index);
    if (before === undefined) throw new PciError('invalid', null, `${pf} has no VF ${index}.`);
    const wanted = wholeTag(different(before, settings), before);
    if (Object.keys(wanted).length === 0) return;
    const { minTxMbps, maxTxMbps, ...rest } = wanted;
    if (Object.keys(rest).length > 0) await this.write({ op: 'vf', pf, network, index, settings: rest }, pf);
    await this.setRate(pf, network, index, { ...(minTxMbps !== undefined && { minTxMbps }), ...(maxTxMbps !== undefined && { maxTxMbps }) });
    const after = (await this.settings(pf, network)).find((vf) => vf.index === index);
    const wrong = after === undefined ? wanted : different(after, wanted);
    const names = Object.keys(wrong) as (keyof VfSettings)[];
    if (names.length === 0) return;
    throw new PciError('not-verified', null, `VF ${index} of ${pf} has ${names.map((name) => `${name} ${String(after?.[name])} instead of ${String(wanted[name as keyof typeof wanted])}`).join(', ')}.`);
  }

  /** By itself and last: while the link is down (a cable that is out; some seconds after it came up, or after VFs were made) drivers take no rate. */
  private async setRate(pf: PciAddress, network: string, index: number, settings: Partial<Pick<VfSettings, 'minTxMbps' | 'maxTxMbps'>>): Promise<void> {
    if (Object.keys(settings).length === 0) return;
    try {
      await this.write({ op: 'vf', pf, network, index, settings }, pf);
    } catch (error) {
      if (!(error instanceof PciError) || error.code !== 'invalid' || await this.port.hasCarrier(network) !== false) throw error;
      throw new PciError('link-down', error.errno, `The rate of VF ${index} of ${pf} is set when the link of ${network} is up, which is down now. Is the cable in?`);
    }
  }

  private async linkUpNow(pf: PciAddress): Promise<void> {
    await this.notHeld(pf);
    await this.onNetwork(pf, async (network) => {
      if (await this.port.isUp(network)) return;
      await this.write({ op: 'link', pf, network }, pf);
      if (!await this.port.isUp(network)) throw new PciError('not-verified', null, `${network} of ${pf} is still down.`);
    });
  }

  /** Once more where the interface of `pf` was renamed meanwhile (udev does so to each new one), from the beginning. */
  private async onNetwork<T>(pf: PciAddress, work: (network: string) => Promise<T>): Promise<T> {
    const network = networkOf(await this.present(pf));
    try {
      return await work(network);
    } catch (error) {
      const now = (await this.port.look(pf))?.networks[0]?.name;
      if (now === undefined || now === network) throw error;
      return await work(now);
    }
  }

  /** A VF of a PF with autoprobe off is probed with an override only; so for its own driver, autoprobe is on for that moment. */
  private async probe(of: PciFunction, own: boolean): Promise<void> {
    const lock = lockOf(of);
    const pf = own && of.physfn !== null ? await this.port.look(of.physfn.address) : null;
    const flip = pf?.sriov?.autoprobe === false;
    if (flip) await this.autoprobe(lock, true);
    try {
      await this.write({ op: 'probe', address: of.address }, lock);
    } catch (error) {
      // While a writer hangs on it, or another has it, nothing more is written there: who makes VFs next sets autoprobe first.
      const isLocked = error instanceof PciError && (error.code === 'deadline' || error.code === 'held');
      if (flip && !isLocked) await this.autoprobe(lock, false).catch(() => undefined);
      throw error;
    }
    if (flip) await this.autoprobe(lock, false);
  }

  private async inTurn(lock: PciAddress, work: () => Promise<void>): Promise<void> {
    const turn = (this.queues.get(lock) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.queues.set(lock, settled);
    try {
      await turn;
    } finally {
      if (this.queues.get(lock) === settled) this.queues.delete(lock);
    }
  }

  private async autoprobe(pf: PciAddress, on: boolean): Promise<void> {
    await this.write({ op: 'autoprobe', pf, on }, pf);
    if (sriovOf(await this.present(pf)).autoprobe !== on) throw new PciError('not-verified', null, `Autoprobe of ${pf} is still ${on ? 'off' : 'on'}.`);
  }

  private async settings(pf: PciAddress, network: string): Promise<readonly VfSettings[]> {
    const answer = await this.port.vfs(pf, network);
    if ('kind' in answer) throw refusal({ op: 'vf', pf, network, index: -1, settings: {} }, answer);
    return answer;
  }

  private async present(address: PciAddress, options?: { readonly override: boolean }): Promise<PciFunction> {
    const found = await this.port.look(address, options);
    if (found === null) throw new PciError('no-device', 'ENOENT', `There is no function at ${address}. The bus has changed: look again.`);
    return found;
  }

  private async notHeld(lock: PciAddress): Promise<void> {
    const held = (await this.port.held()).find((one) => one.address === lock);
    if (held !== undefined) throw heldError(held);
  }

  private async write(write: KernelWrite, lock: PciAddress): Promise<void> {
    const answer = await this.port.write(write, lock);
    if (answer.kind === 'done') return;
    if (answer.kind === 'refused') throw refusal(write, answer);
    if (answer.kind === 'locked') throw new PciError('held', null, `Another writer holds the lock of ${lock}: wait until it has ended.`);
    throw new PciError('deadline', null, `${describe(write)} has not come back in time; its process ${answer.held.pid} is left behind and holds ${lock}.`);
  }
}

/** A VF shares its PF's lock: the kernel's own locks are taken together, too. */
const lockOf = (of: PciFunction): PciAddress => of.physfn?.address ?? of.address;

export function describe(write: KernelWrite): string {
  switch (write.op) {
    case 'numvfs': return `Setting the number of VFs of ${write.pf} to ${write.count}`;
    case 'autoprobe': return `Turning autoprobe of ${write.pf} ${write.on ? 'on' : 'off'}`;
    case 'override': return write.driver === null ? `Removing the driver override of ${write.address}` : `Setting the driver override of ${write.address} to ${write.driver}`;
    case 'unbind': return `Unbinding ${write.address} from ${write.driver}`;
    case 'bind': return `Binding ${write.address} to ${write.driver}`;
    case 'probe': return `Probing ${write.address}`;
    case 'reset': return `Resetting ${write.address}`;
    case 'vf': return write.index < 0 ? `Reading the VFs of ${write.pf}` : `Setting ${Object.keys(write.settings).join(', ')} of VF ${write.index} of ${write.pf}`;
    case 'link': return `Bringing ${write.network} of ${write.pf} up`;
  }
}

const heldError = (held: HeldFunction): PciError =>
  new PciError('held', null, `${held.address} is held by process ${held.pid}, which was given up: ${held.what}. It ends when the guest that uses the function ends.`);

function refusal(write: KernelWrite, answer: Extract<KernelAnswer, { kind: 'refused' }>): PciError {
  const { code, sentence, cure } = explainErrno(write.op, answer.errno);
  return new PciError(code, answer.errno, `${describe(write)} failed${answer.errno === null ? '' : ` (${answer.errno})`}: ${sentence} ${cure}${code === 'other' && answer.text !== '' ? ` It said: ${answer.text}` : ''}`);
}

const unread = (address: PciAddress): PciError => new PciError('not-verified', null, `The driver override of ${address} could not be read: something else may hold its lock. Look again.`);

function sriovOf(of: PciFunction): NonNullable<PciFunction['sriov']> {
  if (of.sriov === null) throw new PciError('unsupported', null, `${of.address} has no SR-IOV.`);
  return of.sriov;
}

function networkOf(of: PciFunction): string {
  const name = of.networks[0]?.name;
  if (name === undefined) throw new PciError('no-driver', null, `${of.address} has no network interface (driver ${of.driver ?? 'none'}), and without one its VFs can not be set. Bind it to its own driver.`);
  return name;
}

/** VLAN and priority are one tag: whoever sets one of them sets both, and without a VLAN there is no priority. */
function wholeTag(wanted: Partial<Omit<VfSettings, 'index'>>, before: VfSettings): Partial<Omit<VfSettings, 'index'>> {
  if (wanted.vlan === undefined && wanted.qos === undefined) return wanted;
  const vlan = wanted.vlan ?? before.vlan;
  return { ...wanted, vlan, qos: wanted.qos ?? (vlan === 0 ? 0 : before.qos) };
}

/** What of `wanted` is not so. */
function different(now: VfSettings, wanted: Partial<Omit<VfSettings, 'index'>>): Partial<Omit<VfSettings, 'index'>> {
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value !== undefined && now[name as keyof VfSettings] !== value));
}
