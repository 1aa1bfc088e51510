/**
 * Devices: what a host has, what is wanted of it, who holds what. A device is known by its identity, which survives a bus that is
 * numbered anew; its address is only where it stands today. Every hold has a generation: a device is free again when its host says that
 * it is clean at that generation, and never before.
 */
import { z } from 'zod';
import { HostId, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

/** domain:bus:slot.function, as the kernel writes it. */
export const PciAddress = z.string().regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/);
/** `serial:…`, `mac:<PF's permanent MAC>/vf:<index>`, `slot:<path of slots from the root>`: unique on its host. Ordered bytewise (ASCII only). */
export const DeviceIdentity = z.string().regex(/^[a-z]+:[\x21-\x7e]{1,200}$/);
/** Four hex digits, no 0x. */
export const PciId = z.string().regex(/^[0-9a-f]{4}$/);
/** Six hex digits: base class, subclass, programming interface. */
export const PciClassCode = z.string().regex(/^[0-9a-f]{6}$/);
/** A device class' name, which is the alias in flavors; a resource class of placement follows from it (CUSTOM_DEVICE_…). */
export const DeviceClassName = z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/);
export const Mac = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);

/** One PCI function as its host sees it now. */
export const HostDevice = z.object({
  identity: DeviceIdentity,
  /** weak: only its slot tells it from another; when the bus changed, it is held until an operator says that it is the same. */
  identityStrength: z.enum(['strong', 'weak']),
  address: PciAddress,
  kind: z.enum(['pf', 'vf', 'function']),
  vendor: PciId, product: PciId, pciClass: PciClassCode,
  subsystemVendor: PciId.nullable().default(null), subsystemProduct: PciId.nullable().default(null),
  driver: z.string().max(64).nullable(),
  /** null: the kernel knows none. A VF has its PF's. */
  numaNode: z.int().min(0).nullable(),
  /** Today's number, for people. */
  iommuGroup: z.int().min(0).nullable(),
  /** Identities of the other endpoint functions in its group. */
  mates: z.array(DeviceIdentity).max(64).default([]),
  /** Of a VF: its PF, and which of its VFs it is (virtfnN, not the function number). */
  pf: z.object({ identity: DeviceIdentity, vf: z.int().min(0) }).nullable(),
  /** Of a PF. */
  sriov: z.object({ totalVfs: z.int().min(0), numVfs: z.int().min(0) }).nullable(),
  resetMethods: z.array(z.string().max(32)).max(16).default([]),
  /** Its network interface on the host, by its kernel's driver; of a VF on vfio-pci: none. */
  network: z.object({ name: z.string().max(32), permanentMac: Mac.nullable(), link: z.enum(['up', 'down', 'unknown']) }).nullable(),
  /** Why it is never given to a guest: boot-disk, default-route, bridge, swap, …; null: it may be. */
  protectedBy: z.string().max(200).nullable().default(null),
  /** Why it can't be given now: group-not-viable, aer-errors, link-down, hung-writer, no-iommu, changed-identity, …, with a sentence; null: it can. */
  condition: z.object({ code: z.string().max(64), sentence: z.string().max(500) }).nullable().default(null),
  /** The domain that uses it now, as libvirt says; null: none. */
  usedBy: InstanceId.nullable().default(null),
  /** Highest generation at which the host has scrubbed and verified it (0: as found, with nothing of a guest on it); null: not clean. */
  cleanAt: z.int().min(0).nullable().default(null),
  /** It could not be made clean or verified: quarantine, with the reason and the generation it happened at. */
  dirty: z.object({ generation: z.int().min(0), code: z.string().max(64), sentence: z.string().max(500) }).nullable().default(null),
});
export type HostDevice = z.output<typeof HostDevice>;

/**
 * All devices of the host whose identity lies in the range: those known there and not named are missing. Idempotent; `reading` rises with
 * every look that saw something new, and a lower one of the same boot is ignored.
 */
export const reportDevices = defineContract({
  subject: 'host.{hostId}.devices',
  input: z.object({
    bootId: z.string(), epoch: z.int(), incarnation: z.int(), reading: z.int().min(1),
    /** Of the wishes that this host has applied last; null: none. */
    wishes: z.string().max(64).nullable(),
    /** Above `after`, up to and with `upTo`; null: from the first, to the last. */
    range: z.object({ after: DeviceIdentity.nullable(), upTo: DeviceIdentity.nullable() }),
    devices: z.array(HostDevice).max(500),
    /** Pools that could not be applied: on which PF or function, and why. */
    problems: z.array(z.object({ poolId: z.uuid(), identity: DeviceIdentity, code: z.string().max(64), sentence: z.string().max(500) })).max(500).default([]),
  }),
  output: z.object({ wishes: z.string() }),
  timeoutMs: 10_000,
});

