/** Lost hosts from the operator's side: what is known of one, giving it up, taking it back, how its power is cut. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { FenceView, HostView, hostServers, inspectHost, OutputOf } from '#libs/contracts';
import type { ApiClient } from '../client.js';
import { table } from './table.js';

type Details = { host: HostView } & OutputOf<typeof inspectHost> & OutputOf<typeof hostServers>;

/** What a host is to the cloud now, in a few words. */
export function stateOf(host: HostView): string {
  const { condition } = host;
  const seen = condition === undefined ? (host.alive ? 'alive' : host.hypervisorUp ? 'silent' : 'hypervisor down')
    : condition.state === 'alive' ? 'alive' : `${condition.state}${condition.since === null ? '' : ` since ${condition.since}`}`;
  return [seen, ...(host.fenced === true ? ['fenced'] : []), ...(host.enabled ? [] : [`disabled (${host.disabledReason ?? 'no reason given'})`])].join(', ');
}

const path = (host: string, rest = ''): string => `/v1/hosts/${encodeURIComponent(host)}${rest}`;

export async function hostShow(api: ApiClient, name: string): Promise<number> {
  const found = await api.call<Details>('GET', path(name, '/details'));
  const { host, fence } = found;
  const lines: [string, string][] = [
    ['host', `${host.name} (${host.id})`], ['zone', host.availabilityZone], ['state', stateOf(host)],
    ...(host.condition && host.condition.reason !== '' ? [['why', host.condition.reason] as [string, string]] : []),
    ['last heard', host.lastSeenAt ?? 'never'], ['epoch, boot', `${host.epoch}, ${host.bootId ?? 'none'}`], ['agent', host.agentVersion ?? '?'],
    ['after a boot', host.restart === 'leased' ? 'starts servers once it has heard from the cloud' : 'starts its servers by itself'],
    ['power', found.power ? `${found.power.kind} at ${found.power.address} as ${found.power.username}` : 'not known how it is cut'],
    ...(fence ? [['fence', `${fence.phase}, by ${fence.method} at ${fence.createdAt} by ${fence.userId}: ${fence.statement}${fence.proof ? ` (${fence.proof})` : ''}${fence.lastError ? `; last error: ${fence.lastError}` : ''}`] as [string, string]] : []),
    ...(found.returnedAt ? [['came back', `${found.returnedAt}, while it is fenced: it only reports`] as [string, string]] : []),
  ];
  for (const [label, value] of lines) process.stdout.write(`${label.padEnd(13)} ${value}\n`);
  for (const alarm of found.alarms) process.stdout.write(`\nATTENTION     ${alarm}\n`);
  const still = found.leftovers.filter(({ observedState }) => observedState === 'running' || observedState === 'paused');
  if (still.length > 0) process.stdout.write(`\nATTENTION     ${still.length} servers still RUN here that were rebuilt elsewhere or deleted: ${still.map(({ name: server }) => server).join(', ')}. They end when the host is taken back; switch it off if you cannot wait.\n`);
  if (found.servers.length > 0) process.stdout.write(`\nservers\n${table(['NAME', 'WANTED', 'SEEN', 'ID'], found.servers.map((server) => [server.name, server.intent, server.observedState ?? '-', server.id]))}\n`);
  if (found.leftovers.length > 0) process.stdout.write(`\nleft over from before it was fenced\n${table(['NAME', 'SEEN', 'ID'], found.leftovers.map((server) => [server.name, server.observedState ?? 'not heard of', server.id]))}\n`);
  if (found.orphans.length > 0) process.stdout.write(`\nunknown domains (never touched)\n${table(['NAME', 'LAST SEEN', 'ID'], found.orphans.map((orphan) => [orphan.name, orphan.lastSeenAt, orphan.id]))}\n`);
  process.stdout.write(`\nevents\n${found.events.map((event) => `  ${event.at}  ${event.kind.padEnd(14)} ${event.message}${event.userId ? `  [${event.userId}]` : ''}`).join('\n')}\n`);
  return 0;
}

