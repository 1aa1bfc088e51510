/** A server's devices: what its project sees of them, and what administrators see besides. Pure. */
import type { ClaimedDevice, DeviceView } from '#libs/contracts';

/** Named one by one: what a claim says of its host grows. */
export const deviceForTenant = ({ className, tag, mac, vlan, physicalNetwork }: ClaimedDevice) => ({ class: className, tag: tag ?? null, mac, vlan, physicalNetwork });

/** @param seen what hosts say of the server's devices now */
export function deviceForAdmin(claimed: ClaimedDevice, seen: readonly DeviceView[]) {
  const now = seen.find(({ id }) => id === claimed.deviceId);
  return {
    ...deviceForTenant(claimed),
    on: {
      id: claimed.deviceId, identity: claimed.identity, generation: claimed.generation, numaNode: claimed.numaNode, attach: claimed.attach,
      address: now?.device.address ?? null, state: now?.state ?? null, reason: now?.reason ?? null,
    },
  };
}
