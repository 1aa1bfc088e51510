/**
 * Questions about devices, for people and for the services beside the scheduler: classes, pools, devices with their history, and a
 * host's topology. Writes answer what they did; the same with `dryRun` answers what they would do.
 */
import { z } from 'zod';
import { Caller, HostId, InstanceId, Timestamp } from './common.js';
import { defineContract, defineHint } from './contract.js';
import { DeviceClass, DeviceClassName, DeviceIdentity, DeviceMatch, DeviceMatchChange, DevicePool, DeviceState, DeviceView, PciAddress, VfPolicyChange } from './device.contracts.js';

const Sentence = z.string().max(1_000);

/** One device, and what a change does to it. */
export const DeviceEffect = z.object({
  hostId: HostId, hostName: z.string(), deviceId: z.uuid(), identity: DeviceIdentity, address: PciAddress.nullable(),
  /**
   * joins, leaves, changes-class, changes-policy: of a pool. make-vfs: the PF gets as many, which ends those that it has. bind: its host's
   * driver loses it.
   */
  does: z.enum(['joins', 'leaves', 'changes-class', 'changes-policy', 'make-vfs', 'bind', 'refused']),
  sentence: Sentence,
});
export type DeviceEffect = z.output<typeof DeviceEffect>;

/** What a change of a class or pool does. Lists end at their most; `count`s do not. */
export const DevicePlan = z.object({
  hosts: z.int(), counts: z.record(z.string(), z.int()),
  effects: z.array(DeviceEffect).max(500), more: z.boolean(),
  /** Nothing overrules these. */
  refusals: z.array(z.object({
    code: z.string(), sentence: Sentence,
    /** Whom it would hit. */
    servers: z.array(z.object({ id: InstanceId, hostName: z.string(), identity: DeviceIdentity })).max(500).default([]),
  })),
  /** `yesReally` overrules these. */
  warnings: z.array(z.object({ code: z.string(), sentence: Sentence })),
});
export type DevicePlan = z.output<typeof DevicePlan>;

/** Numbers of a class or pool over all its hosts. Units: what is claimed as one counts once. */
export const DeviceCounts = z.object({
  total: z.int(), available: z.int(), claimed: z.int(), scrubbing: z.int(), quarantined: z.int(), unusable: z.int(), missing: z.int(), hosts: z.int(),
  /** The most that one host has, and has available now. */
  mostPerHost: z.int(), mostAvailablePerHost: z.int(),
});
export type DeviceCounts = z.output<typeof DeviceCounts>;

export const DeviceClassView = DeviceClass.extend({ counts: DeviceCounts, pools: z.array(z.string()), createdAt: Timestamp, updatedAt: Timestamp.nullable() });
export type DeviceClassView = z.output<typeof DeviceClassView>;
export const DevicePoolView = DevicePool.extend({
  counts: DeviceCounts, createdAt: Timestamp, updatedAt: Timestamp.nullable(),
  /** Where it could not be applied, and where it is not yet; the first hundred. */
  problems: z.array(z.object({ hostName: z.string(), identity: DeviceIdentity, code: z.string(), sentence: z.string() })).max(100),
});
export type DevicePoolView = z.output<typeof DevicePoolView>;

/** dryRun: nothing is written. yesReally: warnings are no hindrance. */
const Write = z.object({ caller: Caller, dryRun: z.boolean().default(false), yesReally: z.boolean().default(false) });

/** By name, in order. */
export const listDeviceClasses = defineContract({ subject: 'svc.scheduler.device-classes.list', input: z.object({ name: DeviceClassName.optional() }), output: z.object({ classes: z.array(DeviceClassView) }), timeoutMs: 5_000 });
/** The same name with the same content again is answered, not made again. Refused: `conflict` with details {plan}. class null: a dry run. */
export const createDeviceClass = defineContract({
  subject: 'svc.scheduler.device-classes.create', input: Write.extend({ class: DeviceClass }), output: z.object({ class: DeviceClassView.nullable(), plan: DevicePlan }), timeoutMs: 10_000,
});
/** What is left out stays; `match` is another one as a whole, `matchChange` says what of it. `conflict` with details {plan}, of which refusals name the servers. */
export const updateDeviceClass = defineContract({
  subject: 'svc.scheduler.device-classes.update',
  input: Write.extend({
    name: DeviceClassName,
    change: z.object({
      description: z.string().max(1_000).optional(), match: DeviceMatch.optional(), matchChange: DeviceMatchChange.optional(),
      numaPolicy: DeviceClass.shape.numaPolicy.unwrap().optional(), attach: DeviceClass.shape.attach.unwrap().optional(), sanitizer: DeviceClass.shape.sanitizer.unwrap().optional(),
    }),
  }),
  output: z.object({ class: DeviceClassView.nullable(), plan: DevicePlan }), timeoutMs: 10_000,
});
/** `conflict` while a pool has it, or a device of it is held or not clean yet. */
export const deleteDeviceClass = defineContract({ subject: 'svc.scheduler.device-classes.delete', input: Write.extend({ name: DeviceClassName }), output: z.object({ plan: DevicePlan }), timeoutMs: 10_000 });

