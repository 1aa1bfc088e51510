import { parsePciAddress, pciAddressOf, pciParts, vfAddress } from '../address.js';
import type { PciAddress, PciFunction, VfSettings } from '../api.js';
import { tryMac } from '../decide/ip-link.js';
import type { FakeFunctionShape, FakeShape } from './shape.js';

/** One function, as the fake kernel keeps it. */
export interface FakeFunction {
  /** Its address at the first boot (a VF: its PF's, and its number): the piece of silicon, whatever the buses are called today. */
  readonly key: string;
  readonly shape: FakeFunctionShape;
  readonly vf: { readonly pf: FakeFunction; readonly index: number } | null;
  address: PciAddress;
  present: boolean;
  driver: string | null;
  override: string | null;
  group: number | null;
  /** Of a PF. */
  autoprobe: boolean;
  vfs: FakeFunction[];
  up: boolean;
  carrier: boolean;
  /** Of a VF: what its PF keeps for it. */
  settings: VfSettings | null;
  aer: { fatal: number; nonfatal: number; correctable: number };
  /** The domain that has it open, and whether its guest answers to a request to let go. */
  user: { readonly domain: string; readonly answers: boolean; readonly backTo: string | null } | null;
  /** The last domain that had it, until a reset: what the next one could find. */
  trace: string | null;
  resets: number;
}

export const VFIO: ReadonlySet<string> = new Set(['vfio-pci', 'pci-stub']);

/** All functions of one fake host, and how they look from outside. */
export class FakeState {
  readonly functions = new Map<string, FakeFunction>();
  private readonly groups = new Map<string, number>();
  private nextGroup = 0;
  private seed = 0;
  private byAddress: Map<PciAddress, FakeFunction> | null = null;

  constructor(readonly shape: FakeShape) {
    for (const one of shape.functions) this.add(one);
    this.boot();
  }

  add(shape: FakeFunctionShape): FakeFunction {
    const address = parsePciAddress(shape.address);
    if (this.functions.has(address)) throw new Error(`The fake host has two functions at ${address}.`);
    const made = blank(address, shape, null, address);
    this.functions.set(address, made);
    this.moved();
    return made;
  }

  /** Everything as after power on: no VFs, own drivers, no overrides, groups numbered anew. */
  boot(): void {
    this.moved();
    this.groups.clear();
    // Group numbers depend on the order of discovery: another boot, other numbers.
    this.nextGroup = this.seed % 5;
    this.seed += 1;
    for (const [key, one] of this.functions) if (one.vf !== null) this.functions.delete(key);
    for (const one of this.functions.values()) {
      Object.assign(one, { driver: one.shape.kernelDriver, override: null, autoprobe: true, vfs: [], up: one.shape.protectedBy !== undefined, user: null });
      one.aer = { fatal: 0, nonfatal: 0, correctable: 0 };
      one.group = this.shape.iommu ? this.groupOf(one.shape.group ?? one.key) : null;
    }
  }

  /** Addresses above a root bus go up by `buses`: what a card in the first slot does to all others. */
  shift(buses: number): void {
    this.moved();
    const roots = new Set([...this.functions.values()].filter((one) => one.vf === null && one.shape.parent === undefined).map((one) => busOf(one.address)));
    for (const one of this.functions.values()) {
      const parts = pciParts(one.address);
      if (!roots.has(busOf(one.address))) one.address = pciAddressOf({ ...parts, bus: parts.bus + buses });
    }
  }

  makeVfs(pf: FakeFunction, count: number): void {
    const sriov = pf.shape.sriov;
    if (sriov === undefined) return;
    this.moved();
    for (let index = 0; index < count; index += 1) {
      const shape: FakeFunctionShape = {
        address: pf.shape.address, vendor: pf.shape.vendor, product: sriov.vfProduct, pciClass: pf.shape.pciClass, kernelDriver: sriov.vfDriver, resetMethods: ['flr'],
        ...(pf.shape.parent === undefined ? {} : { parent: pf.shape.parent }), ...(pf.shape.numaNode === undefined ? {} : { numaNode: pf.shape.numaNode }),
        ...(pf.shape.network === undefined ? {} : { network: `${pf.shape.network}v${index}` }),
      };
      const vf = blank(`${pf.key}/vf${index}`, shape, { pf, index }, vfAddress(pf.address, sriov.offset, sriov.stride, index));
      vf.group = this.shape.iommu ? this.nextGroup++ : null;
      vf.settings = { index, mac: this.randomMac(), vlan: 0, qos: 0, spoofCheck: true, trust: false, minTxMbps: 0, maxTxMbps: 0 };
      vf.driver = pf.autoprobe && sriov.vfDriver !== null ? sriov.vfDriver : null;
      pf.vfs.push(vf);
      this.functions.set(vf.key, vf);
    }
  }

