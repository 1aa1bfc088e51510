import { z } from 'zod';
import { createEnrolToken, HostView, inspectServer, joinHost, TimelineEntry } from '#libs/contracts';
import { LIMITS } from '../limits.js';

export const VersionAnswer = z.strictObject({ name: z.literal('skylite'), version: z.literal('v1'), region: z.string(), links: z.record(z.string(), z.url()) });

const zone = z.string().min(1).max(255).regex(/^[^:\s](?:[^:]*[^:\s])?$/, 'A zone has no colon, and no space at either end.');

export const EnrolTokensBody = z.strictObject({
  count: z.int().min(1).max(LIMITS.enrolTokens).default(1),
  availabilityZone: zone.default('nova'),
  /** Such hosts take only servers that name their zone. */
  onlyWhenAsked: z.boolean().default(false),
  simulated: z.boolean().default(false),
  ttlS: z.int().min(30).max(7 * 86_400).default(3_600),
});
export const EnrolTokensAnswer = createEnrolToken.output;

export const JoinBody = joinHost.input;
export const JoinAnswer = joinHost.output;

export const UpdateHostBody = z.strictObject({ enabled: z.boolean(), disabledReason: z.string().min(1).max(255).nullable().optional() })
  .refine(({ enabled, disabledReason }) => !enabled || disabledReason === undefined || disabledReason === null, { error: 'A host that is enabled has no disabledReason.' });
export const HostAnswer = z.object({ host: HostView });
export const HostList = z.object({ hosts: z.array(HostView) });

export const InspectAnswer = inspectServer.output;
/** `kind`: `server`, or `server.launched`; several with commas. `project`: another’s only for admins, who hear of all without it. */
export const EventsQuery = z.object({ kind: z.array(z.string().min(1).max(1_000).regex(/^[a-z.,-]+$/)), project: z.array(z.string().min(1).max(64)) }).partial();

export const TimelineAnswer = z.object({ timeline: z.array(TimelineEntry), more: z.boolean() });
