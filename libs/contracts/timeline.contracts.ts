import { z } from 'zod';
import { Caller, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

/** One line of a server's history: a step of the loop, a wait with its reason, trouble, or something that was told. */
export const TimelineLine = z.object({
  name: z.string(), what: z.string().describe('step, wait, trouble or told'),
  startedAt: Timestamp, finishedAt: Timestamp.nullable().describe('null: not over yet'), durationMs: z.int().nullable(),
  outcome: z.enum(['success', 'error']).nullable(), ended: z.string().nullable().describe('what ended it: assigned, launched, error, …'),
  message: z.string(), detail: z.string().nullable().describe('for admins'), hostId: z.string().nullable(), hostName: z.string().nullable(),
});

/** What one request did to a server, from its asking to its end; or, without a request, what happened by itself. */
export const TimelineEntry = z.object({
  requestId: z.string().nullable(), action: z.string().describe('the word under which it was booked: create, stop, confirm-resize, …; by-itself'),
  userId: z.string().nullable(), projectId: z.string(),
  startedAt: Timestamp, updatedAt: Timestamp, finishedAt: Timestamp.nullable(), failed: z.boolean(),
  lines: z.array(TimelineLine),
});
export type TimelineEntry = z.output<typeof TimelineEntry>;

/**
 * The history of a server, newest first; also of a deleted one when `deletedToo`. Callers of other projects get not-found. Messages
 * that name hosts, and details, are for admins: the door leaves them out for others.
 */
export const readTimeline = defineContract({
  subject: 'svc.compute.timeline.read',
  input: z.object({
    caller: Caller, instanceId: InstanceId, deletedToo: z.boolean(),
    /** Only what one request did. */
    requestId: z.string().max(64).optional(),
    /** Only what people asked for, not what happened by itself. */
    requestsOnly: z.boolean().default(false),
    changesSince: Timestamp.optional(), changesBefore: Timestamp.optional(),
    /** After this request, in the order of the list. */
    marker: z.string().max(64).optional(),
    limit: z.int().min(0).max(1_000), withLines: z.boolean(),
  }),
  output: z.object({ entries: z.array(TimelineEntry), more: z.boolean() }),
  timeoutMs: 5_000,
});

/** A place in the order of commits: everything before it is known to the holder. */
export const ChangePosition = z.object({ xid: z.string().regex(/^\d{1,20}$/), id: z.string().regex(/^\d{1,19}$/) });
export type ChangePosition = z.output<typeof ChangePosition>;

export const Change = z.object({
  position: ChangePosition,
  kind: z.string().describe('what kind of thing changed: server'), id: z.string(), projectId: z.string(),
  what: z.string().describe('what happened to it: create, launched, error, …'), at: Timestamp, requestId: z.string().nullable(),
});
export type Change = z.output<typeof Change>;

/**
 * What changed after a position, in the order of commits and never beyond the oldest transaction that still runs: a commit that comes
 * late is never skipped. `after: null` gives no changes, only the position of now. `gone`: what came after the position is not
 * kept any more, or the database is another (restored): who asks must look at everything anew, and goes on from `upTo`.
 */
export const listChanges = defineContract({
  subject: 'svc.compute.changes.list',
  input: z.object({
    after: ChangePosition.extend({ incarnation: z.int() }).nullable(), limit: z.int().min(1).max(1_000),
    /** The position comes from outside (a client resumes): whether it can be gone on from is looked at. */
    resumes: z.boolean().default(false),
  }),
  output: z.object({ changes: z.array(Change), upTo: ChangePosition, incarnation: z.int(), more: z.boolean(), gone: z.boolean() }),
  timeoutMs: 5_000,
});
