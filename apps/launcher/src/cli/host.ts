import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { HostView } from '#libs/contracts';
import type { ApiClient } from '../client.js';
import { baseUrlOf, type Settings } from '../up/home.js';
import { stateOf } from './lost-hosts.js';
import { table } from './table.js';

export async function hostList(api: ApiClient): Promise<number> {
  const { hosts } = await api.call<{ hosts: HostView[] }>('GET', '/v1/hosts');
  process.stdout.write(`${table(['NAME', 'ZONE', 'STATE', 'VIRT', 'SERVERS', 'VCPUS', 'MEMORY MiB', 'DISK GiB', 'ID'], hosts.map((host) => [
    host.name, host.availabilityZone,
    stateOf(host),
    host.simulated ? 'simulated' : (host.virtType ?? '?'), String(host.used.instances),
    `${host.used.vcpus}/${host.inventory?.vcpus ?? '?'}x${host.ratios.cpu}`, `${host.used.memoryMib}/${host.inventory?.memoryMib ?? '?'}`, `${host.used.diskGib}/${host.inventory?.diskGib ?? '?'}`, host.id,
  ]))}\n`);
  return 0;
}

export async function hostEnroll(api: ApiClient, settings: Settings, args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { zone: { type: 'string', default: 'nova' }, ttl: { type: 'string', default: '3600' } } });
  if (!/^[1-9]\d{0,8}$/.test(values.ttl)) throw new ConfigError(`--ttl ${values.ttl}: it is a number of seconds.`);
  const { tokens, expiresAt } = await api.call<{ tokens: string[]; expiresAt: string }>('POST', '/v1/hosts/enrol-tokens', {
    availabilityZone: values.zone, onlyWhenAsked: false, simulated: false, count: 1, ttlS: Number(values.ttl),
  });
  process.stdout.write(`${tokens[0]}\n`);
  process.stderr.write(`Good once, until ${expiresAt}. On the new machine: skylite-agent join ${baseUrlOf(settings)} TOKEN\n`);
  return 0;
}
