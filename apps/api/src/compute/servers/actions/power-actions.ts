/** Actions that say how a server is to be (running, paused, locked, gone), and the console's text. */
import {
  forceDeleteServer, getConsoleLog, lockServer, pauseServer, rebootServer, resetServerState, resumeServer, startServer, stopServer, suspendServer, unlockServer, unpauseServer,
} from '#libs/contracts';
import { has } from '#libs/openstack';
import { asking } from '../../../http/call.js';
import { readBody } from '../../../http/read-input.js';
import { BODIES } from '../server-actions.schema.js';
import { nothing, question, type Action } from './action.js';

export const POWER_ACTIONS: Readonly<Record<string, Action>> = {
  'os-start': question('compute:servers:start', startServer, BODIES['os-start'], nothing),
  'os-stop': question('compute:servers:stop', stopServer, BODIES['os-stop'], nothing),
  reboot: question('compute:servers:reboot', rebootServer, BODIES.reboot, ({ reboot }) => ({ type: reboot.type.toLowerCase() === 'hard' ? ('hard' as const) : ('soft' as const) })),
  pause: question('compute:servers:pause', pauseServer, BODIES.pause, nothing),
  unpause: question('compute:servers:unpause', unpauseServer, BODIES.unpause, nothing),
  suspend: question('compute:servers:suspend', suspendServer, BODIES.suspend, nothing),
  resume: question('compute:servers:resume', resumeServer, BODIES.resume, nothing),
  lock: question('compute:servers:lock', lockServer, BODIES.lock, ({ lock }, { version }) => ({ reason: has(version, 'server.locked-reason') ? ((lock as { locked_reason?: string } | null)?.locked_reason ?? null) : null })),
  unlock: question('compute:servers:unlock', unlockServer, BODIES.unlock, nothing),
  forceDelete: question('compute:servers:force-delete', forceDeleteServer, BODIES.forceDelete, nothing),
  'os-resetState': question('compute:servers:reset-state', resetServerState, BODIES['os-resetState'], (body) => ({ state: body['os-resetState'].state })),
  'os-getConsoleOutput': {
    rule: 'compute:servers:console-log',
    async perform({ bus, call, instanceIdOf, body }) {
      const { length } = readBody(BODIES['os-getConsoleOutput'](call.version), body)['os-getConsoleOutput'];
      const { output } = await asking(bus, call.caller)(getConsoleLog, { instanceId: instanceIdOf(), ...(length !== undefined && length >= 0 && { lines: length }) });
      return { status: 200, body: { output: printable(output) } };
    },
  },
};

/** Without control characters but line ends and tabs, as Nova sends it. */
// eslint-disable-next-line no-control-regex -- these are the ones
const printable = (text: string): string => text.replace(/[\x00-\x08\x0B-\x1F]/g, '');