  dropVfs(pf: FakeFunction): readonly FakeFunction[] {
    // Those that fell off the bus before, too: none of them comes back.
    const gone = [...this.functions.values()].filter((one) => one.vf?.pf === pf);
    this.moved();
    pf.vfs = [];
    for (const vf of gone) {
      vf.present = false;
      this.functions.delete(vf.key);
    }
    return gone;
  }

  at(address: PciAddress): FakeFunction | null {
    this.byAddress ??= new Map([...this.functions.values()].flatMap((one) => (one.present ? [[one.address, one] as const] : [])));
    return this.byAddress.get(address) ?? null;
  }

  /** Somebody came, went or moved. */
  moved(): void { this.byAddress = null; }

  mates(of: FakeFunction): readonly FakeFunction[] {
    return of.group === null ? [] : [...this.functions.values()].filter((one) => one.present && one !== of && one.group === of.group);
  }

  /** Bridges from the root down to its parent. */
  above(of: FakeFunction): readonly FakeFunction[] {
    const parent = of.shape.parent === undefined ? undefined : this.functions.get(parsePciAddress(of.shape.parent));
    return parent === undefined ? [] : [...this.above(parent), parent];
  }

  /** As the kernel gives a VF a MAC that nobody has chosen. */
  randomMac(): string {
    this.seed = (this.seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return `0e:${[24, 16, 8, 4, 0].map((by) => ((this.seed >> by) & 0xff).toString(16).padStart(2, '0')).join(':')}`;
  }

  /** As the kernel offers them now: a bus with others on it is not reset for one of them (a display beside its sound function). */
  resetMethods(of: FakeFunction): readonly string[] {
    const methods = of.shape.resetMethods ?? [];
    if (!methods.includes('bus')) return methods;
    const isAlone = ![...this.functions.values()].some((one) => one !== of && one.present && busOf(one.address) === busOf(of.address));
    return isAlone ? methods : methods.filter((one) => one !== 'bus');
  }

  view(of: FakeFunction): PciFunction {
    const own = of.driver !== null && of.driver === of.shape.kernelDriver;
    const sriov = of.shape.sriov;
    const address = of.settings?.mac ?? of.shape.mac ?? null;
    const mac = tryMac(address ?? '');
    return {
      address: of.address, path: this.above(of).map((one) => one.address),
      vendor: of.shape.vendor, product: of.shape.product, subsystemVendor: of.shape.subsystemVendor ?? null, subsystemProduct: of.shape.subsystemProduct ?? null,
      pciClass: of.shape.pciClass, driver: of.driver, driverOverride: of.override,
      numaNode: of.shape.numaNode ?? null, iommuGroup: of.group, isBridge: of.shape.bridge === true, resetMethods: this.resetMethods(of),
      serial: of.shape.serial ?? null,
      networks: own && of.shape.network !== undefined && address !== null
        ? [{ name: of.shape.network, permanentMac: mac, mac, isUp: (of.vf?.pf ?? of).up, link: (of.vf?.pf ?? of).up && of.carrier ? 'up' : 'down' }] : [],
      blocks: own ? of.shape.blocks ?? [] : [], mdevTypes: own ? of.shape.mdevTypes ?? [] : [], aer: of.vf === null ? { ...of.aer } : null,
      sriov: sriov === undefined ? null : { totalVfs: sriov.totalVfs, numVfs: of.vfs.length, autoprobe: of.autoprobe, vfs: of.vfs.map((vf) => ({ index: vf.vf!.index, address: vf.address })) },
      physfn: of.vf === null ? null : { address: of.vf.pf.address, index: of.vf.index },
    };
  }

  private groupOf(name: string): number {
    const known = this.groups.get(name);
    if (known !== undefined) return known;
    const made = this.nextGroup++;
    this.groups.set(name, made);
    return made;
  }
}

const busOf = (address: PciAddress): string => address.slice(0, address.lastIndexOf(':'));

function blank(key: string, shape: FakeFunctionShape, vf: FakeFunction['vf'], address: PciAddress): FakeFunction {
  return {
    key, shape, vf, address, present: true, driver: null, override: null, group: null, autoprobe: true, vfs: [], up: false, carrier: true,
    settings: null, aer: { fatal: 0, nonfatal: 0, correctable: 0 }, user: null, trace: null, resets: 0,
  };
}
