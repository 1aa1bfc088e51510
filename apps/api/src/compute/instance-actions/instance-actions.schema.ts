import { z } from 'zod';
import { has, type Microversion } from '#libs/openstack';
import { many, nonNegative } from '../../http/input-types.js';
import { versioned } from '../../http/read-input.js';

const MOMENT = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;
/** Without a zone it is UTC. */
export const momentOf = (text: string): Date => new Date(/^\d{4}-\d{2}-\d{2}$|(?:Z|[+-]\d{2}:?\d{2})$/.test(text) ? text : `${text}Z`);
/** Databases know no year 0, and a zone can push the last day into a year of five digits. */
const [FIRST_MS, LAST_MS] = ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'].map((text) => Date.parse(text)) as [number, number];
const isKnownTime = (ms: number): boolean => ms >= FIRST_MS && ms <= LAST_MS;
const moment = z.array(z.string().refine((text) => MOMENT.test(text) && isKnownTime(momentOf(text).getTime()), { error: (issue) => `'${String(issue.input).slice(0, 200)}' is not a 'date-time'` }));

export const ListActionsQuery = z.object({ limit: nonNegative, marker: many, 'changes-since': moment, 'changes-before': moment }).partial();
/** From 2.58 on these, and nothing else. Before, whatever a client sends is not looked at. */
export const listActionsQueryAt = versioned((version: Microversion) => (has(version, 'instance-action.paging')
  ? z.strictObject({
    limit: nonNegative.optional(), marker: many.optional(), 'changes-since': moment.optional(),
    ...(has(version, 'instance-action.changes-before') && { 'changes-before': moment.optional() }),
  })
  : z.object({})));

const Micros = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
const action = (version: Microversion) => ({
  action: z.string(), instance_uuid: z.uuid(), request_id: z.string().nullable(), user_id: z.string().nullable(), project_id: z.string(), start_time: Micros, message: z.string().nullable(),
  ...(has(version, 'instance-action.updated-at') && { updated_at: Micros }),
});
export const ActionList = versioned((version) => z.strictObject({
  instanceActions: z.array(z.strictObject(action(version))),
  ...(has(version, 'instance-action.paging') && { links: z.array(z.strictObject({ rel: z.literal('next'), href: z.url() })).optional() }),
}));
export const ActionAnswer = versioned((version) => z.strictObject({
  instanceAction: z.strictObject({
    ...action(version),
    events: z.array(z.strictObject({
      event: z.string(), start_time: Micros, finish_time: Micros.nullable(), result: z.enum(['Success', 'Error']).nullable(), traceback: z.string().nullable().optional(),
      ...(has(version, 'instance-action.host') && { hostId: z.string(), host: z.string().nullable().optional() }),
      ...(has(version, 'instance-action.details') && { details: z.string().nullable() }),
    })).optional(),
  }),
}));