/** What a pool wants of each of its VFs, on the PF. null: left as it is. */
export const VfPolicy = z.object({
  trust: z.boolean().default(false), spoofCheck: z.boolean().default(true),
  minTxMbps: z.int().min(0).max(1_000_000).default(0), maxTxMbps: z.int().min(0).max(1_000_000).default(0),
  /** VLANs that a VF may be given; empty: untagged only. */
  vlans: z.array(z.int().min(1).max(4094)).max(4094).default([]),
  /** The first three to five bytes of MACs, locally administered or the owner's own. */
  macPrefix: z.string().regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){2,4}$/).default('fa:16:3e'),
});
export type VfPolicy = z.output<typeof VfPolicy>;
/** What is left out stays as it is. */
export const VfPolicyChange = z.object({
  trust: VfPolicy.shape.trust.unwrap(), spoofCheck: VfPolicy.shape.spoofCheck.unwrap(), minTxMbps: VfPolicy.shape.minTxMbps.unwrap(), maxTxMbps: VfPolicy.shape.maxTxMbps.unwrap(),
  vlans: VfPolicy.shape.vlans.unwrap(), macPrefix: VfPolicy.shape.macPrefix.unwrap(),
}).partial();
export type VfPolicyChange = z.output<typeof VfPolicyChange>;

/** How a device is made ready for the next holder, and what proves it. */
export const Sanitizer = z.enum([
  /** Function-level reset; for a VF also MAC, VLAN, trust, spoof check, rates and driver back to the pool's, each read back. */
  'reset',
  /** Nothing can prove it (disk contents, GPU memory): quarantine after use. */
  'quarantine',
  /** The operator states that what a guest leaves on it may be seen by the next one: reset only. */
  'operator-accepts',
]);
export type Sanitizer = z.output<typeof Sanitizer>;

export const PoolMode = z.enum(['vfs', 'functions']);
export const DriverChoice = z.enum(['vfio-pci', 'kernel']);

/** What a host does for one PF (keep VFs) or one whole function (keep it ready). */
export const PoolWish = z.object({
  poolId: z.uuid(), poolName: z.string().max(64), identity: DeviceIdentity, mode: PoolMode,
  /** Of mode vfs: how many; the agent changes it only while none is claimed or used, and asks libvirt first. */
  vfs: z.object({ count: z.int().min(0).max(65_535), driver: DriverChoice, policy: VfPolicy }).nullable(),
});
export type PoolWish = z.output<typeof PoolWish>;

/** Who has a device, or had it last. */
export const HoldWish = z.object({
  identity: DeviceIdentity, generation: z.int().min(1),
  /** null: released: scrub, verify, and say cleanAt = generation. */
  holder: InstanceId.nullable(),
  sanitizer: Sanitizer,
  /** An operator said at this generation that it is clean after repair; null: nobody. */
  releasedAt: z.int().nullable().default(null),
  /**
   * Rises when an operator says of a device that somebody holds that it is the one it is taken for, and that errors on its bus are known. Says
   * nothing of its being clean. 0: nobody ever did.
   */
  vouched: z.int().min(0).default(0),
});
export type HoldWish = z.output<typeof HoldWish>;

/** The host asks what is wanted of its devices: all of it, in one state. Nothing wanted of a device leaves it alone. */
export const pullDeviceWishes = defineContract({
  subject: 'host.{hostId}.device-wishes',
  input: z.object({
    bootId: z.string(), knows: z.string().max(64).nullable(),
    /** Of a version in pages: what follows this identity. */
    after: DeviceIdentity.nullable().default(null),
  }),
  output: z.object({
    incarnation: z.int(), epoch: z.int(), reportOnly: z.boolean(),
    /** Names this state; the same as `knows`: nothing follows. */
    version: z.string().max(64),
    pools: z.array(PoolWish).max(1_000), holds: z.array(HoldWish).max(1_000),
    /** Ask again after this identity; null: that was all. */
    next: DeviceIdentity.nullable(),
  }),
  timeoutMs: 5_000,
});

/** One device that a server was given: part of its layout. */
export const ClaimedDevice = z.object({
  deviceId: z.uuid(), identity: DeviceIdentity, className: DeviceClassName,
  /** The hold's: the agent prepares, attaches and scrubs at this one only. */
  generation: z.int().min(1),
  numaNode: z.int().min(0).nullable(),
  /** Which of the needs it answers, from 0; group mates answer the same. */
  need: z.int().min(0),
  /** With which attachment it came, by itself and after the server was made; left out: with the flavor. */
  attachment: z.uuid().optional(),
  /** Its slot in the guest, which it keeps for as long as the server has it there: the agent's order and alias. Left out: its place in the list. */
  place: z.int().min(0).max(63).optional(),
  tag: z.string().max(60).optional(),
  /** interface: `<interface type='hostdev'>`: libvirt owns MAC and VLAN, the agent trust, spoof check and rates. hostdev: the agent owns all. */
  attach: z.enum(['interface', 'hostdev']),
  mac: Mac.nullable(), vlan: z.int().min(1).max(4094).nullable(), physicalNetwork: z.string().max(64).nullable().default(null),
});
export type ClaimedDevice = z.output<typeof ClaimedDevice>;

