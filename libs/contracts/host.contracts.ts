/**
 * What a host's agent and the control plane say to each other. The host id is taken from the subject, never from a body:
 * NATS lets a host publish `host.<its id>.>` only, and subscribe `hint.<its id>`, `ask.<its id>.>` and its own inbox.
 */
import { z } from 'zod';
import { HostId, ImageId, InstanceId } from './common.js';
import { defineContract, defineHint } from './contract.js';
import { DeviceIdentity } from './device.contracts.js';
import { Hints, Layout } from './placement.contracts.js';

/** Highest and lowest protocol this build speaks. Raise MAX with every change an older peer would not understand. */
export const PROTOCOL = { min: 1, max: 1 } as const;

/** What shall be true of one instance on this host. */
export const DesiredInstance = z.object({
  id: InstanceId,
  projectId: z.string(),
  name: z.string(),
  hostname: z.string(),
  /** Rises with every change of intent; reports echo it. */
  generation: z.int().min(1),
  /** Rises when what is built changes (resize, rebuild); a domain of another spec generation is not re-rendered in place. */
  specGeneration: z.int().min(1),
  /**
   * running, stopped, paused, suspended or deleted; `deleted` is the only thing that ever destroys a domain. An open word: a host that is
   * older than its control plane reports one it does not know as `unsupported`, and goes on with the others.
   */
  intent: z.string().min(1).max(32),
  /** Reboots asked for so far; the host performs one when its own count is lower. */
  rebootCount: z.int().min(0),
  /** hard, or soft: ask the guest first. */
  rebootType: z.string().min(1).max(32),
  vcpus: z.int().min(1),
  memoryMib: z.int().min(1),
  /** Root disk, GiB; 0: as large as the image. */
  diskGib: z.int().min(0),
  image: z.object({ id: ImageId, sha512: z.string(), sizeBytes: z.int(), virtualSizeBytes: z.int().nullable(), /** qcow2 or raw */ format: z.string().min(1).max(32) }),
  /** Files of the config drive, path -> text (openstack/latest/meta_data.json, user_data, …). */
  configDrive: z.record(z.string(), z.string()),
  /** Whose content the disk has: a higher one than the disk's (a rebuild) means a new disk from the image. */
  diskGeneration: z.int().min(1).default(1),
  /** Seconds the guest has after its power button before its power is cut; null: the host's own default. */
  powerOffTimeoutS: z.int().min(0).max(86_400).nullable().default(null),
  /** The root disk comes from another host, through the public door; null: from the image. The key is a secret. */
  diskFrom: z.object({ transferId: z.uuid(), key: z.string().max(200) }).nullable().default(null),
  /**
   * A resize on the same host: `keep` what was built as `specGeneration` beside the new disk until it is confirmed (then this
   * is null and it goes), or `restore` it. null: nothing of before is to be there.
   */
  previous: z.object({ specGeneration: z.int().min(1), then: z.string().min(1).max(32) }).nullable().default(null),
  /**
   * A guest has had the disk of `diskGeneration` on this host: a host that has not got it has lost it, and builds nothing in its
   * place, whatever it remembers. Absent: an older control plane, which does not say.
   */
  diskLaunched: z.boolean().default(false),
  /** Whose it is and of which flavor: for making the row again after a restore. Absent: an older control plane. */
  userId: z.string().max(64).optional(),
  flavorId: z.string().max(255).optional(),
  /** Its server group and scheduler hints, for the same; null: none. */
  groupId: z.uuid().nullable().optional(),
  hints: Hints.nullable().optional(),
  /** The host CPUs, cells and pages that are claimed for it; null: it floats over the host's shared CPUs. */
  layout: Layout.nullable().default(null),
});
export type DesiredInstance = z.output<typeof DesiredInstance>;

/** The host pulls everything that changed after `since`, in the order of the host's own sequence. */
export const pullDesired = defineContract({
  subject: 'host.{hostId}.pull',
  input: z.object({
    bootId: z.string(),
    /** Highest host sequence the ledger holds; 0 asks for everything. */
    since: z.int().min(0),
  }),
  output: z.object({
    incarnation: z.int(),
    epoch: z.int(),
    /** Entries with a sequence above `since`, ascending; fewer than all when `more`. */
    entries: z.array(z.object({ sequence: z.int(), instance: DesiredInstance })),
    /** The sequence that this answer brings the host to. */
    upTo: z.int(),
    more: z.boolean(),
    /** The control plane was restored from an older state, or the host is fenced: report only, act on nothing. */
    reportOnly: z.boolean(),
    /**
     * This answer renews the host's lease by `ms`, counted from the question by a clock that counts from boot. `required`: after
     * a boot, and once the lease has run out, it starts no guest. Absent: an older control plane, which needs none.
     */
    lease: z.object({ ms: z.int().min(1_000), required: z.boolean() }).optional(),
  }),
  timeoutMs: 5_000,
});

