/** A server's devices: what its project sees of them, and what administrators see besides. Pure. */
import type { ClaimedDevice, DeviceView, InstanceView, ServerDevice } from '#libs/contracts';
import { forTenants } from '#libs/openstack';

/** Named one by one: what a claim says of its host grows. */
export const deviceForTenant = ({ className, tag, mac, vlan, physicalNetwork }: Pick<ServerDevice, 'className' | 'mac' | 'vlan' | 'physicalNetwork'> & { tag?: string | null | undefined }) => ({ class: className, tag: tag ?? null, mac, vlan, physicalNetwork });

/** How each stands. An older service does not say: what is in the layout is there then. */
export const devicesOf = ({ devices, layout }: Pick<InstanceView, 'devices' | 'layout'>): readonly ServerDevice[] => devices ?? (layout?.devices ?? []).map(asThere);
const asThere = ({ deviceId, identity, className, tag, mac, vlan, physicalNetwork, generation, numaNode, attach }: ClaimedDevice): ServerDevice =>
  ({ deviceId, identity, className, attachment: null, state: 'attached', reason: null, tag: tag ?? null, mac, vlan, physicalNetwork, generation, numaNode, attach });

/** With how it stands: of which attachment, and what it waits for. */
export const standingForTenant = (device: ServerDevice) => ({ ...deviceForTenant(device), attachment: device.attachment, state: device.state, reason: device.reason === null ? null : forTenants(device.reason) });

/** @param seen what hosts say of the server's devices now */
export function standingForAdmin(device: ServerDevice, seen: readonly DeviceView[]) {
  const now = seen.find(({ id }) => id === device.deviceId);
  return {
    ...standingForTenant(device),
    reason: device.reason,
    on: {
      id: device.deviceId, identity: device.identity, generation: device.generation, numaNode: device.numaNode, attach: device.attach,
      address: now?.device.address ?? null, state: now?.state ?? null, reason: now?.reason ?? null,
    },
  };
}
