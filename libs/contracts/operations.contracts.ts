import { z } from 'zod';
import { InstanceView } from './compute.contracts.js';
import { Caller, ImageId, InstanceId } from './common.js';
import { defineContract } from './contract.js';

/** What people ask of a server beside start, stop and reboot. Each is a level written in one statement; repeats are harmless. */
const ById = z.object({ caller: Caller, instanceId: InstanceId });
const Nothing = z.object({});
const level = (name: string) => defineContract({ subject: `svc.compute.servers.${name}`, input: ById, output: Nothing, timeoutMs: 5_000 });

export const pauseServer = level('pause');
export const unpauseServer = level('unpause');
export const suspendServer = level('suspend');
export const resumeServer = level('resume');
export const unlockServer = level('unlock');
/** Admins and owners alike; a lock is no hindrance to an admin. */
export const forceDeleteServer = level('force-delete');
export const lockServer = defineContract({ subject: 'svc.compute.servers.lock', input: ById.extend({ reason: z.string().max(255).nullable() }), output: Nothing, timeoutMs: 5_000 });
/** Admins: takes an ERROR away or puts one on; the loop looks at the server anew. */
export const resetServerState = defineContract({ subject: 'svc.compute.servers.reset-state', input: ById.extend({ state: z.enum(['active', 'error']) }), output: Nothing, timeoutMs: 5_000 });

/** Keeps id, host and claim; the root disk is made anew. Absent fields stay as they are, null takes away. */
export const rebuildServer = defineContract({
  subject: 'svc.compute.servers.rebuild',
  input: ById.extend({
    imageId: ImageId, name: z.string().min(1).max(255).optional(), description: z.string().max(255).nullable().optional(),
    metadata: z.record(z.string(), z.string()).optional(), keyName: z.string().nullable().optional(), userData: z.string().max(65_535).nullable().optional(),
    hostname: z.string().max(255).optional(),
  }),
  output: InstanceView,
  timeoutMs: 10_000,
});

/** `replace`: these and no others; otherwise they are added to what is there. Answers all that are there then. */
export const setServerMetadata = defineContract({
  subject: 'svc.compute.servers.set-metadata',
  input: ById.extend({ metadata: z.record(z.string().min(1).max(255), z.string().max(255)), replace: z.boolean() }),
  output: z.object({ metadata: z.record(z.string(), z.string()) }),
  timeoutMs: 5_000,
});
/** not-found when the key is not there. */
export const deleteServerMetadata = defineContract({ subject: 'svc.compute.servers.delete-metadata', input: ById.extend({ key: z.string().max(255) }), output: Nothing, timeoutMs: 5_000 });

/** `replace`: these and no others. `added`: at least one was not there before. */
export const setServerTags = defineContract({
  subject: 'svc.compute.servers.set-tags',
  input: ById.extend({ tags: z.array(z.string().min(1).max(60)).max(50), replace: z.boolean() }),
  output: z.object({ tags: z.array(z.string()), added: z.boolean() }),
  timeoutMs: 5_000,
});
/** `tag: null`: all of them. not-found when the tag is not there. */
export const deleteServerTag = defineContract({ subject: 'svc.compute.servers.delete-tags', input: ById.extend({ tag: z.string().max(60).nullable() }), output: Nothing, timeoutMs: 5_000 });