export async function hostFence(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { confirm: { type: 'string' }, machine: { type: 'boolean', default: false }, force: { type: 'boolean', default: false } } });
  const name = one(positionals, 'host fence HOST --confirm "how it was verified that it is off"');
  if (values.confirm === undefined) throw new ConfigError('Say with --confirm "…" how it was verified that the host is off (with --machine: why its power is to be cut). It is recorded with your name.');
  const { fence } = await api.call<{ fence: FenceView }>('POST', path(name, '/fence'), { statement: values.confirm, method: values.machine ? 'machine' : 'statement', force: values.force });
  const done = await until(async () => {
    const details = await api.call<Details>('GET', path(name, '/details'));
    return details.fence?.id === fence.id && ['done', 'failed'].includes(details.fence.phase) ? details : undefined;
  }, values.machine ? 180_000 : 20_000);
  if (!done) process.stdout.write(`The fence of ${name} is under way; 'skylite host show ${name}' tells how far it is.\n`);
  else if (done.fence?.phase === 'failed') throw new Error(`${name} was not fenced: ${done.fence.lastError ?? 'its power could not be cut'}`);
  else {
    process.stdout.write(`${name} is fenced: its ${done.servers.length} servers may be rebuilt elsewhere ('skylite host evacuate ${name}') or deleted.\n`);
    for (const alarm of done.alarms.filter((text) => text.includes('keep it switched off'))) process.stdout.write(`ATTENTION: ${alarm}\n`);
  }
  return 0;
}

export async function hostUnfence(api: ApiClient, name: string): Promise<number> {
  await api.call('POST', path(name, '/unfence'));
  const done = await until(async () => ((await api.call<{ host: HostView }>('GET', path(name))).host.fenced === true ? undefined : true), 20_000);
  process.stdout.write(done ? `${name} is taken back: it hears what is wanted of it, and 'deleted' for what left it.\n` : `${name} is being taken back; 'skylite host show ${name}' tells how far it is.\n`);
  return 0;
}

/** Rebuilds every server of a fenced host elsewhere, through the compute API. */
export async function hostEvacuate(api: ApiClient, name: string): Promise<number> {
  const { host, servers } = await api.call<Details>('GET', path(name, '/details'));
  if (host.fenced !== true) throw new Error(`${name} is not fenced: fence it first.`);
  let failed = 0;
  for (const server of servers.filter(({ intent }) => intent !== 'deleted')) {
    try {
      await api.call('POST', `/compute/v2.1/servers/${server.id}/action`, { evacuate: {} }, { 'openstack-api-version': 'compute 2.79' });
      process.stdout.write(`${server.name}: is rebuilt elsewhere\n`);
    } catch (error) {
      failed += 1;
      process.stdout.write(`${server.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  return failed === 0 ? 0 : 1;
}

export async function hostRestart(api: ApiClient, args: string[]): Promise<number> {
  const [name, restart] = args;
  if (!name || !restart || args.length !== 2) throw new ConfigError('host restart HOST auto|alone|leased');
  const { host } = await api.call<{ host: HostView }>('PUT', path(name, '/restart'), { restart });
  process.stdout.write(`After a boot ${host.name} ${host.restart === 'leased' ? 'starts servers once it has heard from the cloud' : 'starts its servers by itself'}.\n`);
  return 0;
}

/** The password comes from a file or from standard input: arguments are seen by everybody on the machine. */
export async function hostPowerSet(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: {
    kind: { type: 'string' }, address: { type: 'string' }, username: { type: 'string' }, 'password-file': { type: 'string' }, 'system-path': { type: 'string' }, 'certificate-sha256': { type: 'string' }, remove: { type: 'boolean', default: false },
  } });
  const name = one(positionals, 'host power-set HOST --kind ipmi|redfish --address A --username U --password-file F (- for standard input)');
  if (values.remove) {
    await api.call('DELETE', path(name, '/power'));
    process.stdout.write(`How to cut the power of ${name} is forgotten.\n`);
    return 0;
  }
  const { kind, address, username, 'password-file': file, 'system-path': systemPath, 'certificate-sha256': pin } = values;
  if (kind === undefined || address === undefined || username === undefined || file === undefined) throw new ConfigError('power-set wants --kind, --address, --username and --password-file.');
  const password = readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n$/, '');
  await api.call('PUT', path(name, '/power'), { kind, address, username, password, ...(systemPath !== undefined && { systemPath }), ...(pin !== undefined && { certificateSha256: pin.replaceAll(':', '').toLowerCase() }) });
  process.stdout.write(`The power of ${name} is cut by ${kind} at ${address}. Its password is kept sealed and never shown.\n`);
  return 0;
}

function one(positionals: string[], usage: string): string {
  if (positionals.length !== 1 || !positionals[0]) throw new ConfigError(`usage: skylite ${usage}`);
  return positionals[0];
}

async function until<T>(look: () => Promise<T | undefined>, ms: number): Promise<T | undefined> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined || Date.now() > end) return found;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
