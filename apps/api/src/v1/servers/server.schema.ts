import { z } from 'zod';
import { AttachmentState, ClaimedDevice, DeviceAttachment, DeviceNeed, DeviceState, InstanceId, PciAddress } from '#libs/contracts';

const device = ClaimedDevice.shape;

/** A server's device as its project knows it. attachment null: it came with the flavor. reason: what it waits for. */
export const TenantDevice = z.object({
  class: device.className, tag: z.string().nullable(), mac: device.mac, vlan: device.vlan, physicalNetwork: device.physicalNetwork,
  attachment: z.uuid().nullable(), state: AttachmentState, reason: z.string().nullable(),
});
/** Which one of its host it is, and at which hold, and how it is now (null: not heard of): for admins. */
export const HostSideOfDevice = z.object({
  id: device.deviceId, identity: device.identity, generation: device.generation, numaNode: device.numaNode, attach: device.attach,
  address: PciAddress.nullable(), state: DeviceState.nullable(), reason: z.string().nullable(),
});
const Devices = z.array(TenantDevice.extend({ on: HostSideOfDevice.optional() }));

export const ServerAnswer = z.object({
  server: z.object({
    id: InstanceId, name: z.string(), projectId: z.string(), intent: z.string(), step: z.string(), availabilityZone: z.string().nullable(),
    /** For admins. */
    host: z.string().nullable().optional(),
    devices: Devices,
  }),
});

/** An attachment as people see it. */
const Attachment = z.object({
  id: z.uuid(), class: device.className, count: z.int(), tag: z.string().nullable(), vlan: z.int().nullable(), numa_policy: DeviceNeed.shape.numaPolicy.unwrap(),
  state: AttachmentState, reason: z.string().nullable(), created_at: DeviceAttachment.shape.createdAt,
});
export const AttachmentsAnswer = z.object({ attachments: z.array(Attachment) });
export const ServerDevicesAnswer = z.object({ devices: Devices, attachments: z.array(Attachment) });

export const AttachBody = z.strictObject({
  class: device.className, count: z.int().min(1).max(32).default(1), vlan: z.int().min(1).max(4094).nullable().default(null),
  tag: z.string().regex(/^[A-Za-z0-9_.-]{1,60}$/).nullable().default(null), numa_policy: DeviceNeed.shape.numaPolicy,
});
export type AttachBody = z.output<typeof AttachBody>;

export const attachmentForPeople = ({ id, className, count, tag, vlan, numaPolicy, state, reason, createdAt }: DeviceAttachment) =>
  ({ id, class: className, count, tag, vlan, numa_policy: numaPolicy, state, reason, created_at: createdAt });
