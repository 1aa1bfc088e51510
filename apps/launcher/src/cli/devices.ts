/** `skylite device list|show|history|release|rescan`. */
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { deviceHistory, DeviceView, OutputOf, releaseDevice, rescanDevices } from '#libs/contracts';
import { ApiError, type ApiClient } from '../client.js';
import { devicesText, deviceText, historyText, releaseText, stateText } from './device-text.js';
import { serverNames } from './server-names.js';

type History = OutputOf<typeof deviceHistory>;
type Filters = Readonly<Record<string, string | undefined>>;

const JSON_FLAG = { json: { type: 'boolean', default: false } } as const;
/** What no pool has and what hosts live on: most functions of a machine. */
const GIVEN_OUT = 'available,claimed,in-use,scrubbing,quarantined,unusable,missing';

export const asJson = (value: unknown): number => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  return 0;
};

/** All of them, page by page. */
export async function allDevices(api: Pick<ApiClient, 'call'>, filters: Filters): Promise<DeviceView[]> {
  const query = new URLSearchParams({ limit: '500' });
  for (const [name, value] of Object.entries(filters)) if (value !== undefined) query.set(name, value);
  const found: DeviceView[] = [];
  for (;;) {
    const { devices, next } = await api.call<{ devices: DeviceView[]; next: string | null }>('GET', `/v1/devices?${query.toString()}`);
    found.push(...devices);
    if (next === null) return found;
    query.set('marker', next);
  }
}

export async function deviceList(api: ApiClient, args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: {
    host: { type: 'string' }, class: { type: 'string' }, pool: { type: 'string' }, state: { type: 'string' }, kind: { type: 'string' }, holder: { type: 'string' }, all: { type: 'boolean', default: false }, ...JSON_FLAG,
  } });
  const { json, all, ...filters } = values;
  const some = !all && filters.state === undefined && filters.kind === undefined;
  const devices = await allDevices(api, { ...filters, ...(some && { state: GIVEN_OUT }) });
  if (json) return asJson(devices);
  process.stdout.write(devices.length === 0 ? 'Nothing.\n' : `${devicesText(devices, await serverNames(api, devices.map(({ holder }) => holder), filters.host))}\n`);
  if (some) process.stdout.write('Left out: what is in no pool, and what hosts live on (--all).\n');
  return 0;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** By its id; or by its identity or today's address, which may be there on several hosts. */
async function findDevice(api: ApiClient, word: string, host?: string): Promise<DeviceView> {
  if (UUID.test(word)) return (await api.call<{ device: DeviceView }>('GET', `/v1/devices/${word}`)).device;
  const address = /^[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(word) ? `0000:${word}` : word;
  const found = await allDevices(api, { device: /^[0-9a-f]{4,8}:/i.test(address) ? address.toLowerCase() : address, host });
  const [one] = found;
  if (one === undefined) throw new ApiError(404, `no device is called ${word}${host === undefined ? '' : ` on ${host}`}: name it by id, by identity or by today's address, as \`skylite device list --all\` shows them.`);
  if (found.length > 1) throw new ApiError(409, `${found.length} devices are called ${word}: say which by --host (${found.map((each) => each.host.name).join(', ')}).`);
  return one;
}

const HOST = { host: { type: 'string' } } as const;
const one = (positionals: string[], usage: string): string => {
  if (positionals.length !== 1 || !positionals[0]) throw new ConfigError(`usage: skylite ${usage}`);
  return positionals[0];
};

export async function deviceShow(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...HOST, ...JSON_FLAG } });
  const device = await findDevice(api, one(positionals, 'device show ID|ADDRESS|IDENTITY [--host H] [--json]'), values.host);
  if (values.json) return asJson(device);
  process.stdout.write(`${deviceText(device, await serverNames(api, [device.holder]))}\n`);
  return 0;
}

export async function deviceHistoryOf(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...HOST, server: { type: 'string' }, limit: { type: 'string', default: '100' }, ...JSON_FLAG } });
  const usage = 'device history ID|ADDRESS|IDENTITY [--host H] | --server ID  [--limit N] [--json]';
  if (values.server !== undefined && positionals.length > 0) throw new ConfigError(`usage: skylite ${usage}`);
  const path = values.server === undefined ? `/v1/devices/${(await findDevice(api, one(positionals, usage), values.host)).id}/history` : `/v1/servers/${encodeURIComponent(values.server)}/device-history`;
  const history = await api.call<History>('GET', `${path}?limit=${encodeURIComponent(values.limit)}`);
  if (values.json) return asJson(history);
  const names = await serverNames(api, [...history.holders, ...history.events].map(({ instanceId }) => instanceId));
  process.stdout.write(`${historyText(history, names, values.server !== undefined)}\n${history.next === null ? '' : '… and older ones: --limit N.\n'}`);
  return 0;
}

/** Only at the generation that was shown: what happened since is not covered by what the operator saw. */
export async function deviceRelease(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...HOST, confirm: { type: 'string' }, generation: { type: 'string' }, ...JSON_FLAG } });
  const word = one(positionals, 'device release ID|ADDRESS|IDENTITY [--host H] --confirm "what was done, and how it was verified that it is clean"');
  if (values.generation !== undefined && !/^\d{1,9}$/.test(values.generation)) throw new ConfigError(`--generation ${values.generation}: it is a number, as \`skylite device show\` says it.`);
  const device = await findDevice(api, word, values.host);
  if ((values.confirm ?? '').trim().length < 3) {
    process.stdout.write(`${device.device.identity} on ${device.host.name} is ${stateText(device)} at generation ${device.generation}.\n${device.reason === null ? '' : `${device.reason}\n`}Nothing was done. If it is clean and sound: skylite device release ${device.id} --generation ${device.generation} --confirm "what was done, and how it was verified"\n`);
    return 1;
  }
  const answer = await api.call<OutputOf<typeof releaseDevice>>('POST', `/v1/devices/${device.id}/release`, { statement: values.confirm, generation: values.generation === undefined ? device.generation : Number(values.generation) });
  if (values.json) return asJson({ ...answer.device, did: answer.did });
  process.stdout.write(`${releaseText(answer)} Your statement is recorded with your name.\n`);
  return 0;
}

export async function deviceRescan(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: JSON_FLAG });
  if (positionals.length > 1) throw new ConfigError('usage: skylite device rescan [HOST] [--json]');
  const found = await api.call<OutputOf<typeof rescanDevices>>('POST', '/v1/devices/rescan', { host: positionals[0] ?? null });
  if (values.json) return asJson(found);
  process.stdout.write(`${found.hosts} ${found.hosts === 1 ? 'host was' : 'hosts were'} asked, ${found.devices} devices are known, ${found.restored} of them only because a server holds them. Nothing was freed.\n`);
  return 0;
}
