/** `skylite device class|pool …`: what is defined, and what a definition would do before it is made. */
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { DeviceClassView, DeviceMatchChange, DevicePlan, DevicePoolView } from '#libs/contracts';
import { ApiError, type ApiClient } from '../client.js';
import { MATCH_OPTIONS, matchChangeFrom, matchFrom, numberOf, onOrOff, POLICY_OPTIONS, policyFrom } from './device-flags.js';
import { classesText, planText, poolsText } from './device-text.js';
import { asJson } from './devices.js';
import { untilReady } from './pool-readiness.js';
import { serverNames } from './server-names.js';

const WRITE = { 'dry-run': { type: 'boolean', default: false }, 'yes-really': { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } as const;
interface WriteFlags { 'dry-run': boolean; 'yes-really': boolean; json: boolean }

const CLASS_OPTIONS = { description: { type: 'string' }, 'numa-policy': { type: 'string' }, attach: { type: 'string' }, sanitizer: { type: 'string' }, ...MATCH_OPTIONS, ...WRITE } as const;
const POOL_OPTIONS = { vfs: { type: 'string' }, driver: { type: 'string' }, 'physical-network': { type: 'string' }, 'group-together': { type: 'string' }, ...MATCH_OPTIONS, ...POLICY_OPTIONS, ...WRITE } as const;

export const CLASS_USAGE = 'device class create|set NAME [--vendor V] [--product P] [--pci-class C] [--kind pf|vf|function] [--match-driver D] [--pf PF] [--slot S] [--numa N] [--host H] [--host-label K=V] [--description T] [--numa-policy required|preferred|socket|legacy] [--attach auto|interface|hostdev] [--sanitizer reset|quarantine|operator-accepts] [--dry-run] [--yes-really] [--json]';
export const POOL_USAGE = 'device pool create NAME --class C --mode vfs|functions | set NAME  [match as of a class] [--vfs N|all] [--driver vfio-pci|kernel] [--trust on|off] [--spoof-check on|off] [--min-tx MBPS] [--max-tx MBPS] [--vlans LIST|none] [--mac-prefix P] [--physical-network N] [--group-together on|off] [--dry-run] [--yes-really] [--wait [--timeout S]] [--json]';

const queryOf = (flags: WriteFlags): string => `?dry_run=${flags['dry-run']}&yes_really=${flags['yes-really']}`;
const named = (positionals: string[], usage: string): string => {
  if (positionals.length !== 1 || !positionals[0]) throw new ConfigError(`usage: skylite ${usage}`);
  return positionals[0];
};

/** A write; when it is refused, first what it would do and whom it would hit. @returns undefined: a dry run, which has been shown @throws also when a dry run shows that it would be refused */
async function write<T extends { plan: DevicePlan }>(api: ApiClient, flags: WriteFlags, method: string, path: string, body?: unknown): Promise<T | undefined> {
  try {
    const answer = await api.call<T>(method, path + queryOf(flags), body);
    if (flags.json) asJson(answer);
    else {
      process.stdout.write(`${await planned(api, answer.plan)}\n`);
      if (flags['dry-run']) process.stdout.write('Nothing was done.\n');
    }
    if (!flags['dry-run']) return answer;
    if (answer.plan.refusals.length > 0) throw new Error('it would be refused, and nothing overrules that.');
    return undefined;
  } catch (error) {
    const plan = error instanceof ApiError ? error.details?.['plan'] as DevicePlan | undefined : undefined;
    if (plan === undefined) throw error;
    if (flags.json) asJson({ plan });
    else process.stdout.write(`${await planned(api, plan)}\n`);
    throw new Error(`nothing was done: ${plan.refusals.length > 0 ? 'it is refused, and nothing overrules that.' : 'if that is meant, say --yes-really.'}`, { cause: error });
  }
}

const planned = async (api: ApiClient, plan: DevicePlan): Promise<string> => planText(plan, await serverNames(api, plan.refusals.flatMap(({ servers }) => servers.map(({ id }) => id))));

const classPath = (name: string): string => `/v1/device-classes/${encodeURIComponent(name)}`;
const poolPath = (name: string): string => `/v1/device-pools/${encodeURIComponent(name)}`;

export async function deviceClass(api: ApiClient, args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === 'list') {
    const { values } = parseArgs({ args: rest, options: { json: WRITE.json } });
    const { classes } = await api.call<{ classes: DeviceClassView[] }>('GET', '/v1/device-classes');
    if (values.json) return asJson(classes);
    process.stdout.write(classes.length === 0 ? 'There is none. To make one: skylite device class create NAME --vendor V --product P\n' : `${classesText(classes)}\n`);
    return 0;
  }
  if (verb === 'delete') {
    const { values, positionals } = parseArgs({ args: rest, allowPositionals: true, options: WRITE });
    const name = named(positionals, 'device class delete NAME [--dry-run] [--yes-really]');
    if (await write(api, values, 'DELETE', classPath(name)) && !values.json) process.stdout.write(`Class ${name} is deleted.\n`);
    return 0;
  }
  if (verb !== 'create' && verb !== 'set') throw new ConfigError(`usage: skylite device class list | ${CLASS_USAGE} | delete NAME`);
  const { values, positionals } = parseArgs({ args: rest, allowPositionals: true, options: CLASS_OPTIONS });
  const name = named(positionals, CLASS_USAGE);
  const said = {
    ...(values.description !== undefined && { description: values.description }), ...(values['numa-policy'] !== undefined && { numaPolicy: values['numa-policy'] }),
    ...(values.attach !== undefined && { attach: values.attach }), ...(values.sanitizer !== undefined && { sanitizer: values.sanitizer }),
  };
  if (verb === 'create') {
    if (await write(api, values, 'POST', '/v1/device-classes', { name, match: matchFrom(values), ...said }) && !values.json) process.stdout.write(`Class ${name} is there: pools may give it devices, flavors ask for it by pci_passthrough:alias=${name}:1.\n`);
    return 0;
  }
  if (await write(api, values, 'PATCH', classPath(name), { ...said, ...changedMatch(values) }) && !values.json) process.stdout.write(`Class ${name} is changed.\n`);
  return 0;
}

