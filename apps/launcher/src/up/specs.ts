import { statfsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedPostgres } from '#libs/embedded-postgres';
import type { ChildSpec } from '../supervisor/spec.js';
import { baseUrlOf, natsUrlOf, repository, runDirOf, type Home, type HostSetting, type Settings } from './home.js';
import { MACHINE_SOCKET } from './machine-libvirt.js';

/** Memory that the machine keeps for itself, its control plane and its page cache, MiB. */
const KEPT_MEMORY_MIB = 1_536;
/** Node's young generation, MiB: agents stay small, and make no garbage fast enough to feel it. */
const SMALL_HEAP = ['--max-semi-space-size=2'];

/** The control plane's (and that of a thousand simulated hosts in one process), MiB: with less, half of what it does under load is moving what lives a moment longer. Grows only when it is used. */
const BUSY_HEAP = ['--max-semi-space-size=16'];

const node = process.execPath;
const dist = (path: string): string => join(repository, 'dist', path);

export interface Base { home: Home; settings: Settings; path: string; logLevel: string; launcherEnv?: Readonly<Record<string, string>>; fleetEnv?: Readonly<Record<string, string>> }

const child = (base: Base, spec: Pick<ChildSpec, 'name' | 'order' | 'command' | 'args'> & Partial<ChildSpec>): ChildSpec => ({
  cwd: base.home.dir, env: { PATH: base.path }, logFile: join(base.home.logs, `${spec.name}.log`),
  stop: { signal: 'SIGTERM', timeoutMs: 15_000 }, daemon: 'self', outlivesDown: false, ...spec,
});

export const postgresSpec = (base: Base, postgres: EmbeddedPostgres): ChildSpec =>
  child(base, { name: 'postgres', order: 1, command: postgres.command, args: postgres.args, stop: { signal: 'SIGINT', timeoutMs: 30_000 } });

/** One thread at a time carries a hundred thousand messages a second; with more, half of its work at rest is threads that look for work. */
export const natsSpec = (base: Base): ChildSpec =>
  child(base, { name: 'nats-server', order: 1, command: 'nats-server', args: ['-c', join(base.home.dir, 'nats/nats.conf')], env: { PATH: base.path, GOMAXPROCS: '1' } });

export function launcherSpec(base: Base, setting: { region: string }): ChildSpec {
  return child(base, {
    name: 'launcher', order: 2, command: node,
    args: ['--no-warnings', '--enable-source-maps', ...BUSY_HEAP, dist('apps/launcher/src/main.js')],
    env: {
      ...base.launcherEnv,
      PATH: base.path, SKYLITE_PORT: String(base.settings.port), SKYLITE_BIND: base.settings.bind, SKYLITE_REGION: setting.region, SKYLITE_SECRETS_FILE: base.home.secretsFile,
      SKYLITE_IMAGES_DIR: join(base.home.dir, 'images'), SKYLITE_NATS_URLS: natsUrlOf(base.settings), SKYLITE_NATS_CREDS: base.home.natsCreds,
      SKYLITE_READY_FILE: base.home.ready('launcher'), SKYLITE_LOG_LEVEL: base.logLevel, NODE_ENV: 'production',
    },
  });
}

export const hostRunDir = (settings: Settings, host: HostSetting): string => join(runDirOf(settings), `h${settings.hosts.indexOf(host)}`);

export function hostSpec(base: Base, host: HostSetting): ChildSpec {
  return child(base, {
    name: `host-${host.name}`, order: 1, command: node,
    args: [join(repository, 'deploy/host/host-start.mjs'), base.home.hostDir(host.name), hostRunDir(base.settings, host), host.name, host.uuid, '--virt-type', base.settings.virt?.type ?? 'qemu'],
    daemon: 'reported', outlivesDown: true, stop: { signal: 'SIGKILL', timeoutMs: 10_000 },
  });
}

/**
 * Where an agent keeps what it knows, its guests' disks included. A host of its own sees the folder below its
 * /var/lib/libvirt, so that guests reach it as an unprivileged user even if the home is below a folder they may not enter.
 */
