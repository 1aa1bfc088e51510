import { join } from 'node:path';
import { tryPciAddress } from '../address.js';
import type { HeldFunction, PciAddress, PciFunction, PciNetwork, PciReading } from '../api.js';
import { PASSING_DRIVERS } from '../kernel-pci.js';
import type { RunChild } from './child.js';
import { each, functionsOn, names, objectOf, sizeOf, target, targetName, text } from './files.js';
import { Interfaces } from './interfaces.js';
import { PCI_LIMITS } from './limits.js';
import type { LinkReads } from './link-reads.js';
import { LockedReads } from './locked-reads.js';

/** What does not change while the function's object lives. */
interface Fixed {
  readonly object: number;
  readonly path: readonly PciAddress[];
  readonly vendor: string; readonly product: string; readonly subsystemVendor: string | null; readonly subsystemProduct: string | null; readonly pciClass: string;
  readonly numaNode: number | null; readonly iommuGroup: number | null; readonly pf: PciAddress | null; readonly totalVfs: number | null;
  readonly resetMethods: readonly string[]; readonly mdevTypes: readonly string[]; readonly countsErrors: boolean;
  /** undefined: not read yet. */
  serial: string | null | undefined;
  serialAttempts: number;
}

/** As a look at the function's own folder has it, before what others say of it. */
type Plain = Omit<PciFunction, 'networks' | 'blocks' | 'serial' | 'driverOverride' | 'physfn'> & { readonly fixed: Fixed; readonly pf: PciAddress | null };

/**
 * Reads the bus from sysfs. sriov_numvfs is never read, as that waits for whoever writes it: VFs are counted by their links. The rest that
 * needs a device's lock is read by a child, and of functions that a writer holds not at all.
 */
export class SysfsReader {
  private fixed = new Map<PciAddress, Fixed>();
  private readonly devices: string;
  private readonly interfaces: Interfaces;
  private readonly locked: LockedReads;

  constructor(root: string, run: RunChild, links: LinkReads) {
    this.devices = join(root, 'bus/pci/devices');
    this.interfaces = new Interfaces(root, links);
    this.locked = new LockedReads(root, run);
  }

  async addresses(): Promise<readonly PciAddress[]> {
    return (await names(this.devices)).flatMap((name) => tryPciAddress(name) ?? []).sort();
  }

  async read(held: readonly HeldFunction[]): Promise<PciReading> {
    const [networks, blocks, addresses] = [await this.interfaces.networks(), await this.interfaces.blocks(), await this.addresses()];
    const before = this.fixed;
    const seen = (await each(addresses, PCI_LIMITS.readsAtOnce, (address) => this.plain(address))).filter((one) => one !== null);
    // A VF's link to its PF comes a moment after the VF: what is new is asked again, so that no VF is taken for a card.
    const unsure = seen.filter((one) => one.pf === null && before.get(one.address)?.object !== one.fixed.object);
    const late = new Set((await each(unsure, PCI_LIMITS.readsAtOnce, async (one) => (await target(join(this.devices, one.address, 'physfn')) === null ? null : one))).filter((one) => one !== null));
    const plain = seen.filter((one) => !late.has(one));
    const heldPfs = new Set(held.map((one) => one.address));
    const overrides = await this.locked.overrides(plain.filter((one) => !heldPfs.has(one.pf ?? one.address)).map((one) => one.address));
    await this.readSerials(plain, heldPfs);
    // A listing may pass over what is renamed under it. A network card under its own driver that shows no interface is asked for itself.
    const silent = plain.filter((one) => one.pciClass.startsWith('02') && one.driver !== null && !PASSING_DRIVERS.has(one.driver) && !networks.has(one.address));
    const asked = new Map(await each(silent, PCI_LIMITS.readsAtOnce, async ({ address }) => [address, await this.interfaces.networksOf(address)] as const));
    const indices = new Map(plain.flatMap((one) => (one.sriov?.vfs ?? []).map((vf) => [vf.address, vf.index] as const)));
    const functions = new Map<PciAddress, PciFunction>();
    const groups = new Map<number, PciAddress[]>();
    for (const one of plain) {
      const index = indices.get(one.address);
      // A VF that appeared while the others were looked at belongs to the next look.
      if (one.pf !== null && index === undefined) continue;
      functions.set(one.address, compose(one, {
        networks: networks.get(one.address) ?? asked.get(one.address) ?? [], blocks: blocks.get(one.address) ?? [], driverOverride: overrides.get(one.address) ?? null,
        physfn: one.pf === null || index === undefined ? null : { address: one.pf, index },
      }));
      if (one.iommuGroup === null) continue;
      const group = groups.get(one.iommuGroup);
      if (group === undefined) groups.set(one.iommuGroup, [one.address]);
      else group.push(one.address);
    }
    this.fixed = new Map(plain.map((one) => [one.address, one.fixed] as const));
    return { functions, groups, held };
  }

