import { z } from 'zod';
import { Caller, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

/** A server that ran at some time of a period, gone or not. */
export const ServerUsage = z.object({
  id: InstanceId, projectId: z.string(), name: z.string(), flavorName: z.string(), vcpus: z.int(), ramMib: z.int(), diskGib: z.int(),
  /** OpenStack's vm_state now. */
  vmState: z.string(), launchedAt: Timestamp, terminatedAt: Timestamp.nullable(),
});
export type ServerUsage = z.output<typeof ServerUsage>;

/** By project and id. projectId null: all projects (admins only). */
export const listServerUsages = defineContract({
  subject: 'svc.compute.usage.list-servers',
  input: z.object({ caller: Caller, projectId: z.string().nullable(), from: Timestamp, to: Timestamp, limit: z.int().min(1).max(1000), marker: z.string().max(64).optional() }),
  output: z.object({ usages: z.array(ServerUsage) }), timeoutMs: 10_000,
});