/** Nova's words for where a device may stand, seen from the guest's cells. */
export const DeviceNumaPolicy = z.enum(['required', 'preferred', 'socket', 'legacy']);
/** `pci_passthrough:alias`, read once. */
export const DeviceNeed = z.object({
  className: DeviceClassName, count: z.int().min(1).max(32),
  /** null: the class' own. */
  numaPolicy: DeviceNumaPolicy.nullable().default(null),
  tag: z.string().max(60).optional(), vlan: z.int().min(1).max(4094).nullable().default(null),
  /** The attachment that wants it; left out: the flavor does. */
  attachment: z.uuid().optional(),
});
export type DeviceNeed = z.output<typeof DeviceNeed>;

/** All that is said must be true; nothing said matches everything, which is refused. Lists: any of them. */
export const DeviceMatch = z.object({
  vendor: z.array(PciId).max(32).optional(), product: z.array(PciId).max(64).optional(),
  /** Prefixes: 02, 0300. */
  pciClass: z.array(z.string().regex(/^[0-9a-f]{2}([0-9a-f]{2}){0,2}$/)).max(32).optional(),
  kind: z.array(z.enum(['pf', 'vf', 'function'])).max(3).optional(),
  driver: z.array(z.string().max(64)).max(32).optional(),
  /** Of a VF: its PF; else itself: identities, addresses or interface names. */
  pf: z.array(z.string().max(220)).max(64).optional(),
  /** Addresses or identities; an address may end in `*`. */
  slot: z.array(z.string().max(220)).max(256).optional(),
  numaNode: z.array(z.int().min(0)).max(64).optional(),
  /** Host names, `*` stands for any characters. */
  hosts: z.array(z.string().max(255)).max(256).optional(),
  /** Metadata of the host's aggregates. */
  hostLabels: z.record(z.string().max(255), z.string().max(255)).optional(),
});
export type DeviceMatch = z.output<typeof DeviceMatch>;
const said = DeviceMatch.required().shape;
/** What is left out stays as it is; null takes it away. */
export const DeviceMatchChange = z.object({
  vendor: said.vendor.nullable(), product: said.product.nullable(), pciClass: said.pciClass.nullable(), kind: said.kind.nullable(), driver: said.driver.nullable(), pf: said.pf.nullable(),
  slot: said.slot.nullable(), numaNode: said.numaNode.nullable(), hosts: said.hosts.nullable(), hostLabels: said.hostLabels.nullable(),
}).partial();
export type DeviceMatchChange = z.output<typeof DeviceMatchChange>;

export const DeviceClass = z.object({
  name: DeviceClassName, description: z.string().max(1_000).default(''),
  match: DeviceMatch,
  numaPolicy: DeviceNumaPolicy.default('legacy'),
  attach: z.enum(['auto', 'interface', 'hostdev']).default('auto'),
  sanitizer: Sanitizer.default('reset'),
});
export type DeviceClass = z.output<typeof DeviceClass>;

export const DevicePool = z.object({
  id: z.uuid(), name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/), className: DeviceClassName,
  mode: PoolMode,
  /** Of PFs (mode vfs) or of the functions themselves. */
  match: DeviceMatch,
  /** Of mode vfs: how many each PF keeps; null: all that its driver allows. */
  vfCount: z.int().min(1).max(65_535).nullable().default(null),
  driver: DriverChoice.default('vfio-pci'),
  policy: VfPolicy.prefault({}),
  physicalNetwork: z.string().max(64).nullable().default(null),
  /** Functions of one IOMMU group are claimed as one. Off: a group of several is not given out. */
  groupTogether: z.boolean().default(true),
});
export type DevicePool = z.output<typeof DevicePool>;

/** Derived, never stored. */
export const DeviceState = z.enum(['available', 'claimed', 'in-use', 'scrubbing', 'quarantined', 'unusable', 'missing', 'protected', 'unpooled']);
export type DeviceState = z.output<typeof DeviceState>;

export const DeviceView = z.object({
  id: z.uuid(), host: z.object({ id: HostId, name: z.string() }),
  device: HostDevice, state: DeviceState,
  /** Why it is not available, with what would cure it; null: it is, or is in use. */
  reason: z.string().nullable(),
  className: DeviceClassName.nullable(), pool: z.object({ id: z.uuid(), name: z.string() }).nullable(),
  generation: z.int().min(0), holder: InstanceId.nullable(), seenAt: Timestamp,
});
export type DeviceView = z.output<typeof DeviceView>;
