import { z } from 'zod';
import { ClaimedDevice, DeviceState, InstanceId, PciAddress } from '#libs/contracts';

const device = ClaimedDevice.shape;

/** A server's device as its project knows it. */
export const TenantDevice = z.object({ class: device.className, tag: z.string().nullable(), mac: device.mac, vlan: device.vlan, physicalNetwork: device.physicalNetwork });
/** Which one of its host it is, and at which hold, and how it is now (null: not heard of): for admins. */
export const HostSideOfDevice = z.object({
  id: device.deviceId, identity: device.identity, generation: device.generation, numaNode: device.numaNode, attach: device.attach,
  address: PciAddress.nullable(), state: DeviceState.nullable(), reason: z.string().nullable(),
});

export const ServerAnswer = z.object({
  server: z.object({
    id: InstanceId, name: z.string(), projectId: z.string(), intent: z.string(), step: z.string(), availabilityZone: z.string().nullable(),
    /** For admins. */
    host: z.string().nullable().optional(),
    devices: z.array(TenantDevice.extend({ on: HostSideOfDevice.optional() })),
  }),
});
