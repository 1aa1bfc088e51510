import { z } from 'zod';
import { Caller, IdentityId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

export const AuditRecord = z.object({
  id: z.string(), at: Timestamp, service: z.string(), action: z.string().describe('noun:verb, mostly a policy rule without its service'),
  outcome: z.enum(['success', 'failure', 'denied']),
  userId: z.string().nullable(), userName: z.string().nullable(), projectId: z.string().nullable(), domainId: z.string().nullable(),
  targetKind: z.string().nullable(), targetId: z.string().nullable(), address: z.string().nullable(), requestId: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
});
export type AuditRecord = z.output<typeof AuditRecord>;

const text = z.string().min(1).max(255);
/** All that are given must hold. `action`: exactly that, or all of a noun (`users:`). */
export const AuditFilters = z.object({
  user: text.describe('id or name'), projectId: text, domainId: text, service: text, action: text, outcome: AuditRecord.shape.outcome,
  targetKind: text, targetId: text, address: text, requestId: text, since: Timestamp, before: Timestamp,
}).partial();
export type AuditFilters = z.output<typeof AuditFilters>;

/**
 * The audit trail, for admins. `newest` first; or in the order of `commits`, never beyond the oldest transaction that still runs, so that
 * whoever goes on from `next` again and again misses nothing. `next`: what to give as `marker`; null: that was all (never for `commits`
 * once there was anything).
 */
export const listAuditRecords = defineContract({
  subject: 'svc.identity.audit.list',
  input: z.object({
    caller: Caller, filters: AuditFilters, order: z.enum(['newest', 'commits']).default('newest'),
    marker: z.string().regex(/^\d{1,20}(\.\d{1,19})?$/).optional(), limit: z.int().min(1).max(1_000),
  }),
  output: z.object({ records: z.array(AuditRecord), next: z.string().nullable(), more: z.boolean() }),
  timeoutMs: 10_000, handedOver: true,
});

const Ref = z.object({ id: IdentityId, name: z.string().min(1).max(255), domain: z.object({ id: IdentityId, name: z.string().min(1).max(255) }).partial() }).partial();

/** May that user, with a token for that scope, do what that rule is about, and why (not)? Asked by admins about anybody, by others about themselves. */
export const explainPolicy = defineContract({
  subject: 'svc.identity.policy.explain',
  input: z.object({
    caller: Caller, rule: z.string().min(1).max(255), user: Ref,
    /** None of these: a token without scope. */
    scope: z.object({ project: Ref, domain: Ref.omit({ domain: true }), system: z.boolean() }).partial(),
    /** Whose the thing is; absent: the user's own. */
    target: z.object({ projectId: IdentityId, userId: IdentityId, domainId: IdentityId, roleNames: z.array(z.string().max(255)).max(20) }).partial().optional(),
  }),
  output: z.object({
    rule: z.string(), allowed: z.boolean(), because: z.string(),
    user: z.object({ id: z.string(), name: z.string(), domainId: z.string(), enabled: z.boolean() }),
    scope: z.object({ kind: z.enum(['project', 'domain', 'system', 'none']), id: z.string().nullable(), name: z.string().nullable() }),
    roles: z.array(z.object({ name: z.string(), through: z.string().describe('how the user comes to it') })),
    grants: z.array(z.object({ who: z.string(), holds: z.boolean(), missing: z.array(z.string()) })),
  }),
  timeoutMs: 5_000,
});
