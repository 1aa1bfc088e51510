import { z } from 'zod';
import { has } from '#libs/openstack';
import { integer, many, name, nonNegative } from '../../http/input-types.js';
import { versioned } from '../../http/read-input.js';

const HARD = ['anti-affinity', 'affinity'] as const;
const ALL = [...HARD, 'soft-anti-affinity', 'soft-affinity'] as const;

/** A list of one policy before 2.64; then one policy, and rules for it. */
export const CreateServerGroupBody = versioned((version) => z.strictObject({
  server_group: has(version, 'server-group.rules')
    ? z.strictObject({ name, policy: z.enum(ALL), rules: z.strictObject({ max_server_per_host: integer(1).optional() }).optional() })
    : z.strictObject({ name, policies: z.array(z.enum(has(version, 'server-group.soft-policies') ? ALL : HARD)).min(1).max(1) }),
}));

export const ListServerGroupsQuery = z.object({ all_projects: many, limit: nonNegative, offset: nonNegative }).partial();