/** By name, in order. */
export const listDevicePools = defineContract({
  subject: 'svc.scheduler.device-pools.list', input: z.object({ id: z.uuid().optional(), name: z.string().max(64).optional(), className: DeviceClassName.optional() }), output: z.object({ pools: z.array(DevicePoolView) }), timeoutMs: 5_000,
});
/** The id is made by the asker: the same again is answered, not made again. */
export const createDevicePool = defineContract({
  subject: 'svc.scheduler.device-pools.create', input: Write.extend({ pool: DevicePool }), output: z.object({ pool: DevicePoolView.nullable(), plan: DevicePlan }), timeoutMs: 10_000,
});
/** What is left out stays, of the policy too, whoever changed it meanwhile; `match` is another one as a whole, `matchChange` says what of it. Mode and class do not change. */
export const updateDevicePool = defineContract({
  subject: 'svc.scheduler.device-pools.update',
  input: Write.extend({
    id: z.uuid(),
    change: z.object({
      name: DevicePool.shape.name.optional(), match: DeviceMatch.optional(), matchChange: DeviceMatchChange.optional(), vfCount: z.int().min(1).max(65_535).nullable().optional(),
      driver: DevicePool.shape.driver.unwrap().optional(), policy: VfPolicyChange.optional(),
      physicalNetwork: z.string().max(64).nullable().optional(), groupTogether: z.boolean().optional(),
    }),
  }),
  output: z.object({ pool: DevicePoolView.nullable(), plan: DevicePlan }), timeoutMs: 10_000,
});
/** `conflict` while a device of it is held: never does a definition take a device from a server. */
export const deleteDevicePool = defineContract({ subject: 'svc.scheduler.device-pools.delete', input: Write.extend({ id: z.uuid() }), output: z.object({ plan: DevicePlan }), timeoutMs: 10_000 });

/** For flavors and their checks: which classes there are, and how many of each, over all hosts and at most on one. Cheap. */
export const listDeviceClassNames = defineContract({
  subject: 'svc.scheduler.device-classes.names',
  input: z.object({}),
  output: z.object({ names: z.array(DeviceClassName), version: z.string(), counts: z.record(z.string(), z.object({ total: z.int(), available: z.int(), mostPerHost: z.int(), mostAvailablePerHost: z.int() })) }),
  timeoutMs: 5_000,
});

/** Where a page ended: host and identity. */
export const DeviceMarker = z.object({ hostName: z.string().max(255), identity: DeviceIdentity });

/** In the order of host names, then identities. */
export const listDevices = defineContract({
  subject: 'svc.scheduler.devices.list',
  input: z.object({
    id: z.uuid().optional(), hostId: HostId.optional(), hostName: z.string().max(255).optional(), className: DeviceClassName.optional(), poolId: z.uuid().optional(),
    state: z.array(DeviceState).max(9).optional(), kind: z.enum(['pf', 'vf', 'function']).optional(), holder: InstanceId.optional(),
    /** Identity or address, whole. */
    device: z.string().max(220).optional(), pf: DeviceIdentity.optional(),
    after: DeviceMarker.nullable().default(null), limit: z.int().min(1).max(500).default(100),
  }),
  output: z.object({ devices: z.array(DeviceView), next: DeviceMarker.nullable() }),
  timeoutMs: 5_000,
});

/** kind: as in scheduler.device_history: claimed, released, clean, quarantined, operator-released, seen, missing, returned, … */
export const DeviceEvent = z.object({
  at: Timestamp, deviceId: z.uuid(), hostId: HostId, identity: DeviceIdentity, kind: z.string(), generation: z.int(),
  instanceId: InstanceId.nullable(), message: z.string(), userId: z.string().nullable(), userName: z.string().nullable(), requestId: z.string().nullable(),
});
export type DeviceEvent = z.output<typeof DeviceEvent>;

/** Newest first; of a device, or of all that a server had. `holders`: who had it from when to when, newest first; until null: has it. */
export const deviceHistory = defineContract({
  subject: 'svc.scheduler.devices.history',
  input: z.object({ deviceId: z.uuid().optional(), instanceId: InstanceId.optional(), /** Of the last page. */ before: z.string().max(64).nullable().default(null), limit: z.int().min(1).max(500).default(100) }),
  output: z.object({
    events: z.array(DeviceEvent), next: z.string().nullable(),
    holders: z.array(z.object({ deviceId: z.uuid(), instanceId: InstanceId, generation: z.int(), since: Timestamp.nullable(), until: Timestamp.nullable() })),
  }),
  timeoutMs: 5_000,
});

