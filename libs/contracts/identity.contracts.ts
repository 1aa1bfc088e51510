import { z } from 'zod';
import { IdentityId } from './common.js';
import { defineContract } from './contract.js';

/** Public keys that verify tokens (Ed25519 JWK). Two are valid while keys rotate. */
export const listTokenKeys = defineContract({
  subject: 'svc.identity.token-keys.list',
  input: z.object({}),
  output: z.object({ keys: z.array(z.object({ kid: z.string(), x: z.string().describe('base64url of the raw 32-byte public key') })) }),
  timeoutMs: 2_000,
});

/** -1 means no limit. The service that owns a resource counts its usage against its own copy. */
export const ProjectLimits = z.object({
  instances: z.int(), cores: z.int(), ramMib: z.int(), keypairs: z.int(), metadataItems: z.int(),
  serverGroups: z.int().default(10), serverGroupMembers: z.int().default(10),
});
export type ProjectLimits = z.output<typeof ProjectLimits>;

export const getProjectLimits = defineContract({
  subject: 'svc.identity.project-limits.get',
  input: z.object({ projectId: IdentityId }),
  output: z.object({ limits: ProjectLimits, generation: z.int() }),
  timeoutMs: 2_000,
});

/** What a project may use unless an admin said otherwise. */
export const getDefaultLimits = defineContract({
  subject: 'svc.identity.project-limits.get-defaults',
  input: z.object({}),
  output: z.object({ limits: ProjectLimits }),
  timeoutMs: 2_000,
});