/** Nothing, where no flag speaks of it. */
function changedMatch(values: Readonly<Record<string, string | boolean | string[] | undefined>>): { matchChange?: DeviceMatchChange } {
  const matchChange = matchChangeFrom(values);
  return Object.keys(matchChange).length > 0 ? { matchChange } : {};
}

export async function devicePool(api: ApiClient, args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === 'list') {
    const { values } = parseArgs({ args: rest, options: { class: { type: 'string' }, json: WRITE.json } });
    const { pools } = await api.call<{ pools: DevicePoolView[] }>('GET', `/v1/device-pools${values.class === undefined ? '' : `?class=${encodeURIComponent(values.class)}`}`);
    if (values.json) return asJson(pools);
    process.stdout.write(pools.length === 0 ? 'There is none. To see what one would do: skylite device pool create NAME --class C --mode vfs --vendor V --product P --dry-run\n' : `${poolsText(pools)}\n`);
    return 0;
  }
  if (verb === 'delete') {
    const { values, positionals } = parseArgs({ args: rest, allowPositionals: true, options: WRITE });
    const name = named(positionals, 'device pool delete NAME [--dry-run] [--yes-really]');
    if (await write(api, values, 'DELETE', poolPath(name)) && !values.json) process.stdout.write(`Pool ${name} is deleted: its devices are given to nobody any more, and hosts leave them as they are.\n`);
    return 0;
  }
  if (verb !== 'create' && verb !== 'set') throw new ConfigError(`usage: skylite device pool list [--class C] | ${POOL_USAGE} | delete NAME`);
  return verb === 'create' ? createPool(api, rest) : setPool(api, rest);
}

const WAIT = { wait: { type: 'boolean', default: false }, timeout: { type: 'string', default: '300' } } as const;

function poolSaid(values: Readonly<Record<string, string | boolean | string[] | undefined>>): Record<string, unknown> {
  const text = (name: string): string | undefined => { const value = values[name]; return typeof value === 'string' ? value : undefined; };
  const [vfs, driver, network, together] = ['vfs', 'driver', 'physical-network', 'group-together'].map(text);
  const policy = policyFrom(values);
  return {
    ...(vfs !== undefined && { vfCount: vfs === 'all' ? null : numberOf('--vfs', vfs) }), ...(driver !== undefined && { driver }),
    ...(network !== undefined && { physicalNetwork: network === '' ? null : network }), ...(together !== undefined && { groupTogether: onOrOff('--group-together', together) }),
    ...(Object.keys(policy).length > 0 && { policy }),
  };
}

async function createPool(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { class: { type: 'string' }, mode: { type: 'string' }, ...POOL_OPTIONS, ...WAIT } });
  const name = named(positionals, POOL_USAGE);
  if (values.class === undefined || values.mode === undefined) throw new ConfigError('a pool wants --class (what its devices are called in the cloud) and --mode (vfs: PFs keep VFs; functions: they are passed whole).');
  const timeoutS = numberOf('--timeout', values.timeout);
  const made = await write<{ pool: DevicePoolView; plan: DevicePlan }>(api, values, 'POST', '/v1/device-pools', { name, className: values.class, mode: values.mode, match: matchFrom(values), ...poolSaid(values) });
  if (made === undefined) return 0;
  if (!values.json) process.stdout.write(`Pool ${name} is there.${values.wait ? '' : ` Hosts follow it now: skylite device list --pool ${name}`}\n`);
  return values.wait ? untilReady(api, made.pool, timeoutS) : 0;
}

async function setPool(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { name: { type: 'string' }, ...POOL_OPTIONS, ...WAIT } });
  const name = named(positionals, POOL_USAGE);
  const timeoutS = numberOf('--timeout', values.timeout);
  const made = await write<{ pool: DevicePoolView; plan: DevicePlan }>(api, values, 'PATCH', poolPath(name), { ...(values.name !== undefined && { name: values.name }), ...poolSaid(values), ...changedMatch(values) });
  if (made === undefined) return 0;
  if (!values.json) process.stdout.write(`Pool ${made.pool.name} is changed.\n`);
  return values.wait ? untilReady(api, made.pool, timeoutS) : 0;
}
