import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { localHostName, type Home, type HostSetting, type Settings } from './home.js';
import type { UpOptions } from './options.js';
import { UpError } from './progress.js';

export const DEFAULT_PORT = 8780;
/** Nothing is reached from elsewhere unless an operator says so. */
export const LOOPBACK = '127.0.0.1';

/** The last `up`'s settings with this one's words over them. Hosts are only ever added: taking one away is an operator's act. */
export async function resolveSettings(home: Home, options: UpOptions): Promise<Settings> {
  const known = home.readSettings();
  const settings: Settings = known ?? { id: home.newId(), port: options.port ?? DEFAULT_PORT, natsPort: await freePort(), bind: LOOPBACK, hosts: [], localHost: true, fleet: 0, virt: null };
  if (options.port !== undefined) settings.port = options.port;
  if (options.bind !== undefined) settings.bind = options.bind;
  if (!options.localHost) settings.localHost = false;
  if (options.fleet !== undefined) settings.fleet = Math.max(options.fleet, settings.fleet);
  if (settings.localHost && !settings.hosts.some((host) => host.local)) {
    settings.hosts.push({ name: localHostName().toLowerCase(), libvirt: options.libvirt, uuid: randomUUID(), local: true });
  }
  const more = settings.hosts.filter((host) => !host.local).length;
  for (let n = more + 1; n <= (options.hosts ?? 0); n += 1) settings.hosts.push(simulatedHost(n));
  if (settings.hosts.length === 0 && settings.fleet === 0) throw new UpError('there would be no host at all.', 'Leave --no-local-host away, or add --hosts N or --fleet N.');
  home.writeSettings(settings);
  return settings;
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
