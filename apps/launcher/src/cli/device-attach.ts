/** `skylite device attach|detach`: devices of a server that is there. Asks and shows; cut off anywhere, the server goes on by itself. */
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import { ApiError, type ApiClient } from '../client.js';
import { numberOf } from './device-flags.js';
import { asJson } from './devices.js';
import { terminal, type Surroundings } from './pool-readiness.js';
import { serverDevicesText, type DeviceOfServer } from './server-devices.js';
import { serverIdOf } from './server-names.js';

interface Attachment { readonly id: string; readonly class: string; readonly count: number; readonly state: string; readonly reason: string | null }
interface Devices { readonly devices: readonly DeviceOfServer[]; readonly attachments: readonly Attachment[] }
type Api = Pick<ApiClient, 'call'>;

const LOOK_MS = 500;
const FLAGS = { wait: { type: 'boolean', default: false }, timeout: { type: 'string', default: '120' }, json: { type: 'boolean', default: false } } as const;
const pathOf = (server: string): string => `/v1/servers/${server}/devices`;
const textOf = ({ class: name, count, state, reason }: Attachment): string => `${count === 1 ? name : `${count} ${name}`}: ${state}${reason === null ? '' : ` (${reason})`}`;

export async function deviceAttach(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { count: { type: 'string', default: '1' }, vlan: { type: 'string' }, tag: { type: 'string' }, 'numa-policy': { type: 'string' }, ...FLAGS } });
  const [word, className] = positionals;
  if (positionals.length !== 2 || !word || !className) throw new ConfigError('usage: skylite device attach SERVER CLASS [--count N] [--vlan V] [--tag T] [--numa-policy required|preferred|socket|legacy] [--wait [--timeout S]] [--json]');
  const timeoutS = numberOf('--timeout', values.timeout);
  const server = await serverIdOf(api, word);
  const { attachments: [made] } = await api.call<{ attachments: Attachment[] }>('POST', pathOf(server), {
    class: className, count: numberOf('--count', values.count), ...(values.vlan !== undefined && { vlan: numberOf('--vlan', values.vlan) }), ...(values.tag !== undefined && { tag: values.tag }),
    ...(values['numa-policy'] !== undefined && { numa_policy: values['numa-policy'] }),
  });
  if (made === undefined) throw new Error('nothing was attached.');
  if (values.json && !values.wait) return asJson(made);
  if (!values.json) process.stdout.write(`${textOf(made)}. To take it back: skylite device detach ${word} ${made.id}\n`);
  const code = values.wait ? await untilStands(api, server, made.id, 'attached', timeoutS) : 0;
  if (values.wait) await show(api, server, values.json);
  return code;
}

export async function deviceDetach(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: FLAGS });
  const [word, device] = positionals;
  if (positionals.length !== 2 || !word || !device) throw new ConfigError('usage: skylite device detach SERVER ATTACHMENT|DEVICE|TAG|MAC [--wait [--timeout S]] [--json]');
  const timeoutS = numberOf('--timeout', values.timeout);
  const server = await serverIdOf(api, word);
  const id = attachmentOf(await api.call<Devices>('GET', pathOf(server)), device);
  const { attachments: [left] } = await api.call<{ attachments: Attachment[] }>('DELETE', `${pathOf(server)}/${encodeURIComponent(id)}`);
  if (left === undefined) throw new Error('nothing was detached.');
  if (!values.wait) {
    if (values.json) return asJson(left);
    process.stdout.write(`${textOf(left)}.\n`);
    return 0;
  }
  const code = await untilStands(api, server, id, 'gone', timeoutS);
  await show(api, server, values.json);
  return code;
}

/** What it is called by: its id, or one of its devices by id, identity, address, tag or MAC. What came with the flavor is the service's to refuse. */
export function attachmentOf({ devices, attachments }: Devices, word: string): string {
  if (attachments.some(({ id }) => id === word.toLowerCase())) return word.toLowerCase();
  const found = devices.filter(({ tag, mac, on }) => [tag, mac, on?.id, on?.identity, on?.address].includes(word) || on?.id === word.toLowerCase());
  const ids = [...new Set(found.map(({ attachment, on }) => attachment ?? on?.id ?? word))];
  if (ids.length > 1) throw new ApiError(409, `${ids.length} attachments are called ${word}: name one by id: ${ids.join(', ')}.`);
  if (ids[0] === undefined) throw new ApiError(404, `the server has no device ${word}. It has: ${attachments.map((one) => `${one.id} (${textOf(one)})`).join(', ') || 'nothing that was attached'}.`);
  return ids[0];
}

/** @returns 0: so it is; 1: not in time, or it was taken back */
export async function untilStands(api: Api, server: string, id: string, wanted: 'attached' | 'gone', timeoutS: number, { say, nowMs, pause }: Surroundings = terminal): Promise<number> {
  const began = nowMs();
  let last = '';
  for (;;) {
    const one = (await api.call<Devices>('GET', pathOf(server))).attachments.find((each) => each.id === id);
    const line = one === undefined ? 'It is gone.' : textOf(one);
    if (line !== last) say(last = line);
    if (one === undefined) return wanted === 'gone' ? 0 : 1;
    if (one.state === wanted) return 0;
    if (nowMs() - began >= timeoutS * 1000) {
      say(`Not done after ${timeoutS} s. It goes on by itself.${wanted === 'gone' ? ' A guest that does not answer keeps what it has until it is stopped or rebooted hard.' : ''}`);
      return 1;
    }
    await pause(LOOK_MS);
  }
}

async function show(api: Api, server: string, json: boolean): Promise<void> {
  const found = await api.call<Devices>('GET', pathOf(server));
  if (json) asJson(found);
  else process.stdout.write(found.devices.length === 0 ? 'The server has no devices.\n' : `${serverDevicesText(found.devices)}\n`);
}