/**
 * An operator's word of a device. released: it is clean and sound, that was in quarantine, or that its host doubted (condition
 * changed-identity or aer-errors); it is at the next generation then. vouched: a server has it, and keeps it; it is the one it is taken for.
 * forgotten: it is missing, not clean, and will not come back; should it, it is made clean first. Recorded and audited; repeats are harmless.
 */
export const releaseDevice = defineContract({
  subject: 'svc.scheduler.devices.release',
  input: z.object({
    caller: Caller, deviceId: z.uuid(), statement: z.string().min(3).max(1_000),
    /** As the operator saw it; another one by now: `conflict`. Left out: whichever it is. */
    generation: z.int().min(0).optional(),
  }),
  output: z.object({ device: DeviceView, did: z.enum(['released', 'vouched', 'forgotten']).default('released') }),
  timeoutMs: 5_000,
});

/** Makes rows of devices anew from claims, then asks hosts for what they see. Frees nothing. hostId null: all hosts. */
export const rescanDevices = defineContract({
  subject: 'svc.scheduler.devices.rescan',
  input: z.object({ caller: Caller, hostId: HostId.nullable().default(null) }),
  output: z.object({ hosts: z.int(), devices: z.int(), /** Devices held by servers whose rows had been lost. */ restored: z.int() }),
  timeoutMs: 10_000,
});

/** Host CPUs, cells, pages and devices, with who has what. */
export const HostTopology = z.object({
  host: z.object({ id: HostId, name: z.string() }), reportedAt: Timestamp.nullable(), devicesReportedAt: Timestamp.nullable(),
  sockets: z.array(z.object({ id: z.int(), cells: z.array(z.int()) })),
  cells: z.array(z.object({
    id: z.int(), socket: z.int(), distances: z.array(z.int()),
    memory: z.object({ totalMib: z.int(), /** Of guests that are bound to this cell. */ claimedMib: z.int() }),
    pages: z.array(z.object({ kib: z.int(), total: z.int(), claimed: z.int() })),
    cores: z.array(z.object({
      cpus: z.array(z.object({
        id: z.int(), use: z.enum(['shared', 'dedicated', 'reserved']),
        /** Whose it is alone; null: nobody's. */
        holder: InstanceId.nullable(), /** What for: pinned, emulator, idle. */ as: z.string().nullable(),
      })),
    })),
    /** Ids of its devices. */
    devices: z.array(z.uuid()),
  })),
  /** Servers that float over the shared CPUs. */
  floating: z.object({ servers: z.int(), vcpus: z.int(), memoryMib: z.int() }),
  /** Functions by PF: VFs stand under theirs. cell null: the kernel knows none. */
  devices: z.array(z.object({
    id: z.uuid(), identity: DeviceIdentity, address: PciAddress.nullable(), kind: z.string().nullable(), cell: z.int().nullable(), iommuGroup: z.int().nullable(),
    vendor: z.string().nullable(), product: z.string().nullable(), pciClass: z.string().nullable(), driver: z.string().nullable(), interface: z.string().nullable(),
    state: DeviceState, reason: z.string().nullable(), className: z.string().nullable(), pool: z.string().nullable(), holder: InstanceId.nullable(), generation: z.int(),
    pf: z.object({ identity: DeviceIdentity, vf: z.int() }).nullable(), sriov: z.object({ totalVfs: z.int(), numVfs: z.int() }).nullable(),
  })).max(2_000),
  moreDevices: z.boolean(),
  /** IOMMU groups of more than one function: they go together. */
  groups: z.array(z.object({ id: z.int(), devices: z.array(z.uuid()) })),
});
export type HostTopology = z.output<typeof HostTopology>;
export const getHostTopology = defineContract({ subject: 'svc.scheduler.hosts.topology', input: z.object({ hostId: HostId }), output: HostTopology, timeoutMs: 5_000 });

const trouble = { hostId: HostId, hostName: z.string(), instanceId: InstanceId, identity: DeviceIdentity, /** missing, condition, changed-identity, used-unclaimed. */ kind: z.string(), message: z.string() };
/** From the scheduler to compute: devices of servers are gone, are out of order, or are others. Each is booked once, by its id, however often it is said; `at`: when it happened. */
export const bookDeviceTroubles = defineContract({
  subject: 'svc.compute.devices.book-troubles', input: z.object({ troubles: z.array(z.object({ id: z.uuid(), at: Timestamp, ...trouble })).min(1).max(100) }), output: z.object({}), timeoutMs: 5_000,
});
/** The same as schedulers said it that did not wait for an answer: what is lost stands in the device's history alone. */
export const deviceTrouble = defineHint({
  subject: 'svc.compute.devices.trouble',
  payload: z.object(trouble),
});
