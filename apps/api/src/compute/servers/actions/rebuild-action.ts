import { getServer, ImageId, rebuildServer } from '#libs/contracts';
import { badRequest, SkyError } from '#libs/errors';
import { resourceLinks, serverRebuilt } from '#libs/openstack';
import { asking } from '../../../http/call.js';
import { readBody } from '../../../http/read-input.js';
import { password } from '../create-server.js';
import { BODIES } from '../server-actions.schema.js';
import type { Action } from './action.js';
import { isBooked } from './is-booked.js';

interface NewerFields { description?: string | null; key_name?: string | null; user_data?: string | null; hostname?: string; trusted_image_certificates?: string[] | null; personality?: unknown[] }

/** The same server with a new root disk. What is left out stays as it is; null takes away. */
export const rebuild: Action = {
  rule: 'compute:servers:rebuild',
  async perform({ bus, contexts, call, instanceIdOf, body }) {
    const asked = readBody(BODIES.rebuild(call.version), body).rebuild;
    const newer = asked as NewerFields;
    refuseWhatIsNotOffered(asked, newer);
    const { metadata, name } = asked;
    const { description, key_name: keyName, user_data: userData, hostname } = newer;
    const instanceId = instanceIdOf();
    const instance = await isBooked(bus, call, instanceId) ? await asking(bus, call.caller)(getServer, { instanceId }) : await asking(bus, call.caller)(rebuildServer, {
      instanceId, imageId: ImageId.parse(asked.imageRef),
      ...(name !== undefined && { name }), ...(metadata !== undefined && { metadata }), ...(description !== undefined && { description }),
      ...(keyName !== undefined && { keyName }), ...(userData !== undefined && { userData }), ...(hostname !== undefined && { hostname }),
    }).catch(blameTheImage);
    return {
      status: 202,
      body: { server: serverRebuilt(instance, await contexts.for(call, [instance]), asked.adminPass ?? password(call.ids.bytes('password', 9))) },
      headers: { location: resourceLinks(call.links, 'servers', instance.id)[0]?.href ?? '' },
    };
  },
};

/** The server itself is not found in words of its own; any other thing that is missing is a wrong request. */
function blameTheImage(error: unknown): never {
  if (error instanceof SkyError && error.kind === 'not-found' && !error.message.startsWith('Instance ')) throw badRequest(error.message, { cause: error });
  throw error;
}

function refuseWhatIsNotOffered(asked: { 'OS-DCF:diskConfig'?: string | undefined; accessIPv4?: string | undefined; accessIPv6?: string | undefined; preserve_ephemeral?: boolean | undefined }, newer: NewerFields): void {
  if (asked['OS-DCF:diskConfig'] === 'AUTO') throw badRequest('OS-DCF:diskConfig AUTO is not supported by this cloud: disks are left as the image has them.');
  if (asked.accessIPv4 !== undefined || asked.accessIPv6 !== undefined) throw badRequest('accessIPv4 and accessIPv6 are not supported by this cloud.');
  if (asked.preserve_ephemeral === true) throw badRequest('preserve_ephemeral is not supported by this cloud: servers have no ephemeral disks.');
  if ((newer.personality ?? []).length > 0) throw badRequest("Injecting files with 'personality' is not supported by this cloud; use user_data.");
  if ((newer.trusted_image_certificates ?? null) !== null) throw badRequest('trusted_image_certificates are not supported by this cloud: it does not verify signatures of images.');
}