  /** @param held null: without its override; else undefined where that could not be read */
  async look(address: PciAddress, held: readonly HeldFunction[] | null): Promise<PciFunction | null> {
    const one = await this.plain(address);
    if (one === null) return null;
    this.fixed.set(address, one.fixed);
    const isHeld = held?.some((each) => each.address === (one.pf ?? one.address)) ?? true;
    const overrides = await this.locked.overrides(isHeld ? [] : [address]);
    const networks: readonly PciNetwork[] = await this.interfaces.networksOf(address);
    return compose(one, { networks, blocks: [], driverOverride: isHeld ? null : overrides.get(address), physfn: one.pf === null ? null : { address: one.pf, index: await this.indexOf(one.pf, address) } });
  }

  private async plain(address: PciAddress): Promise<Plain | null> {
    const dir = join(this.devices, address);
    const fixed = await this.fixedOf(address, dir);
    if (fixed === null) return null;
    const { path, vendor, product, subsystemVendor, subsystemProduct, pciClass, numaNode, iommuGroup, pf, resetMethods, mdevTypes } = fixed;
    return {
      fixed, pf, address, path, vendor, product, subsystemVendor, subsystemProduct, pciClass, numaNode, iommuGroup, resetMethods, mdevTypes,
      driver: await targetName(join(dir, 'driver')),
      isBridge: /^06(00|01|04|07|09)/.test(pciClass),
      aer: fixed.countsErrors ? await aerOf(dir) : null,
      sriov: fixed.totalVfs === null ? null : await this.sriovOf(dir, await names(dir), fixed.totalVfs),
    };
  }

  private async sriovOf(dir: string, listing: readonly string[], totalVfs: number): Promise<NonNullable<PciFunction['sriov']>> {
    const indices = listing.flatMap((name) => /^virtfn(\d+)$/.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b);
    const vfs = (await each(indices, PCI_LIMITS.readsAtOnce, async (index) => ({ index, address: tryPciAddress(await targetName(join(dir, `virtfn${index}`)) ?? '') })))
      .flatMap(({ index, address }) => (address === null ? [] : [{ index, address }]));
    return { totalVfs, numVfs: vfs.length, autoprobe: await text(join(dir, 'sriov_drivers_autoprobe')) !== '0', vfs };
  }

  /** Which of its PF's VFs it is: by the PF's links, never by its function number. */
  private async indexOf(pf: PciAddress, vf: PciAddress): Promise<number> {
    const dir = join(this.devices, pf);
    const sriov = await this.sriovOf(dir, await names(dir), 0);
    return sriov.vfs.find((one) => one.address === vf)?.index ?? -1;
  }

