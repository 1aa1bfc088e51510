import { z } from 'zod';
import { Caller, HostId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

/** One difference that a host sees now. */
export const DriftView = z.object({
  hostId: HostId, hostName: z.string().nullable(),
  /** As in DriftEntry. */
  kind: z.string(),
  /** Of the instance or domain. */
  id: z.string(), what: z.string(),
  /** By the host's clock, and by the database's. */
  since: Timestamp, firstSeenAt: Timestamp,
  /** `skylite clean` may be asked for it: no server of the cloud has anything to do with it. */
  orphan: z.boolean(),
});
export type DriftView = z.output<typeof DriftView>;

/** What differs on all hosts, or on one; the oldest first. */
export const listDrift = defineContract({
  subject: 'svc.compute.drift.list',
  input: z.object({ hostId: HostId.optional(), limit: z.int().min(1).max(1000).default(1000) }),
  output: z.object({ drift: z.array(DriftView), more: z.boolean() }),
  timeoutMs: 5_000,
});

/**
 * Has a host remove an orphan: a domain with this cloud's notes, or files, that belong to no server. `conflict` while a server of
 * this id is, or may be, on that host. Repeats are harmless.
 */
export const cleanOrphan = defineContract({
  subject: 'svc.compute.drift.clean',
  input: z.object({ caller: Caller, hostId: HostId, id: z.uuid(), /** Why it may go: recorded. */ statement: z.string().min(3).max(1000) }),
  output: z.object({}),
  timeoutMs: 5_000,
});

/**
 * Makes a server of an orphan domain, as its notes and its host's memory tell it. `conflict` while a server, a host or a removal knows
 * of it, or a host cannot be asked whether it does. Repeats are harmless.
 */
export const adoptOrphan = defineContract({
  subject: 'svc.compute.drift.adopt',
  input: z.object({ caller: Caller, hostId: HostId, id: z.uuid(), /** Why it is a server: recorded. */ statement: z.string().min(3).max(1000) }),
  output: z.object({}),
  timeoutMs: 10_000,
});
