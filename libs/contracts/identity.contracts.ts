import { z } from 'zod';
import { IdentityId } from './common.js';
import { defineContract } from './contract.js';

/** Of compute; -1 means no limit. The service that owns a resource counts its usage against its own copy. */
export const ProjectLimits = z.object({
  instances: z.int(), cores: z.int(), ramMib: z.int(), keypairs: z.int(), metadataItems: z.int(),
  serverGroups: z.int().default(10), serverGroupMembers: z.int().default(10),
  /** By device class; one that is not named has no limit. */
  devices: z.record(z.string().max(63), z.int().min(-1)).optional(),
});
export type ProjectLimits = z.output<typeof ProjectLimits>;

export const getProjectLimits = defineContract({
  subject: 'svc.identity.project-limits.get',
  input: z.object({ projectId: IdentityId }),
  output: z.object({ limits: ProjectLimits, generation: z.int(), incarnation: z.int().optional(), known: z.boolean().optional().describe('there is such a project') }),
  timeoutMs: 2_000,
});

/** What a project may use unless an admin said otherwise. */
export const getDefaultLimits = defineContract({
  subject: 'svc.identity.project-limits.get-defaults',
  input: z.object({}),
  output: z.object({ limits: ProjectLimits }),
  timeoutMs: 2_000,
});
