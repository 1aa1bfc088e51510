import { z } from 'zod';
import { Caller, HostId, InstanceId, Timestamp } from './common.js';
import { defineContract, defineHint } from './contract.js';
import { DeviceNeed } from './device.contracts.js';
import { HostInventory, VirtType } from './host.contracts.js';
import { GroupWish, Hints, Layout, Needs } from './placement.contracts.js';

/** Why hosts fell out, in the order the filters ran. Admins see hosts; tenants counts and reasons. */
export const PlacementExplanation = z.object({
  hostsConsidered: z.int(),
  snapshotAt: Timestamp,
  filters: z.array(z.object({
    name: z.string(),
    /** How many hosts this filter refused, of those that reached it. */
    refused: z.int(),
    /** One sentence for people, with numbers: "8 hosts have less than 4096 MiB free (most: 1024)". */
    reason: z.string(),
    hosts: z.array(z.object({ name: z.string(), needed: z.union([z.number(), z.string()]), free: z.union([z.number(), z.string()]) })).max(100),
  })),
  /** The host that would need the least to change, and all that stands in its way. Admins only. Left out: there was none, or a host was found. */
  nearest: z.object({ name: z.string(), blockers: z.array(z.object({ filter: z.string(), needed: z.union([z.number(), z.string()]), free: z.union([z.number(), z.string()]) })) }).optional(),
});
export type PlacementExplanation = z.output<typeof PlacementExplanation>;

export const ClaimPurpose = z.enum(['run', 'move']);

export const ClaimRequest = z.object({
  instanceId: InstanceId,
  /** The instance's spec generation: with the id, the key of the claim. A claim at or below a tombstone is `stale`. */
  generation: z.int().min(1),
  projectId: z.string(),
  vcpus: z.int().min(1), memoryMib: z.int().min(1), diskGib: z.int().min(0),
  /** null: the default zones (those that are not used only when asked for). */
  availabilityZone: z.string().nullable(),
  /** `zone:host` form; admins only. */
  requestedHost: z.string().nullable(),
  /** `move`: a second claim beside the one that is held, for the destination of a move. */
  purpose: ClaimPurpose.default('run'),
  /** Never these hosts (where it is already, where something of it may be left). */
  notHosts: z.array(HostId).max(100).default([]),
  /** Database time of the request: it is refused only from a snapshot newer than this. */
  requestedAt: Timestamp,
  /** What it needs besides amounts; null: nothing. */
  needs: Needs.nullable().default(null),
  hints: Hints.nullable().default(null),
  group: GroupWish.nullable().default(null),
  /** SHA-512 of its image: hosts that have it are preferred. Left out: nobody knows. */
  image: z.string().max(128).optional(),
});
export type ClaimRequest = z.output<typeof ClaimRequest>;

/** Idempotent by (instanceId, generation): a repeat gets the same host. */
export const claimHost = defineContract({
  subject: 'svc.scheduler.claims.claim',
  input: ClaimRequest,
  output: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('claimed'), hostId: HostId, hostName: z.string(), availabilityZone: z.string(), /** null: it floats. */ layout: Layout.nullable().default(null), /** Which hosts fell out where, without their numbers; null: it was claimed before. */ explanation: PlacementExplanation.nullable().optional() }),
    z.object({ outcome: z.literal('refused'), explanation: PlacementExplanation }),
  ]),
  timeoutMs: 10_000,
});

/** How the build of a server ended on its host: a host on which builds keep failing is left out for a while. Lost ones do not matter. */
export const buildEnded = defineHint({ subject: 'svc.scheduler.hosts.build-ended', payload: z.object({ hostId: HostId, good: z.boolean() }) });

/** From one scheduler to the others: I am there. Who is not heard for a while is forgotten; lost ones do not matter. */
export const schedulerHere = defineHint({ subject: 'svc.scheduler.peers.here', payload: z.object({ id: z.string().max(64) }) });

/** Frees the claim and leaves a tombstone at `generation`. Idempotent; releasing nothing still leaves the tombstone. */
export const releaseClaim = defineContract({
  subject: 'svc.scheduler.claims.release',
  input: z.object({
    instanceId: InstanceId, generation: z.int(),
    /** run, move, or the name under which `settleMove` kept an old claim. */
    purpose: z.string().min(1).max(100).default('run'),
  }),
  output: z.object({ released: z.boolean() }),
  timeoutMs: 10_000,
});

/**
 * Ends a move: the claim for `move` becomes the one for `run`, in one statement. The old one is released, or (a fenced host that
 * has not proved absence) kept under the name `keepOldAs`. Idempotent by (instanceId, generation of the move's claim).
 */
export const settleMove = defineContract({
  subject: 'svc.scheduler.claims.settle-move',
  input: z.object({ instanceId: InstanceId, generation: z.int().min(1), keepOldAs: z.string().min(1).max(100).nullable() }),
  /** already: it had been settled before, perhaps with an old claim that was kept. Left out: an older scheduler, which does not say. */
  output: z.object({ already: z.boolean().optional() }),
  timeoutMs: 10_000,
});

/**
 * Of the claim that a server runs by, and which. `hostId`: where the asker believes it to be; it is on another one, or nowhere: `stale`. (Not the claim's
 * generation: after a rebuild, or a move that went back, the server counts higher than the claim that it has.)
 */
