/** What a host's PCI functions look like, and what may be done to them. Two makes: the kernel's sysfs, and a fake one whose errors are the kernel's. */

/** domain:bus:slot.function, normalized: lower case, four digits of domain or more. */
export type PciAddress = string & { readonly __pciAddress: true };

export interface PciNetwork {
  readonly name: string;
  /** Of six bytes; null: it has none such (InfiniBand's are of 20, CAN and WWAN have none), or it is not known. */
  readonly permanentMac: string | null;
  readonly mac: string | null;
  /** It is set up; its cable may still be out. */
  readonly isUp: boolean;
  /** May follow the cable up to a second late. */
  readonly link: 'up' | 'down' | 'unknown';
}

/** One function as sysfs shows it. Ids: hex digits without 0x. */
export interface PciFunction {
  readonly address: PciAddress;
  /** The addresses from the root port down to its parent, as the device path has them. */
  readonly path: readonly PciAddress[];
  readonly vendor: string; readonly product: string; readonly subsystemVendor: string | null; readonly subsystemProduct: string | null;
  readonly pciClass: string;
  readonly driver: string | null;
  /** undefined: it was asked for, and could not be read. */
  readonly driverOverride: string | null | undefined;
  readonly numaNode: number | null;
  readonly iommuGroup: number | null;
  readonly isBridge: boolean;
  readonly resetMethods: readonly string[];
  /** Device serial number or VPD's; null: none, or not readable. */
  readonly serial: string | null;
  readonly networks: readonly PciNetwork[];
  /** Names of block devices on it. */
  readonly blocks: readonly string[];
  readonly mdevTypes: readonly string[];
  /** AER's totals; null: the kernel counts none. */
  readonly aer: { readonly fatal: number; readonly nonfatal: number; readonly correctable: number } | null;
  /** Of a PF. VFs are counted by their links: to read the number itself is to wait for whoever writes it. */
  readonly sriov: { readonly totalVfs: number; readonly numVfs: number; readonly autoprobe: boolean; readonly vfs: readonly { readonly index: number; readonly address: PciAddress }[] } | null;
  /** Of a VF. */
  readonly physfn: { readonly address: PciAddress; readonly index: number } | null;
}

export interface PciReading {
  readonly functions: ReadonlyMap<PciAddress, PciFunction>;
  /** Endpoints and bridges of each IOMMU group. */
  readonly groups: ReadonlyMap<number, readonly PciAddress[]>;
  /**
   * PFs that a writer which was given up still holds. They and their VFs stand among the functions with what can be seen without their locks
   * (driverOverride is null); nothing of them may be claimed or written.
   */
  readonly held: readonly HeldFunction[];
}

/** A writer that was given up and may still finish: nothing of that PF is claimable until it is known to be gone. */
export interface HeldFunction {
  readonly address: PciAddress;
  readonly pid: number; readonly startTime: string; readonly bootId: string;
  /** What it was to do, for people. */
  readonly what: string; readonly sinceMs: number;
}

export interface VfSettings {
  readonly index: number; readonly mac: string; readonly vlan: number; readonly qos: number;
  readonly spoofCheck: boolean; readonly trust: boolean; readonly minTxMbps: number; readonly maxTxMbps: number;
}

/** What went wrong: the kernel's errno where there is one, and a sentence with the cure. */
export class PciError extends Error {
  constructor(
    readonly code: 'busy' | 'range' | 'invalid' | 'no-driver' | 'not-bound' | 'no-device' | 'unsupported' | 'not-verified' | 'deadline' | 'held' | 'in-use' | 'forbidden' | 'link-down' | 'other',
    readonly errno: string | null,
    message: string,
    options?: ErrorOptions,
  ) { super(message, options); }
}

/**
 * Every write runs in a child process with a deadline, takes the PF's lock (inherited by the child), is verified by reading back, and fails
 * with a PciError. None is ever repeated by itself. A child that misses its deadline is left behind as `held`.
 */
export interface PciHost {
  readonly bootId: string;
  read(): Promise<PciReading>;
  /** Addresses that the host itself lives on, and why: its disks, swap, the default route's interface, ports of bridges and the like and interfaces of other routes (mayKeepVfs), and all above them on the bus. */
  protectedFunctions(): Promise<ReadonlyMap<PciAddress, string>>;
  /**
   * What a process has open for a guest, whoever knows of it: a process with that word (a guest's id) in its command line. It is told by IOMMU groups, each
   * by its endpoints: which of them the guest has been given, the kernel does not say.
   */
  opened(word: string): Promise<readonly (readonly PciAddress[])[]>;
  /** From 0 to `count`, or from any to 0. With autoprobe off, VFs come without a driver. */
  setNumVfs(pf: PciAddress, count: number, options: { readonly autoprobe: boolean }): Promise<void>;
  /** By driver_override; null: unbound, no override. `kernel`: its own driver, by probing without override. */
  bind(address: PciAddress, driver: string | null): Promise<void>;
  /** Function-level reset or the best that reset_method offers; PciError unsupported when there is none. */
  reset(address: PciAddress): Promise<void>;
  vfSettings(pf: PciAddress): Promise<readonly VfSettings[]>;
  /** PciError link-down: a rate can't be set while the PF's link is down; all else is set then. */
  setVf(pf: PciAddress, index: number, settings: Partial<Omit<VfSettings, 'index'>>): Promise<void>;
  /** Brings the PF's interface up; VFs are of no use else. */
  linkUp(pf: PciAddress): Promise<void>;
  /** Something changed on the bus (uevents, or a look now and then). @returns stops it */
  onChange(listener: () => void): () => void;
}
