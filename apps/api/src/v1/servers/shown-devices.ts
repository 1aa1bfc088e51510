import { allows } from '#libs/auth';
import { listDevices, type Caller, type DeviceAttachment, type InstanceId, type ServerDevice } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import { forTenants } from '#libs/openstack';
import { attachmentForPeople } from './server.schema.js';
import { standingForAdmin, standingForTenant } from './server-devices.js';

/** What this caller sees of a server's devices: where they are only whoever sees hosts. Asks nobody where there are none. */
export async function shownTo(caller: Caller, bus: Bus, holder: InstanceId, devices: readonly ServerDevice[]) {
  if (!allows('compute:servers:host-details', caller)) return devices.map(standingForTenant);
  const seen = devices.length === 0 ? [] : (await bus.ask(listDevices, { holder }, { requestId: caller.requestId })).devices;
  return devices.map((device) => standingForAdmin(device, seen));
}

export function attachmentsShownTo(caller: Caller, attachments: readonly DeviceAttachment[]) {
  const all = allows('compute:servers:host-details', caller);
  return attachments.map((one) => attachmentForPeople(all || one.reason === null ? one : { ...one, reason: forTenants(one.reason) }));
}
