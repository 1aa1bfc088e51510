import { z } from 'zod';
import { Caller, InstanceId } from './common.js';
import { defineContract } from './contract.js';

export const ServerGroupPolicy = z.enum(['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity']);
export type ServerGroupPolicy = z.output<typeof ServerGroupPolicy>;

export const ServerGroup = z.object({
  id: z.uuid(), projectId: z.string(), userId: z.string(), name: z.string(), policy: ServerGroupPolicy,
  /** Of anti-affinity: how many members one host may have; null: one. */
  maxServerPerHost: z.int().min(1).nullable(),
  /** Servers that are not deleted, oldest first. */
  members: z.array(InstanceId),
});
export type ServerGroup = z.output<typeof ServerGroup>;

const ById = z.object({ caller: Caller, groupId: z.uuid() });

/** The id is made by the asker: the same again is answered, not made again. */
export const createServerGroup = defineContract({
  subject: 'svc.compute.server-groups.create',
  input: ById.extend({ name: z.string().min(1).max(255), policy: ServerGroupPolicy, maxServerPerHost: z.int().min(1).nullable() }),
  output: ServerGroup, timeoutMs: 5_000,
});
/** In the order in which they were made. projectId null: all projects' (admins only). */
export const listServerGroups = defineContract({
  subject: 'svc.compute.server-groups.list',
  input: z.object({ caller: Caller, projectId: z.string().nullable(), offset: z.int().min(0), limit: z.int().min(1).max(1000) }),
  output: z.object({ groups: z.array(ServerGroup) }), timeoutMs: 5_000,
});
export const getServerGroup = defineContract({ subject: 'svc.compute.server-groups.get', input: ById, output: ServerGroup, timeoutMs: 5_000 });
/** Its servers stay; they are in no group then. */
export const deleteServerGroup = defineContract({ subject: 'svc.compute.server-groups.delete', input: ById, output: z.object({}), timeoutMs: 5_000 });
