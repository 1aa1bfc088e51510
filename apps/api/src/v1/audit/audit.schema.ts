import { z } from 'zod';
import { AuditRecord } from '#libs/contracts';
import { LIMITS } from '../../limits.js';

const text = z.string().min(1).max(255);
/** A day (its beginning, in UTC) or a time with its offset. */
const when = z.union([z.iso.date(), z.iso.datetime({ offset: true })]).transform((value) => new Date(value).toISOString());

/** What must hold of a record; `order=commits` is for whoever follows the trail from `marker` to `marker`. */
export const AuditQuery = z.strictObject({
  user: text.optional(), project: text.optional(), domain: text.optional(), service: text.optional(), action: text.optional(), outcome: AuditRecord.shape.outcome.optional(),
  kind: text.optional(), target: text.optional(), address: text.optional(), request: text.optional(), since: when.optional(), before: when.optional(),
  order: z.enum(['newest', 'commits']).default('newest'), marker: z.string().regex(/^\d{1,20}(\.\d{1,19})?$/, 'A marker is what `next` said.').optional(),
  limit: z.string().regex(/^\d{1,6}$/).transform(Number).pipe(z.int().min(1).max(LIMITS.auditRecords)).default(100),
  format: z.enum(['json', 'jsonl']).default('json'),
});
export type AuditQuery = z.output<typeof AuditQuery>;

export const AuditAnswer = z.object({ records: z.array(AuditRecord), next: z.string().nullable(), more: z.boolean() });
