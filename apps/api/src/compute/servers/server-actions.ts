/**
 * POST /servers/{id}/action: one body key names the action. Those that are offered are asked of the owner; those that
 * Nova knows and this cloud does not are refused as not implemented (501: the one 5xx that clients do not retry).
 */
import { enforce, type PolicyRule } from '#libs/auth';
import { getConsoleLog, rebootServer, startServer, stopServer, type InstanceId } from '#libs/contracts';
import { badRequest, unsupported } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { VersionText } from '#libs/openstack';
import { asking, type Call } from '../../http/call.js';
import { readBody } from '../../http/read-input.js';
import { ConsoleOutputBody, RebootBody } from './servers.schema.js';
import { z } from 'zod';

interface Action {
  readonly rule: PolicyRule;
  /** Status and body of the answer. */
  perform(bus: Bus, call: Call, instanceId: InstanceId, body: unknown): Promise<ActionAnswer>;
}
export interface ActionAnswer { readonly status: 200 | 202; readonly body?: object }

const accepted: ActionAnswer = { status: 202 };
const only = (key: string) => z.strictObject({ [key]: z.unknown() });
const START = only('os-start');
const STOP = only('os-stop');

const ACTIONS: Readonly<Record<string, Action>> = {
  'os-start': {
    rule: 'compute:servers:start',
    async perform(bus, { caller }, instanceId, body) {
      readBody(START, body);
      await asking(bus, caller)(startServer, { instanceId });
      return accepted;
    },
  },
  'os-stop': {
    rule: 'compute:servers:stop',
    async perform(bus, { caller }, instanceId, body) {
      readBody(STOP, body);
      await asking(bus, caller)(stopServer, { instanceId });
      return accepted;
    },
  },
  reboot: {
    rule: 'compute:servers:reboot',
    async perform(bus, { caller }, instanceId, body) {
      const { reboot } = readBody(RebootBody, body);
      await asking(bus, caller)(rebootServer, { instanceId, type: reboot.type.toLowerCase() === 'hard' ? 'hard' : 'soft' });
      return accepted;
    },
  },
  'os-getConsoleOutput': {
    rule: 'compute:servers:console-log',
    async perform(bus, { caller }, instanceId, body) {
      const { length } = readBody(ConsoleOutputBody, body)['os-getConsoleOutput'];
      const { output } = await asking(bus, caller)(getConsoleLog, { instanceId, ...(length !== undefined && length >= 0 && { lines: length }) });
      return { status: 200, body: { output: printable(output) } };
    },
  },
};

/** Nova's other actions, with the versions that have them. */
const NOT_OFFERED: Readonly<Record<string, { since?: VersionText; until?: VersionText }>> = {
  addFixedIp: { until: '2.43' }, addFloatingIp: { until: '2.43' }, addSecurityGroup: {}, changePassword: {}, confirmResize: {}, createBackup: {}, createImage: {}, evacuate: {},
  forceDelete: {}, injectNetworkInfo: {}, lock: {}, migrate: {}, 'os-getRDPConsole': { until: '2.5' }, 'os-getSerialConsole': { until: '2.5' }, 'os-getSPICEConsole': { until: '2.5' },
  'os-getVNCConsole': { until: '2.5' }, 'os-migrateLive': {}, 'os-resetState': {}, pause: {}, rebuild: {}, removeFixedIp: { until: '2.43' }, removeFloatingIp: { until: '2.43' },
  removeSecurityGroup: {}, rescue: {}, resetNetwork: {}, resize: {}, restore: {}, resume: {}, revertResize: {}, shelve: {}, shelveOffload: {}, suspend: {},
  trigger_crash_dump: { since: '2.17' }, unlock: {}, unpause: {}, unrescue: {}, unshelve: {},
};

export async function performAction(bus: Bus, call: Call, instanceIdOf: () => InstanceId, body: unknown): Promise<ActionAnswer> {
  const name = actionName(body);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw refusal(call, name);
  enforce(action.rule, call.caller);
  return action.perform(bus, call, instanceIdOf(), body);
}

function actionName(body: unknown): string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badRequest('Malformed request body');
  const [name, ...others] = Object.keys(body);
  if (name === undefined || others.length > 0) throw badRequest('Malformed request body');
  return name;
}

function refusal({ version }: Call, name: string) {
  const known = Object.hasOwn(NOT_OFFERED, name) ? NOT_OFFERED[name] : undefined;
  const atThisVersion = known !== undefined && (known.since === undefined || version.atLeast(known.since)) && (known.until === undefined || version.minor <= Number(known.until.slice(2)));
  return atThisVersion ? unsupported(`The action '${name}' is not supported by this cloud.`) : badRequest(`There is no such action: ${name.slice(0, 100)}`);
}

/** Without control characters but line ends and tabs, as Nova sends it. */
// eslint-disable-next-line no-control-regex -- these are the ones
const printable = (text: string): string => text.replace(/[\x00-\x08\x0B-\x1F]/g, '');
