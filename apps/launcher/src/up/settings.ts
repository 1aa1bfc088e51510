import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { formatCpuList, onlineCpus, parseCpuList } from '#libs/config';
import { localHostName, type Home, type HostSetting, type Settings } from './home.js';
import type { UpOptions } from './options.js';
import { UpError } from './progress.js';

export const DEFAULT_PORT = 8780;
/** Nothing is reached from elsewhere unless an operator says so. */
export const LOOPBACK = '127.0.0.1';

/**
 * The last `up`'s settings with this one's words over them; nothing is written. Hosts are only ever added: taking one away
 * is an operator's act. Words that cannot be followed are refused rather than forgotten.
 */
export async function resolveSettings(home: Home, options: UpOptions): Promise<Settings> {
  const known = home.readSettings();
  if (known) refuseContradictions(home, known, options);
  const settings: Settings = known ?? { id: home.newId(), port: options.port ?? DEFAULT_PORT, natsPort: await freePort(), bind: LOOPBACK, hosts: [], localHost: true, fleet: 0, virt: null };
  if (options.port !== undefined) settings.port = options.port;
  if (options.bind !== undefined) settings.bind = options.bind;
  if (!options.localHost) settings.localHost = false;
  if (options.fleet !== undefined) settings.fleet = Math.max(options.fleet, settings.fleet);
  if (settings.localHost && !settings.hosts.some((host) => host.local)) {
    settings.hosts.push({ name: localHostName().toLowerCase(), libvirt: options.libvirt ?? 'own', uuid: randomUUID(), local: true });
  }
  const more = settings.hosts.filter((host) => !host.local).length;
  for (let n = more + 1; n <= (options.hosts ?? 0); n += 1) settings.hosts.push(simulatedHost(n));
  await place(settings, options);
  if (settings.hosts.length === 0 && settings.fleet === 0) throw new UpError('there would be no host at all.', 'Leave --no-local-host away, or add --hosts N or --fleet N.');
  return settings;
}

/** CPU sets and huge pages may be said anew by each up. */
async function place(settings: Settings, options: UpOptions): Promise<void> {
  const said = { ...settings.placement };
  for (const name of ['cpuShared', 'cpuDedicated', 'hugePages'] as const) {
    if (options[name] === 'none') delete said[name];
    else if (options[name] !== undefined) said[name] = options[name];
  }
  const [shared, dedicated] = [said.cpuShared, said.cpuDedicated].map((text) => (text === undefined ? [] : parseCpuList(text))) as [number[], number[]];
  const both = shared.filter((cpu) => dedicated.includes(cpu));
  if (both.length > 0) throw new UpError(`--cpu-shared and --cpu-dedicated both name CPU ${formatCpuList(both)}.`, 'A CPU is either shared or dedicated: leave it out of one of them.');
  const there = await onlineCpus();
  const missing = [...shared, ...dedicated].filter((cpu) => !there.includes(cpu)).sort((a, b) => a - b);
  if (missing.length > 0) throw new UpError(`this machine has no CPU ${formatCpuList(missing)}; it has ${formatCpuList(there)}.`, 'Say other ones, or `none`.');
  if (Object.keys(said).length > 0) settings.placement = said;
  else delete settings.placement;
}

function refuseContradictions(home: Home, known: Settings, options: UpOptions): void {
  const anew = 'Leave it away, or start anew after `npm run down -- --purge`.';
  const local = known.hosts.find((host) => host.local);
  if (local && !options.localHost) throw new UpError(`--no-local-host comes too late: ${local.name} is a host of ${home.dir} since its first up.`, anew);
  if (options.libvirt && !local) throw new UpError(`--libvirt comes too late: ${home.dir} was made without a local host.`, anew);
  if (local && options.libvirt && options.libvirt !== local.libvirt) throw new UpError(`--libvirt ${options.libvirt} comes too late: ${local.name} has ${local.libvirt === 'own' ? 'a libvirt of its own' : 'the machine\'s libvirt'} since the first up.`, anew);
  // Simulated hosts that are the only ones are in the default zone: real guests must not land there.
  if (known.hosts.length === 0 && (options.hosts ?? 0) > 0) throw new UpError(`--hosts comes too late: ${home.dir} was made of simulated hosts only, in the zone that servers go to by default.`, anew);
}

const simulatedHost = (n: number): HostSetting => ({ name: `host-${n}`, libvirt: 'own', uuid: randomUUID(), local: false });

export const freePort = (): Promise<number> => new Promise((resolve, reject) => {
  const server = createServer();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
});

/** Undefined when free, else why not. */
export const portProblem = (bind: string, port: number): Promise<string | undefined> => new Promise((resolve) => {
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  server.listen(port, bind, () => server.close(() => resolve(undefined)));
});