  private async fixedOf(address: PciAddress, dir: string): Promise<Fixed | null> {
    // The link's own number is as new as the function's.
    const object = await objectOf(dir);
    if (object === null) return null;
    const known = this.fixed.get(address);
    if (known?.object === object) {
      // The group's link comes a moment after the function.
      return known.iommuGroup !== null ? known : { ...known, iommuGroup: numberOf(await targetName(join(dir, 'iommu_group'))) };
    }
    const listing = new Set(await names(dir));
    // One file for all ids: pci:v00008086d000010C9sv00001AF4sd00001100bc02sc00i00
    const ids = /^pci:v0000([0-9A-F]{4})d0000([0-9A-F]{4})sv0000([0-9A-F]{4})sd0000([0-9A-F]{4})bc(..)sc(..)i(..)/.exec(await text(join(dir, 'modalias')) ?? '');
    const path = await target(dir);
    if (ids === null || path === null) return null;
    const [vendor = '', product = '', subsystemVendor = '', subsystemProduct = '', ...code] = ids.slice(1).map((part) => part.toLowerCase());
    const hasSubsystem = subsystemVendor !== '0000' && subsystemVendor !== 'ffff';
    const node = Number(await text(join(dir, 'numa_node')) ?? '-1');
    const total = listing.has('sriov_totalvfs') ? Number(await text(join(dir, 'sriov_totalvfs')) ?? '') : 0;
    const pf = listing.has('physfn') ? tryPciAddress(await targetName(join(dir, 'physfn')) ?? '') : null;
    return {
      iommuGroup: listing.has('iommu_group') ? numberOf(await targetName(join(dir, 'iommu_group'))) : null, pf, countsErrors: pf === null && listing.has('aer_dev_fatal'),
      resetMethods: (listing.has('reset_method') ? await text(join(dir, 'reset_method')) ?? '' : '').split(/\s+/).filter(Boolean),
      mdevTypes: listing.has('mdev_supported_types') ? await names(join(dir, 'mdev_supported_types')) : [],
      object, path: functionsOn(path).slice(0, -1), vendor, product, subsystemVendor: hasSubsystem ? subsystemVendor : null, subsystemProduct: hasSubsystem ? subsystemProduct : null,
      pciClass: code.join(''), numaNode: node >= 0 ? node : null, totalVfs: total > 0 ? total : null,
      // A serial number stands in the extended space, or in vital product data. The size is told without a look inside.
      serial: pf === null && (listing.has('vpd') || (listing.has('config') && (await sizeOf(join(dir, 'config')) ?? 0) > 256)) ? undefined : null, serialAttempts: 0,
    };
  }

  /** Once for each function: reading it wakes the device. A VF has none of its own. */
  private async readSerials(plain: readonly Plain[], held: ReadonlySet<PciAddress>): Promise<void> {
    for (const one of plain) if (one.isBridge) one.fixed.serial = null;
    const asked = plain.filter((one) => one.fixed.serial === undefined && !held.has(one.address));
    const serials = await this.locked.serials(asked.map((one) => one.address));
    // Those behind one that hangs have not been asked: their turn comes.
    for (const one of asked.filter(({ address }) => serials.has(address))) {
      const serial = serials.get(one.address);
      one.fixed.serialAttempts += 1;
      if (serial !== undefined) one.fixed.serial = serial;
      else if (one.fixed.serialAttempts >= PCI_LIMITS.serialAttempts) one.fixed.serial = null;
    }
  }
}

function compose(one: Plain, rest: Pick<PciFunction, 'networks' | 'blocks' | 'driverOverride' | 'physfn'>): PciFunction {
  const { fixed, pf: _pf, ...plain } = one;
  return { ...plain, ...rest, serial: fixed.serial ?? null };
}

const numberOf = (name: string | null): number | null => (name === null ? null : Number(name));

async function aerOf(dir: string): Promise<PciFunction['aer']> {
  const total = async (kind: string): Promise<number> => Number(/TOTAL_ERR_\w+ (\d+)/.exec(await text(join(dir, `aer_dev_${kind}`)) ?? '')?.[1] ?? '0');
  return { fatal: await total('fatal'), nonfatal: await total('nonfatal'), correctable: await total('correctable') };
}
