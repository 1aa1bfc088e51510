/** Actions that change where a server is, or with what flavor. */
import { confirmResize, evacuateServer, listHosts, migrateServer, resizeServer, revertResize } from '#libs/contracts';
import { badRequest, notFound, SkyError } from '#libs/errors';
import { has } from '#libs/openstack';
import { asking } from '../../../http/call.js';
import { readBody } from '../../../http/read-input.js';
import { password } from '../create-server.js';
import { BODIES } from '../server-actions.schema.js';
import { nothing, question, type Action } from './action.js';
import { isBooked } from './is-booked.js';

export const MOVE_ACTIONS: Readonly<Record<string, Action>> = {
  resize: question('compute:servers:resize', resizeServer, BODIES.resize, ({ resize }) => {
    if (resize['OS-DCF:diskConfig'] === 'AUTO') throw badRequest('OS-DCF:diskConfig AUTO is not supported by this cloud: disks are left as the image has them.');
    return { flavorId: String(resize.flavorRef) };
  }),
  confirmResize: question('compute:servers:confirm-resize', confirmResize, BODIES.confirmResize, nothing, 204),
  revertResize: question('compute:servers:revert-resize', revertResize, BODIES.revertResize, nothing),
  migrate: question('compute:servers:migrate', migrateServer, BODIES.migrate, ({ migrate }, { version }) => ({
    host: has(version, 'server-migrate.host') ? ((migrate as { host?: string | null } | null)?.host ?? null) : null,
  })),
  evacuate: {
    rule: 'compute:servers:evacuate',
    /** 200, not 202, and until 2.13 with a password: as Nova does. */
    async perform({ bus, call, instanceIdOf, body }) {
      const { evacuate } = readBody(BODIES.evacuate(call.version), body);
      const { host, adminPass } = evacuate;
      const { onSharedStorage, force } = evacuate as { onSharedStorage?: boolean; force?: boolean };
      if (onSharedStorage === true) throw badRequest(adminPass === undefined ? "onSharedStorage is not supported by this cloud: every host has its servers' disks to itself." : "admin password can't be changed on existing disk");
      if (force === true && host === undefined) throw badRequest("Can't force to a non-provided destination");
      if (force === true) throw badRequest("'force' is not supported by this cloud: no server is put where placement would not put it.");
      const instanceId = instanceIdOf();
      if (host !== undefined && (await bus.ask(listHosts, { name: host }, { requestId: call.caller.requestId }).catch(unknownIsEmpty)).hosts.length === 0) throw notFound(`Compute host ${host} not found.`);
      if (!(await isBooked(bus, call, instanceId))) await asking(bus, call.caller)(evacuateServer, { instanceId, host: host ?? null, stopped: has(call.version, 'server-evacuate.stopped') });
      return has(call.version, 'server-evacuate.no-shared-storage') ? { status: 200 } : { status: 200, body: { adminPass: adminPass ?? password(call.ids.bytes('password', 9)) } };
    },
  },
};

function unknownIsEmpty(error: unknown): { hosts: [] } {
  if (error instanceof SkyError && error.kind === 'not-found') return { hosts: [] };
  throw error;
}
