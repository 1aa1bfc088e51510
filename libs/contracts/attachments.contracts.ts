/** Devices that come to a server and leave it while it is there. Each attachment is a level: a row that says what is wanted, and how far it is. */
import { z } from 'zod';
import { Caller, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';
import { DeviceClassName, DeviceIdentity, DeviceNumaPolicy } from './device.contracts.js';

export const AttachmentState = z.enum(['attaching', 'attached', 'detaching']);
export type AttachmentState = z.output<typeof AttachmentState>;

/** One wish for `count` devices, which come and go together. */
export const DeviceAttachment = z.object({
  id: z.uuid(), className: DeviceClassName, count: z.int().min(1),
  tag: z.string().nullable(), vlan: z.int().nullable(), numaPolicy: DeviceNumaPolicy.nullable(),
  state: AttachmentState,
  /** Why it is not there or not gone yet ("needs guest stop: …"), or why it is taken back; null: nothing hinders it. */
  reason: z.string().nullable(),
  createdAt: Timestamp,
});
export type DeviceAttachment = z.output<typeof DeviceAttachment>;

/** One device of a server. attachment null: it came with the flavor. */
export const ServerDevice = z.object({
  deviceId: z.uuid(), identity: DeviceIdentity, className: DeviceClassName, attachment: z.uuid().nullable(),
  state: AttachmentState, reason: z.string().nullable(),
  tag: z.string().nullable(), mac: z.string().nullable(), vlan: z.int().nullable(), physicalNetwork: z.string().nullable(),
  generation: z.int(), numaNode: z.int().nullable(), attach: z.enum(['interface', 'hostdev']),
});
export type ServerDevice = z.output<typeof ServerDevice>;

const ById = z.object({ caller: Caller, instanceId: InstanceId });
const Answer = z.object({ attachments: z.array(DeviceAttachment) });

/**
 * The id is made by the asker: the same again is answered, not made again. Refused with `conflict`: the server's state forbids it, its host has
 * none free (in numbers), its agent can't, or it has too many; quotas as at a create.
 */
export const attachDevices = defineContract({
  subject: 'svc.compute.servers.attach-devices',
  input: ById.extend({
    attachment: z.uuid(), className: DeviceClassName, count: z.int().min(1).max(32), tag: z.string().min(1).max(60).nullable().default(null),
    vlan: z.int().min(1).max(4094).nullable().default(null), numaPolicy: DeviceNumaPolicy.nullable().default(null),
  }),
  output: Answer, timeoutMs: 10_000,
});
/** `attachment`: its id. A device's id that came with the flavor: `conflict`. Repeats are harmless. */
export const detachDevices = defineContract({ subject: 'svc.compute.servers.detach-devices', input: ById.extend({ attachment: z.uuid() }), output: Answer, timeoutMs: 10_000 });
/** In the order of their places; attachments in the order they were made. */
export const listServerDevices = defineContract({ subject: 'svc.compute.servers.list-devices', input: ById, output: z.object({ devices: z.array(ServerDevice), attachments: z.array(DeviceAttachment) }), timeoutMs: 5_000 });