export const ObservedState = z.enum(['absent', 'building', 'running', 'stopped', 'paused', 'suspended', 'crashed', 'failed']);
export type ObservedState = z.output<typeof ObservedState>;

/** The agent's capability of attaching and detaching devices of what is there, running or off. */
export const LIVE_DEVICES = 'LIVE_DEVICES';

/** How one device of an instance stands on its host. */
export const ObservedDevice = z.object({
  deviceId: z.uuid().optional(), identity: DeviceIdentity,
  /** The hold's, as the layout said when it was attached. */
  generation: z.int().min(1),
  /**
   * attached: the running domain has it; of a guest that is off: its definition. attaching, detaching: under way, or waiting to be (`message`
   * says for what). needs-guest-stop: the guest does not let it go. failed: it can't be attached, for good. An open word: hosts may be newer.
   */
  state: z.string().min(1).max(32),
  message: z.string().max(500).optional(),
});
export type ObservedDevice = z.output<typeof ObservedDevice>;

/** What the host saw of one instance. `absent` is the proof of absence: no domain, no disk, no config drive. */
export const ObservedInstance = z.object({
  id: InstanceId,
  /** Generation of the desired entry that this observation answers. */
  generation: z.int(),
  state: ObservedState,
  rebootCount: z.int(),
  /** Milliseconds since the epoch, the host's clock; informational. */
  startedAtMs: z.int().nullable(),
  /** What the domain and disk that are there were built as; null: nothing is built. Absent: an agent that cannot rebuild. */
  built: z.object({ specGeneration: z.int(), diskGeneration: z.int() }).nullable().optional(),
  /** What the host is doing now: fetch-image, make-disk, define, start, …; null when settled. */
  doing: z.string().nullable(),
  /** The last thing that went wrong, with how often in a row. `final`: the host gave up for this generation. */
  error: z.object({ code: z.string(), message: z.string(), attempts: z.int(), final: z.boolean() }).nullable(),
  /** It is stopped, not suspended, and its guest's memory is kept all the same: its next start goes on from there. Absent: no, or an older agent. */
  savedMemory: z.boolean().optional(),
  /**
   * Devices that its layout has or its domain still has: what the domain of this generation's answer has no more is not among them, and may be
   * released. Left out: an agent without LIVE_DEVICES, or nothing of either.
   */
  devices: z.array(ObservedDevice).max(128).optional(),
  /** Frozen at first definition: machine type, CPU model, render version, serial log path. */
  frozen: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});
export type ObservedInstance = z.output<typeof ObservedInstance>;

/** A difference between the wish, the host's ledger, its hypervisor and its disk. An open word as kind: hosts may be newer. */
export const DriftEntry = z.object({
  /** orphan-domain, orphan-files, unlisted, foreign-domain, changed-definition, outdated-cpus, disk-missing, ended-by-itself, saved-memory, guest-halted, given-up. */
  kind: z.string().min(1).max(64),
  /** Of the instance or domain. */
  id: z.string().min(1).max(64),
  what: z.string().max(500),
  /** Milliseconds since the epoch, the host's clock; since the host's agent runs, at most. */
  sinceMs: z.int(),
});
export type DriftEntry = z.output<typeof DriftEntry>;

export const reportObserved = defineContract({
  subject: 'host.{hostId}.report',
  input: z.object({
    bootId: z.string(), epoch: z.int(), incarnation: z.int(),
    instances: z.array(ObservedInstance).max(500),
    /** Domains that this host does not know; shown, never touched. */
    orphans: z.array(z.object({ uuid: z.string(), name: z.string() })).max(500),
    /** Everything that differs now, when it changed since the last report; absent: as before, or an agent that does not look. */
    drift: z.array(DriftEntry).max(500).optional(),
    /** Rises with every report of one boot: a lower one was overtaken, and counts no more. Absent: an agent that does not count. */
    sequence: z.int().min(0).optional(),
  }),
  /** Ids whose `absent` is booked: the ledger may forget them. */
  output: z.object({ forget: z.array(InstanceId) }),
  timeoutMs: 5_000,
});

export const VirtType = z.enum(['kvm', 'qemu', 'simulated']);