export const agentStateDir = (home: Home, host: HostSetting): string => join(home.hostDir(host.name), host.libvirt === 'own' ? 'lib/skylite/agent' : 'agent');
/** The same folder as the agent sees it. */
export const agentStateDirInside = (home: Home, host: HostSetting): string => (host.libvirt === 'own' ? '/var/lib/libvirt/skylite/agent' : agentStateDir(home, host));

/** How a host's agent is run, for `join` and `run` alike: inside its host's namespaces where it has some. */
export function agentCommand(base: Base, host: HostSetting, words: string[]): { command: string; args: string[]; env: Record<string, string> } {
  const program = [node, '--no-warnings', ...SMALL_HEAP, dist('skylite-agent.mjs'), ...words];
  const share = shareOf(base.settings);
  const env = {
    PATH: base.path, SKYLITE_STATE_DIR: agentStateDirInside(base.home, host),
    SKYLITE_LIBVIRT_SOCKET: host.libvirt === 'own' ? join(hostRunDir(base.settings, host), 'libvirt-sock') : MACHINE_SOCKET,
    SKYLITE_VIRT_TYPE: base.settings.virt?.type ?? 'qemu', SKYLITE_HOST_ADDRESS: '127.0.0.1',
    ...placementEnv(base.settings.placement ?? {}, share.vcpus), SKYLITE_SHARE_MEMORY_MIB: String(share.memoryMib), SKYLITE_SHARE_DISK_GIB: String(share.diskGib), SKYLITE_RESERVED_MEMORY_MIB: '0',
    SKYLITE_READY_FILE: base.home.ready(`agent-${host.name}`), SKYLITE_LOG_LEVEL: base.logLevel, NODE_ENV: 'production',
  };
  if (host.libvirt === 'system') return { command: program[0] as string, args: program.slice(1), env };
  return { command: '/bin/sh', args: [join(repository, 'deploy/host/host-exec.sh'), base.home.hostDir(host.name), '--', ...program], env };
}

/** Without CPU sets, a number of CPUs; with them, the same for each host: the machine has no others. */
export function placementEnv({ cpuShared, cpuDedicated, hugePages }: NonNullable<Settings['placement']>, vcpus: number): Record<string, string> {
  const isStated = cpuShared !== undefined || cpuDedicated !== undefined;
  return {
    ...(!isStated && { SKYLITE_SHARE_VCPUS: String(vcpus) }), ...(cpuShared !== undefined && { SKYLITE_CPU_SHARED: cpuShared }),
    ...(cpuDedicated !== undefined && { SKYLITE_CPU_DEDICATED: cpuDedicated }), ...(hugePages !== undefined && { SKYLITE_SHARE_HUGE_PAGES: hugePages }),
  };
}

export const agentSpec = (base: Base, host: HostSetting): ChildSpec => child(base, { name: `agent-${host.name}`, order: 3, ...agentCommand(base, host, ['run']) });

export const fleetStateDir = (home: Home): string => join(home.dir, 'fleet');

export function fleetSpec(base: Base, tokensFile: string): ChildSpec {
  return child(base, {
    name: 'fleet', order: 3, command: node, args: ['--no-warnings', ...BUSY_HEAP, dist('skylite-agent.mjs'), 'fleet'],
    env: {
      ...base.fleetEnv,
      PATH: base.path, SKYLITE_STATE_DIR: fleetStateDir(base.home), SKYLITE_FLEET_SIZE: String(base.settings.fleet), SKYLITE_API_URL: baseUrlOf(base.settings),
      SKYLITE_ENROL_TOKENS_FILE: tokensFile, SKYLITE_READY_FILE: base.home.ready('fleet'), SKYLITE_LOG_LEVEL: base.logLevel, NODE_ENV: 'production',
    },
  });
}

/** Hosts on one machine declare shares of it, not all of it. */
export function shareOf(settings: Settings): { vcpus: number; memoryMib: number; diskGib: number } {
  const hosts = Math.max(1, settings.hosts.length);
  const { bavail, bsize } = statfsSync(repository);
  return {
    vcpus: Math.max(1, Math.floor(cpus().length / hosts)),
    memoryMib: Math.max(512, Math.floor((totalmem() / 2 ** 20 - KEPT_MEMORY_MIB) / hosts)),
    diskGib: Math.max(1, Math.floor((bavail * bsize) / 2 ** 30 / hosts)),
  };
}

