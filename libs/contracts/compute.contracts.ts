import { z } from 'zod';
import { ServerDevice } from './attachments.contracts.js';
import { Caller, HostId, ImageId, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';
import { ObservedState } from './host.contracts.js';
import { Hints, Layout } from './placement.contracts.js';
import { PlacementExplanation } from './scheduler.contracts.js';

export const MoveKind = z.enum(['resize', 'migration', 'evacuation']);
export type MoveKind = z.output<typeof MoveKind>;
/**
 * claim (a destination) -> stop (the guest, at the source) -> arrive (at the destination) -> verify (rests) -> confirm (the source
 * lets go); or revert (the destination lets go) -> return (to the source).
 */
export const MovePhase = z.enum(['claim', 'stop', 'arrive', 'verify', 'confirm', 'revert', 'return']);
export type MovePhase = z.output<typeof MovePhase>;

export const Flavor = z.object({
  id: z.string(), name: z.string(), vcpus: z.int(), ramMib: z.int(), diskGib: z.int(), ephemeralGib: z.int(), swapMib: z.int(),
  rxtxFactor: z.number(), isPublic: z.boolean(), disabled: z.boolean(), description: z.string().nullable(), extraSpecs: z.record(z.string(), z.string()),
});
export type Flavor = z.output<typeof Flavor>;

/** What a fault says: to everyone, and (details) to admins. */
export const Fault = z.object({ code: z.int(), message: z.string(), details: z.string().nullable(), createdAt: Timestamp });

/** One instance as it is: facts only. OpenStack's status words are derived from (intent, step, observed) in libs/openstack. */
export const InstanceView = z.object({
  id: InstanceId, projectId: z.string(), userId: z.string(), name: z.string(), hostname: z.string(), description: z.string().nullable(),
  metadata: z.record(z.string(), z.string()), tags: z.array(z.string()),
  intent: z.enum(['running', 'stopped', 'paused', 'suspended', 'deleted']),
  generation: z.int(), specGeneration: z.int(), rebootCount: z.int(), rebootType: z.enum(['soft', 'hard']),
  flavor: Flavor,
  imageId: ImageId,
  keyName: z.string().nullable(),
  userData: z.string().nullable().describe('base64, as the client sent it'),
  configDrive: z.boolean(),
  requestedZone: z.string().nullable(), availabilityZone: z.string().nullable(),
  hostId: HostId.nullable(), hostName: z.string().nullable(),
  /** What of its host is claimed for it, CPU by CPU; null: it floats. Absent: of a list, or an older service. */
  layout: Layout.nullable().optional(),
  /** Its devices, and how each stands. Absent: it has none, of a list, or an older service. */
  devices: z.array(ServerDevice).max(192).optional(),
  /** The server group it is in. */
  groupId: z.uuid().nullable().default(null),
  reservationId: z.string(), launchIndex: z.int(), locked: z.boolean(), lockedReason: z.string().nullable(),
  /** A rebuild was asked for and is not done yet. */
  rebuilding: z.boolean(),
  /** A move under way, and how far it is; null: none. */
  moveKind: MoveKind.nullable(), movePhase: MovePhase.nullable(),
  observedState: ObservedState.nullable(), observedGeneration: z.int(), observedRebootCount: z.int(),
  step: z.string(),
  fault: Fault.nullable(),
  createdAt: Timestamp, updatedAt: Timestamp, launchedAt: Timestamp.nullable(), terminatedAt: Timestamp.nullable(),
});
export type InstanceView = z.output<typeof InstanceView>;

export const createServers = defineContract({
  subject: 'svc.compute.servers.create',
  input: z.object({
    caller: Caller,
    /** Made by the asker, one per server: a repeat with the same ids is harmless. */
    instanceIds: z.array(InstanceId).min(1).max(200),
    minCount: z.int().min(1),
    name: z.string().min(1).max(255), hostname: z.string().max(255).nullable(), description: z.string().max(255).nullable(),
    flavorId: z.string(), imageId: ImageId, keyName: z.string().nullable(), userData: z.string().max(65_535).nullable(),
    metadata: z.record(z.string(), z.string()), tags: z.array(z.string()),
    availabilityZone: z.string().nullable(), requestedHost: z.string().nullable(), reservationId: z.string(),
    /** The server group they join. */
    groupId: z.uuid().nullable().default(null),
    /** Beside, or away from, which servers. */
    hints: Hints.nullable().default(null),
  }),
  output: z.object({ instances: z.array(InstanceView) }),
  timeoutMs: 10_000,
});

/** An InstanceView. A thousand of them are not checked one by one: that costs more than reading them does. */
const ListedInstance = z.any().meta({ description: 'An InstanceView' }) as unknown as typeof InstanceView;
const ListedTags = z.array(z.string().max(255)).min(1).max(50);
export const ServerPatternField = z.enum([
  'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at', 'description', 'hostname', 'kernel_id', 'key_name', 'launch_index', 'launched_at',
  'locked_by', 'name', 'node', 'power_state', 'progress', 'ramdisk_id', 'reservation_id', 'root_device_name', 'terminated_at',
]);
export type ServerPatternField = z.output<typeof ServerPatternField>;

/**
 * Status words are OpenStack's; the owner turns them into the derived predicate. An answer may have fewer than `limit` though
 * there are `more` (it has to fit a message): whoever wants all of them goes on after the last one.
 */
export const listServers = defineContract({
  subject: 'svc.compute.servers.list',
  input: z.object({
    caller: Caller,
    /** null: all projects (admins only). */
    projectId: z.string().nullable(),
    filters: z.object({
      /** Regular expression, as Nova's. */
      name: z.string().max(255).optional(),
      status: z.array(z.string()).max(20).optional(), imageId: z.string().optional(), flavorId: z.string().optional(), hostName: z.string().optional(),
      userId: z.string().optional(), keyName: z.string().optional(), availabilityZone: z.string().optional(), id: z.string().optional(), reservationId: z.string().optional(),
      changesSince: Timestamp.optional(), changesBefore: Timestamp.optional(), deleted: z.boolean().optional(), locked: z.boolean().optional(),
      vmState: z.array(z.string()).max(20).optional(), taskState: z.array(z.string()).max(20).optional(),
      /** All of them; one of them; not all of them; none of them. */
      tags: ListedTags.optional(), tagsAny: ListedTags.optional(), notTags: ListedTags.optional(), notTagsAny: ListedTags.optional(),
      /** Regular expressions on what Nova calls these columns. */
      matching: z.partialRecord(ServerPatternField, z.string().max(255)).optional(),
    }),
    sort: z.array(z.object({ key: z.string(), direction: z.enum(['asc', 'desc']) })).max(5),
    limit: z.int().min(1).max(1000), marker: z.string().optional(),
    /** false: their user data is null in the answer, whatever they have. */
    withUserData: z.boolean().default(true),
    /** true: the answer need not have more of a server than its id and its name. */
    namesOnly: z.boolean().default(false),
  }),
  output: z.object({ instances: z.array(ListedInstance), more: z.boolean() }),
  timeoutMs: 10_000,
  handedOver: true,
});

const ById = z.object({ caller: Caller, instanceId: InstanceId });

export const getServer = defineContract({ subject: 'svc.compute.servers.get', input: ById, output: InstanceView, timeoutMs: 5_000 });
export const deleteServer = defineContract({ subject: 'svc.compute.servers.delete', input: ById, output: z.object({}), timeoutMs: 5_000 });
export const updateServer = defineContract({ subject: 'svc.compute.servers.update', input: ById.extend({ name: z.string().min(1).max(255).optional(), description: z.string().max(255).nullable().optional(), hostname: z.string().max(255).optional() }), output: InstanceView, timeoutMs: 5_000 });
export const startServer = defineContract({ subject: 'svc.compute.servers.start', input: ById, output: z.object({}), timeoutMs: 5_000 });
export const stopServer = defineContract({ subject: 'svc.compute.servers.stop', input: ById, output: z.object({}), timeoutMs: 5_000 });
export const rebootServer = defineContract({ subject: 'svc.compute.servers.reboot', input: ById.extend({ type: z.enum(['soft', 'hard']) }), output: z.object({}), timeoutMs: 5_000 });
export const getConsoleLog = defineContract({ subject: 'svc.compute.servers.console-log', input: ById.extend({ lines: z.int().min(0).optional() }), output: z.object({ output: z.string() }), timeoutMs: 8_000 });

/** Everything that is known, for `skylite inspect server ID` (admins). */
export const inspectServer = defineContract({
  subject: 'svc.compute.servers.inspect',
  input: ById,
  output: z.object({
    instance: InstanceView,
    step: z.string(), waitingFor: z.string().nullable(), attempts: z.int(), reconcileAt: Timestamp.nullable(), lastError: z.string().nullable(),
    placement: PlacementExplanation.nullable(),
    events: z.array(z.object({ at: Timestamp, kind: z.string(), message: z.string(), requestId: z.string().nullable() })),
    host: z.record(z.string(), z.unknown()).nullable(),
    hostError: z.string().nullable(),
  }),
  timeoutMs: 8_000,
});

export const FlavorSortKey = z.enum([
  'created_at', 'description', 'disabled', 'ephemeral_gb', 'flavorid', 'id', 'is_public', 'memory_mb', 'name', 'root_gb', 'rxtx_factor', 'swap', 'updated_at', 'vcpu_weight', 'vcpus',
]);
export type FlavorSortKey = z.output<typeof FlavorSortKey>;
export const listFlavors = defineContract({ subject: 'svc.compute.flavors.list', input: z.object({ caller: Caller, isPublic: z.boolean().nullable(), minDiskGib: z.int().optional(), minRamMib: z.int().optional(), sortKey: FlavorSortKey.default('flavorid'), sortDirection: z.enum(['asc', 'desc']).default('asc'), limit: z.int().min(1).max(1000), marker: z.string().optional() }), output: z.object({ flavors: z.array(Flavor), more: z.boolean() }), timeoutMs: 5_000 });
export const getFlavor = defineContract({ subject: 'svc.compute.flavors.get', input: z.object({ caller: Caller, flavorId: z.string().max(255) }), output: Flavor, timeoutMs: 5_000 });
export const createFlavor = defineContract({ subject: 'svc.compute.flavors.create', input: z.object({ caller: Caller, flavor: Flavor }), output: Flavor, timeoutMs: 5_000 });
export const deleteFlavor = defineContract({ subject: 'svc.compute.flavors.delete', input: z.object({ caller: Caller, flavorId: z.string().max(255) }), output: z.object({}), timeoutMs: 5_000 });

export const Keypair = z.object({ id: z.int(), userId: z.string(), name: z.string(), type: z.enum(['ssh', 'x509']), fingerprint: z.string(), publicKey: z.string(), createdAt: Timestamp });
export type Keypair = z.output<typeof Keypair>;
export const createKeypair = defineContract({ subject: 'svc.compute.keypairs.create', input: z.object({ caller: Caller, /** Whose it is to be; absent: the caller's. */ userId: z.string().min(1).max(64).optional(), name: z.string().min(1).max(255), type: z.enum(['ssh', 'x509']), publicKey: z.string().max(16_384).nullable() }), output: z.object({ keypair: Keypair, /** Only when made here; never kept. */ privateKey: z.string().nullable() }), timeoutMs: 10_000 });
export const listKeypairs = defineContract({ subject: 'svc.compute.keypairs.list', input: z.object({ caller: Caller, userId: z.string(), limit: z.int().min(1).max(1000), marker: z.string().optional() }), output: z.object({ keypairs: z.array(Keypair), more: z.boolean() }), timeoutMs: 5_000 });
export const getKeypair = defineContract({ subject: 'svc.compute.keypairs.get', input: z.object({ caller: Caller, userId: z.string(), name: z.string() }), output: Keypair, timeoutMs: 5_000 });
export const deleteKeypair = defineContract({ subject: 'svc.compute.keypairs.delete', input: z.object({ caller: Caller, userId: z.string(), name: z.string() }), output: z.object({}), timeoutMs: 5_000 });

/** What the project uses now, for limits and quotas. */
export const getUsage = defineContract({ subject: 'svc.compute.usage.get', input: z.object({ caller: Caller, projectId: z.string() }), output: z.object({ instances: z.int(), cores: z.int(), ramMib: z.int(), keypairs: z.int(), serverGroups: z.int().default(0) }), timeoutMs: 5_000 });