const DevicesOf = z.object({ instanceId: InstanceId, hostId: HostId, attachment: z.uuid() });

/**
 * More devices for the claim that a server runs by, on its own host and all of them or none: the claim's layout gets longer. Idempotent by
 * attachment; one that was released before is `conflict`. Refused as a claim is, of that host alone.
 */
export const claimDevices = defineContract({
  subject: 'svc.scheduler.claims.claim-devices',
  input: DevicesOf.extend({ need: DeviceNeed }),
  output: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('claimed'), /** Whole, as it is now. */ layout: Layout }),
    z.object({ outcome: z.literal('refused'), explanation: PlacementExplanation }),
  ]),
  timeoutMs: 10_000,
});

/** Takes an attachment's devices out of the claim: they are its host's to clean. Only with the host's proof that the domain has them no more. Idempotent. */
export const releaseDevices = defineContract({
  subject: 'svc.scheduler.claims.release-devices',
  input: DevicesOf,
  output: z.object({ /** What is left; null: it floats. */ layout: Layout.nullable() }),
  timeoutMs: 10_000,
});

export const HostView = z.object({
  id: HostId,
  /** Small stable integer for Nova's old hypervisor and service ids. */
  number: z.int(),
  name: z.string(),
  availabilityZone: z.string(),
  enabled: z.boolean(),
  disabledReason: z.string().nullable(),
  /** Beats arrive and its libvirt answers. */
  alive: z.boolean(),
  hypervisorUp: z.boolean(),
  lastSeenAt: Timestamp.nullable(),
  simulated: z.boolean(),
  virtType: VirtType.nullable(),
  agentVersion: z.string().nullable(),
  capabilities: z.array(z.string()),
  inventory: HostInventory.nullable(),
  used: z.object({ vcpus: z.int(), memoryMib: z.int(), diskGib: z.int(), instances: z.int() }),
  ratios: z.object({ cpu: z.number(), ram: z.number(), disk: z.number() }),
  bootId: z.string().nullable(),
  epoch: z.int(),
  updatedAt: Timestamp,
  /** alive, lost, unresponsive (it beats, but commands do not come back), hypervisor-down, unknown; since when, and why. */
  condition: z.object({ state: z.string(), since: Timestamp.nullable(), reason: z.string() }).optional(),
  /** From the request of a fence until it is taken back. Nova's forced_down. */
  fenced: z.boolean().optional(),
  /** The incarnation of the database in which the host was found to agree with it; another one than ours: it only reports. */
  adoptedIncarnation: z.int().optional(),
  /** alone: after a boot it starts its servers by itself. leased: not before it has heard from the control plane. */
  restart: z.string().optional(),
});
export type HostView = z.output<typeof HostView>;

export const listHosts = defineContract({
  subject: 'svc.scheduler.hosts.list',
  /** `adoptedBefore`: only hosts that were adopted last in an incarnation before that one, and are not fenced. (An older scheduler does not read it.) */
  input: z.object({ name: z.string().optional(), id: HostId.optional(), adoptedBefore: z.int().optional(), limit: z.int().min(1).optional() }),
  output: z.object({ hosts: z.array(HostView) }),
  timeoutMs: 3_000,
});

/** forcedDown: Nova's word for a fence by the caller's statement (true), and for taking the host back (false). */
export const updateHost = defineContract({
  subject: 'svc.scheduler.hosts.update',
  input: z.object({ caller: Caller, hostId: HostId, enabled: z.boolean().optional(), disabledReason: z.string().max(255).nullable().default(null), forcedDown: z.boolean().optional() }),
  output: HostView,
  timeoutMs: 3_000,
});

export const listZones = defineContract({
  subject: 'svc.scheduler.zones.list',
  input: z.object({}),
  output: z.object({ zones: z.array(z.object({ name: z.string(), available: z.boolean(), onlyWhenAsked: z.boolean(), hosts: z.array(z.object({ name: z.string(), alive: z.boolean(), enabled: z.boolean(), lastSeenAt: Timestamp.nullable() })) })) }),
  timeoutMs: 3_000,
});

/** A one-time token that lets one machine become a host. Only its hash is kept. */
export const createEnrolToken = defineContract({
  subject: 'svc.scheduler.enrol-tokens.create',
  input: z.object({ caller: Caller, availabilityZone: z.string().max(255), onlyWhenAsked: z.boolean(), simulated: z.boolean(), ttlS: z.int().min(30).max(7 * 86_400), count: z.int().min(1).max(10_000) }),
  output: z.object({ tokens: z.array(z.string()), expiresAt: Timestamp }),
  timeoutMs: 5_000,
});

/** A machine becomes a host: its id is its own, its key is its own; back come its rights as a signed NATS user. */
export const joinHost = defineContract({
  subject: 'svc.scheduler.hosts.join',
  input: z.object({
    token: z.string().max(200), hostId: HostId, name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/),
    /** NATS public user nkey (`U…`); the private half never leaves the host. */
    publicNkey: z.string().regex(/^U[A-Z2-7]{55}$/),
    simulated: z.boolean(), protocol: z.object({ min: z.int(), max: z.int() }), agentVersion: z.string().max(64),
  }),
  output: z.object({ hostId: HostId, cellId: z.string(), cloudId: z.uuid(), natsUrls: z.array(z.string()), natsUserJwt: z.string(), availabilityZone: z.string() }),
  timeoutMs: 5_000,
});