export const HostInventory = z.object({
  /** Rises with every change of content; the control plane ignores lower ones of the same boot. */
  generation: z.int(),
  vcpus: z.int(), memoryMib: z.int(), diskGib: z.int(),
  reservedMemoryMib: z.int(), reservedDiskGib: z.int(),
  cpuModel: z.string(), cpuArch: z.string(),
  cells: z.array(z.object({
    id: z.int(), cpus: z.array(z.int()), memoryMib: z.int(),
    /** The socket it is on. */
    socket: z.int().default(0),
    /** Its CPUs by physical core: thread siblings together. Empty: an older agent; each CPU is a core then. */
    cores: z.array(z.array(z.int())).default([]),
    /** Its huge pages: how many the kernel has set aside in all, less those that are reserved for others. */
    pages: z.array(z.object({ kib: z.int(), total: z.int().min(0) })).max(16).default([]),
    /** To each cell, in the order of cells, as the kernel says: 10 is itself. */
    distances: z.array(z.int()).default([]),
  })),
  /** CPUs over which guests float, and those that guests get of their own: disjoint. null and empty: an older agent, or nothing stated: all are shared. */
  sharedCpus: z.array(z.int()).nullable().default(null),
  dedicatedCpus: z.array(z.int()).default([]),
  cpuFlags: z.array(z.string().max(64)).max(1000).default([]),
  /** Standard os-traits names and CUSTOM_… ones. */
  traits: z.array(z.string().regex(/^[A-Z0-9_]{1,255}$/)).max(500).default([]),
  /** Amounts of custom resource classes (CUSTOM_…). */
  resources: z.record(z.string().regex(/^CUSTOM_[A-Z0-9_]{1,248}$/), z.int().min(0)).default({}),
  virtType: VirtType,
  hypervisorVersion: z.int().describe("QEMU's, as libvirt counts: major*1000000+minor*1000+micro"),
  libvirtVersion: z.int(),
  hostAddress: z.string(),
});
export type HostInventory = z.output<typeof HostInventory>;

/** Sent at start, on change, and when the control plane asks for it in a beat's answer. */
export const reportInventory = defineContract({
  subject: 'host.{hostId}.inventory',
  input: z.object({
    bootId: z.string(),
    protocol: z.object({ min: z.int(), max: z.int() }),
    agentVersion: z.string(),
    capabilities: z.array(z.string()).max(200),
    simulated: z.boolean(),
    inventory: HostInventory,
    /** The control plane's newest words that the host has on disk: newer ones than the database's show that it was restored. */
    knows: z.object({ incarnation: z.int(), epoch: z.int(), upTo: z.int() }).optional(),
  }),
  /** A second session under the same identity is refused with `conflict`. */
  output: z.object({ epoch: z.int(), incarnation: z.int(), protocol: z.int() }),
  timeoutMs: 5_000,
});

/** Names an image in few bytes, for what is only a preference. */
export const imageMark = (sha512: string): string => sha512.slice(0, 16);

/** I am alive, and so is my libvirt. Several a minute; lost ones do not matter. */
export const hostBeat = defineHint({
  subject: 'host.{hostId}.beat',
  payload: z.object({
    bootId: z.string(), hypervisorUp: z.boolean(), inventoryGeneration: z.int(),
    /** Base images that it has, each by the first 16 digits of its SHA-512 (imageMark); left out: as said before. Said when it changes, and now and then. */
    images: z.array(z.string().max(16)).max(64).optional(),
  }),
});

/** A URL for the bytes of an image that a server given to this host needs; anything else is `forbidden`. */
export const hostImageUrl = defineContract({
  subject: 'host.{hostId}.image-url',
  input: z.object({ imageId: ImageId }),
  output: z.object({ url: z.url(), expiresAtMs: z.int(), sha512: z.string(), sizeBytes: z.int() }),
  timeoutMs: 5_000,
});

/** Something in your desired state changed: pull. Empty on purpose. */
export const hostHint = defineHint({ subject: 'hint.{hostId}', payload: z.object({}) });

/** The last `lines` lines (or everything kept, at most 512 KiB) of a guest's serial log. */
export const readConsoleLog = defineContract({
  subject: 'ask.{hostId}.console-log',
  input: z.object({ instanceId: InstanceId, lines: z.int().min(0).optional() }),
  output: z.object({ output: z.string() }),
  timeoutMs: 5_000,
});

/** The host's own view of one instance, for `skylite inspect`. */
export const inspectOnHost = defineContract({
  subject: 'ask.{hostId}.inspect',
  input: z.object({ instanceId: InstanceId }),
  output: z.object({
    hostname: z.string(), virtType: VirtType, simulated: z.boolean(),
    ledger: z.record(z.string(), z.unknown()).nullable(),
    observed: z.record(z.string(), z.unknown()).nullable(),
    domainXml: z.string().nullable(),
    files: z.array(z.object({ path: z.string(), bytes: z.int() })),
  }),
  timeoutMs: 5_000,
});

export const HostRef = z.object({ id: HostId, name: z.string() });
