/** What differs on the hosts, and removing what belongs to no server. */
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { DriftView } from '#libs/contracts';
import type { ApiClient } from '../client.js';
import { table } from './table.js';

const read = (api: ApiClient, host?: string): Promise<{ drift: DriftView[]; more: boolean }> => api.call('GET', `/v1/drift${host === undefined ? '' : `?host=${encodeURIComponent(host)}`}`);

/** @returns 0: nothing differs */
export async function drift(api: ApiClient, args: string[]): Promise<number> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  if (positionals.length > 1) throw new ConfigError('drift wants one host at most.');
  const found = await read(api, positionals[0]);
  if (found.drift.length === 0) {
    process.stdout.write('Nothing differs.\n');
    return 0;
  }
  process.stdout.write(`${table(['HOST', 'WHAT', 'SINCE', 'ID', ''], found.drift.map(({ hostName, hostId, kind, since, id, what }) => [hostName ?? hostId, kind, since, id, what]))}\n`);
  if (found.more) process.stdout.write('… and more.\n');
  const orphans = found.drift.filter(({ orphan }) => orphan);
  if (orphans.length > 0) process.stdout.write(`\nOrphans are never touched by themselves. To remove one for good: skylite clean ${orphans[0]!.id} --confirm "why nobody needs it"\nTo make a server of one: skylite adopt-server ${orphans[0]!.id} --confirm "why it is a server"\nAfter a restored backup: skylite adopt\n`);
  return 1;
}

interface Deed { readonly command: string; readonly why: string; readonly would: string; readonly path: string; readonly done: string }

export const clean = (api: ApiClient, args: string[]): Promise<number> => act(api, args, {
  command: 'clean', why: 'why nobody needs it', would: 'would remove for good, disk and all', path: '/v1/drift/clean', done: 'was told to remove it; `skylite drift` shows it until it is gone.',
});

export const adoptServer = (api: ApiClient, args: string[]): Promise<number> => act(api, args, {
  command: 'adopt-server', why: 'why it is a server', would: 'has, and the database would make a server of it as the domain tells it', path: '/v1/drift/adopt', done: 'has it as a server from now on; `skylite inspect server` shows it.',
});

async function act(api: ApiClient, args: string[], { command, why, would, path, done }: Deed): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { confirm: { type: 'string' }, host: { type: 'string' } } });
  const id = positionals[0];
  if (positionals.length !== 1 || id === undefined) throw new ConfigError(`${command} wants the id of one orphan, as \`skylite drift\` shows it.`);
  const found = (await read(api, values.host)).drift.filter((entry) => entry.orphan && entry.id === id);
  const hosts = [...new Map(found.map((entry) => [entry.hostId, entry.hostName ?? entry.hostId])).entries()];
  if (hosts.length === 0) throw new ConfigError(`no host has an orphan ${id}.`);
  if (hosts.length > 1) throw new ConfigError(`several hosts have an orphan ${id}: say which by --host (${hosts.map(([, name]) => name).join(', ')}).`);
  const [hostId, name] = hosts[0]!;
  if ((values.confirm ?? '').trim().length < 3) {
    process.stdout.write(`${name} ${would}:\n${found.map(({ what }) => `  ${what}`).join('\n')}\nNothing was done. To do it: skylite ${command} ${id} --confirm "${why}"\n`);
    return 1;
  }
  await api.call('POST', path, { host: hostId, id, confirm: values.confirm });
  process.stdout.write(`${name} ${done}\n`);
  return 0;
}
