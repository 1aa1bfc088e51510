import { z } from 'zod';
import { Caller, IdentityId } from './common.js';
import { defineContract } from './contract.js';

/** Limits by the name of what they limit, as unified limits name it (`servers`, `class:VCPU`, `image_size_total`). -1: none. */
export const ResourceLimits = z.record(z.string().min(1).max(255), z.int().min(-1).max(0x7fff_ffff));
export type ResourceLimits = z.output<typeof ResourceLimits>;

/** A service type as the catalog has it: `compute`, `image`. */
const ServiceType = z.string().min(1).max(255);

/** What a project may use of one service. A later generation of the same incarnation is newer. */
export const getLimits = defineContract({
  subject: 'svc.identity.limits.get',
  input: z.object({ projectId: IdentityId, service: ServiceType }),
  output: z.object({ limits: ResourceLimits, generation: z.int(), incarnation: z.int(), known: z.boolean().describe('there is such a project') }),
  timeoutMs: 2_000,
});

/** Gives a project limits of its own; those that are not named stay. */
export const setLimits = defineContract({
  subject: 'svc.identity.limits.set',
  input: z.object({ caller: Caller, projectId: IdentityId, service: ServiceType, limits: ResourceLimits }),
  output: z.object({ limits: ResourceLimits }),
  timeoutMs: 5_000,
});

/** Takes them away again: the project has the defaults. */
export const resetLimits = defineContract({
  subject: 'svc.identity.limits.reset',
  input: z.object({ caller: Caller, projectId: IdentityId, service: ServiceType }),
  output: z.object({}),
  timeoutMs: 5_000,
});

/** What projects have that were given nothing of their own; those that are not named stay. */
export const setDefaultLimits = defineContract({
  subject: 'svc.identity.limits.set-defaults',
  input: z.object({ caller: Caller, service: ServiceType, limits: ResourceLimits }),
  output: z.object({ limits: ResourceLimits }),
  timeoutMs: 5_000,
});
