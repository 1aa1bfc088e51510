/**
 * POST /servers/{id}/action: one body key names the action. Those that are offered are asked of the owner; those that
 * Nova knows and this cloud does not are refused as not implemented (501: the one 5xx that clients do not retry).
 */
import { enforce, ownOf } from '#libs/auth';
import type { InstanceId } from '#libs/contracts';
import { badRequest, unsupported } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { VersionText } from '#libs/openstack';
import type { Call } from '../../http/call.js';
import { onlyIn } from '../../http/only-in.js';
import { CONSOLE_ACTIONS } from '../consoles/console-actions.js';
import type { Action, ActionAnswer } from './actions/action.js';
import { MOVE_ACTIONS } from './actions/move-actions.js';
import { POWER_ACTIONS } from './actions/power-actions.js';
import { rebuild } from './actions/rebuild-action.js';
import type { ServerContexts } from './server-contexts.js';

export const ACTIONS: Readonly<Record<string, Action>> = { ...POWER_ACTIONS, ...MOVE_ACTIONS, ...CONSOLE_ACTIONS, rebuild };

/** Nova's other actions, with the versions that have them. */
const NOT_OFFERED: Readonly<Record<string, { since?: VersionText; until?: VersionText }>> = {
  addFixedIp: { until: '2.43' }, addFloatingIp: { until: '2.43' }, addSecurityGroup: {}, changePassword: {}, createBackup: {}, createImage: {},
  injectNetworkInfo: {}, 'os-migrateLive': {}, removeFixedIp: { until: '2.43' }, removeFloatingIp: { until: '2.43' },
  removeSecurityGroup: {}, rescue: {}, resetNetwork: {}, restore: {}, shelve: {}, shelveOffload: {},
  trigger_crash_dump: { since: '2.17' }, unrescue: {}, unshelve: {},
};

export async function performAction(deps: { bus: Bus; contexts: ServerContexts }, call: Call, instanceIdOf: () => InstanceId, body: unknown): Promise<ActionAnswer> {
  const name = actionName(body);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw refusal(call, name);
  enforce(action.rule, call.caller, ownOf(call.caller));
  return action.perform({ ...deps, call, instanceIdOf, body });
}

function actionName(body: unknown): string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badRequest('Malformed request body');
  const [name, ...others] = Object.keys(body);
  if (name === undefined || others.length > 0) throw badRequest('Malformed request body');
  return name;
}

/** An action of other versions only is not there, as a route of theirs is not. */
function refusal({ version }: Call, name: string) {
  const known = Object.hasOwn(NOT_OFFERED, name) ? NOT_OFFERED[name] : undefined;
  if (known === undefined) return badRequest(`There is no such action: ${name.slice(0, 100)}`);
  onlyIn(version, known);
  return unsupported(`The action '${name}' is not supported by this cloud.`);
}
