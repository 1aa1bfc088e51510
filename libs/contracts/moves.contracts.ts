import { z } from 'zod';
import { MoveKind } from './compute.contracts.js';
import { Caller, HostId, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

/**
 * Moves of a server: resize, cold migrate, evacuate. Each request writes one row with phases and answers; the loop does the
 * rest. What cannot be done any more at its phase is refused as Nova refuses it.
 */
const ById = z.object({ caller: Caller, instanceId: InstanceId });
const Nothing = z.object({});

export const resizeServer = defineContract({ subject: 'svc.compute.servers.resize', input: ById.extend({ flavorId: z.string().max(255) }), output: Nothing, timeoutMs: 10_000 });
/** host: a name; null: placement chooses. Never the host where it is. */
export const migrateServer = defineContract({ subject: 'svc.compute.servers.migrate', input: ById.extend({ host: z.string().max(255).nullable() }), output: Nothing, timeoutMs: 10_000 });
export const confirmResize = defineContract({ subject: 'svc.compute.servers.confirm-resize', input: ById, output: Nothing, timeoutMs: 5_000 });
export const revertResize = defineContract({ subject: 'svc.compute.servers.revert-resize', input: ById, output: Nothing, timeoutMs: 5_000 });
/** Rebuilds on another host what a fenced host had; refused while that host is not fenced. stopped: it stays off there (as from 2.95 on). */
export const evacuateServer = defineContract({ subject: 'svc.compute.servers.evacuate', input: ById.extend({ host: z.string().max(255).nullable(), stopped: z.boolean().default(false) }), output: Nothing, timeoutMs: 10_000 });

export const MigrationView = z.object({
  id: z.int(), uuid: z.uuid(), instanceId: InstanceId, projectId: z.string(), userId: z.string(),
  kind: MoveKind,
  /** Nova's word: queued, pre-migrating, migrating, post-migrating, finished, confirming, confirmed, reverting, reverted, done, error, failed. */
  status: z.string(),
  sourceHost: z.object({ id: HostId, name: z.string() }), destinationHost: z.object({ id: HostId, name: z.string() }).nullable(),
  oldFlavor: z.object({ id: z.string(), name: z.string() }), newFlavor: z.object({ id: z.string(), name: z.string() }),
  error: z.string().nullable(), createdAt: Timestamp, updatedAt: Timestamp,
});
export type MigrationView = z.output<typeof MigrationView>;

/** Newest first. Admins only, but for one server's own. */
export const listMigrations = defineContract({
  subject: 'svc.compute.migrations.list',
  input: z.object({
    caller: Caller,
    filters: z.object({
      instanceId: z.string().optional(), status: z.string().optional(), kind: MoveKind.optional(), host: z.string().optional(), sourceHost: z.string().optional(),
      projectId: z.string().optional(), userId: z.string().optional(), changesSince: Timestamp.optional(), changesBefore: Timestamp.optional(), open: z.boolean().optional(),
    }),
    limit: z.int().min(1).max(1000),
    /** A migration's uuid. */
    marker: z.uuid().optional(),
  }),
  output: z.object({ migrations: z.array(MigrationView), more: z.boolean() }),
  timeoutMs: 5_000,
});

/**
 * The door asks, when a host comes for a disk with the key it was told: which host has it? Refused (forbidden) when the key is
 * wrong or the move is not waiting for a disk any more.
 */
export const openDiskTransfer = defineContract({
  subject: 'svc.compute.disk-transfers.open',
  input: z.object({ transferId: z.uuid(), key: z.string().max(200) }),
  output: z.object({ sourceHostId: HostId, instanceId: InstanceId }),
  timeoutMs: 5_000,
});

/** Where disks pass through the door; the transfer's id follows. Hosts GET from there, and PUT to its `/content`. */
export const DISK_TRANSFER_PATH = '/v1/disk-transfers/';
/** The answer's header that says how many bytes the whole disk file has; its SHA-512 (64 bytes) follows the last of them. */
export const DISK_BYTES_HEADER = 'x-skylite-disk-bytes';

/**
 * Asked of the source host: send the disk of a guest that is off, from `offset`, and then the SHA-512 of the whole file, to this
 * address of the door. Answers at once. `conflict`: the guest is not off, or is being worked on; `unavailable`: too many at once.
 */
export const sendDisk = defineContract({
  subject: 'ask.{hostId}.send-disk',
  input: z.object({ instanceId: InstanceId, transferId: z.uuid(), offset: z.int().min(0), /** http or https, below DISK_TRANSFER_PATH. */ uploadUrl: z.url().max(500), uploadKey: z.string().max(200) }),
  output: z.object({ sizeBytes: z.int() }),
  timeoutMs: 5_000,
});
