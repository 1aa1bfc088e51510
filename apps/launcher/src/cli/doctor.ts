import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { HostView } from '#libs/contracts';
import { guestsService, guestsServiceText } from '#libs/libvirt';
import { ApiClient, credentialsFrom } from '../client.js';
import { isAlive } from '../supervisor/process.js';
import { leaveOut, readSpecs, readStates } from '../supervisor/spec.js';
import { baseUrlOf, type Home, type Settings } from '../up/home.js';
import { connects, MACHINE_SOCKET } from '../up/machine-libvirt.js';
import { devices } from './doctor-devices.js';
import { proxyFindings, type ProxyFacts } from './doctor-proxies.js';
import type { Finding } from './finding.js';
import { hostRunDir } from '../up/specs.js';
import { findSupervisor } from '../up/supervise.js';

const LOW_DISK_MIB = 2_048;
/** Secrets and state that nobody else may read. */
const PRIVATE = ['secrets', 'secrets/launcher.json', 'secrets/nats-authority.json', 'secrets/nats-launcher.creds', 'openrc', 'demo-openrc', 'clouds.yaml', 'settings.json'];

/** Checks every part; prints what is wrong and the cure. Exit code 1 when anything is wrong. */
export async function doctor(home: Home): Promise<number> {
  const findings: Finding[] = [...machine(home)];
  const settings = home.readSettings();
  if (!settings) findings.push({ part: 'home', ok: false, detail: `there is no Skylite in ${home.dir}`, cure: 'npm run up' }, ...(existsSync(MACHINE_SOCKET) ? guests() : []));
  else findings.push(...privacy(home), ...processes(home), ...(await hostDaemons(settings)), ...(await services(home)), ...(await cloud(home, settings)));
  for (const { part, ok, detail, cure } of findings) process.stdout.write(`${ok ? 'ok   ' : 'WRONG'}  ${part.padEnd(22)} ${detail}${ok || !cure ? '' : `\n       ${''.padEnd(22)} cure: ${cure}`}\n`);
  const wrong = findings.filter((finding) => !finding.ok).length;
  process.stdout.write(wrong === 0 ? '\nAll is well.\n' : `\n${wrong} of ${findings.length} checks found something wrong.\n`);
  return wrong === 0 ? 0 : 1;
}

function machine(home: Home): Finding[] {
  const program = (name: string, args: string[], cure: string): Finding => {
    try {
      return { part: name, ok: true, detail: execFileSync(name, args, { encoding: 'utf8', timeout: 5_000, stdio: ['ignore', 'pipe', 'pipe'] }).split('\n')[0] ?? '' };
    } catch (error) {
      return { part: name, ok: false, detail: `does not run (${(error as NodeJS.ErrnoException).code ?? 'failed'})`, cure };
    }
  };
  const where = existsSync(home.dir) ? home.dir : '/';
  const { bavail, bsize } = statfsSync(where);
  const free = Math.floor((bavail * bsize) / 2 ** 20);
  return [
    { part: 'node', ok: true, detail: process.version },
    program('nats-server', ['--version'], 'npm run up (installs it)'), program('qemu-system-x86_64', ['--version'], 'npm run up (installs it)'), program('libvirtd', ['--version'], 'npm run up (installs it)'),
    { part: 'disk', ok: free > LOW_DISK_MIB, detail: `${free} MiB free below ${where}`, cure: `free space: below ${LOW_DISK_MIB} MiB images and guests fail` },
  ];
}

function privacy(home: Home): Finding[] {
  const open = PRIVATE.filter((name) => existsSync(join(home.dir, name)) && (statSync(join(home.dir, name)).mode & 0o077) !== 0);
  return [{ part: 'secrets', ok: open.length === 0, detail: open.length === 0 ? 'readable by root only' : `others can read ${open.join(', ')}`, cure: `chmod go-rwx ${open.map((name) => join(home.dir, name)).join(' ')}` }];
}

function processes(home: Home): Finding[] {
  const supervisor = findSupervisor(home);
  const states = new Map(readStates(home.dir).map((state) => [state.name, state]));
  return [
    { part: 'supervisor', ok: supervisor !== undefined, detail: supervisor ? `pid ${supervisor.pid}` : 'not running: nothing restarts what fails', cure: 'npm run up (it adopts what still runs)' },
    ...readSpecs(home.dir, leaveOut).map((spec): Finding => {
      const state = states.get(spec.name);
      const alive = state?.process && isAlive(state.process);
      return {
        part: spec.name, ok: Boolean(alive),
        detail: alive ? `pid ${state.process?.pid}, since ${state.startedAt}${state.restarts > 0 ? `, restarted ${state.restarts} times` : ''}` : `not running (${state?.lastExit ?? 'never started'})`,
        cure: `look into ${spec.logFile}`,
      };
    }),
  ];
}

async function hostDaemons(settings: Settings): Promise<Finding[]> {
  const virt: Finding[] = settings.hosts.length === 0 ? [] : [{
    part: 'virtualization', ok: settings.virt !== null,
    detail: settings.virt ? `${settings.virt.type}, found by booting a guest in ${settings.virt.tookMs} ms${settings.virt.kvmReason ? ` (KVM: ${settings.virt.kvmReason})` : ''}` : 'not yet found', cure: 'npm run up',
  }];
  const sockets = await Promise.all(settings.hosts.map(async (host): Promise<Finding> => {
    const path = host.libvirt === 'own' ? join(hostRunDir(settings, host), 'libvirt-sock') : MACHINE_SOCKET;
    const problem = await connects(path);
    return { part: `libvirt of ${host.name}`, ok: problem === undefined, detail: problem ? `${path}: ${problem}` : path, cure: host.libvirt === 'own' ? 'npm run down, then npm run up' : 'start libvirtd (systemctl start libvirtd)' };
  }));
  return [...virt, ...sockets, ...(settings.hosts.some((host) => host.libvirt === 'system') ? guests() : [])];
}

/** Somebody else who stops and starts guests of the machine's libvirt. */
export function guests(root?: string): Finding[] {
  const service = guestsService(root);
  return [service === null ? { part: 'libvirt-guests', ok: true, detail: 'not enabled' } : { part: 'libvirt-guests', ok: false, ...guestsServiceText(service) }];
}

/** Every process's own word on its health. */
async function services(home: Home): Promise<Finding[]> {
  const all = await Promise.all(readSpecs(home.dir, leaveOut).filter((spec) => spec.env.SKYLITE_READY_FILE !== undefined).map(async (spec): Promise<Finding[]> => {
    try {
      const { metricsPort } = JSON.parse(readFileSync(spec.env.SKYLITE_READY_FILE ?? '', 'utf8')) as { metricsPort: number };
      const response = await fetch(`http://127.0.0.1:${metricsPort}/health`, { signal: AbortSignal.timeout(3_000) });
      const health = await response.json() as { ok: boolean; parts: Record<string, { ok: boolean; detail?: string }>; proxies?: ProxyFacts };
      const bad = Object.entries(health.parts).filter(([, part]) => !part.ok).map(([name, part]) => `${name}${part.detail ? ` (${part.detail})` : ''}`);
      return [{ part: `health of ${spec.name}`, ok: health.ok, detail: health.ok ? 'every part reachable' : `not reachable: ${bad.join(', ')}`, cure: `look into ${spec.logFile}` }, ...proxyFindings(health.proxies)];
    } catch (error) {
      return [{ part: `health of ${spec.name}`, ok: false, detail: `does not say (${error instanceof Error ? error.message : String(error)})`, cure: `look into ${spec.logFile}` }];
    }
  }));
  return all.flat();
}

async function cloud(home: Home, settings: Settings): Promise<Finding[]> {
  const base = baseUrlOf(settings);
  try {
    const api = new ApiClient(base, () => credentialsFrom(home.openrc));
    const { hosts } = await api.call<{ hosts: HostView[] }>('GET', '/v1/hosts');
    const { servers } = await api.call<{ servers: { id: string; status: string }[] }>('GET', '/compute/v2.1/servers/detail?all_tenants=1&limit=1000');
    const silent = hosts.filter((host) => !host.alive);
    const errors = servers.filter((server) => server.status === 'ERROR');
    return [
      { part: 'API', ok: true, detail: base },
      { part: 'hosts', ok: silent.length === 0, detail: silent.length === 0 ? `${hosts.length} alive` : `not alive: ${silent.slice(0, 5).map((host) => host.name).join(', ')}`, cure: 'look into their agents\' logs' },
      { part: 'servers', ok: errors.length === 0, detail: errors.length === 0 ? `${servers.length}, none in ERROR` : `${errors.length} of ${servers.length} in ERROR`, cure: `npx skylite inspect server ${errors[0]?.id ?? ''}` },
      ...(await devices(api, settings.hosts.map(({ name }) => name))),
    ];
  } catch (error) {
    return [{ part: 'API', ok: false, detail: `${base}: ${error instanceof Error ? error.message : String(error)}`, cure: `npm run up; the launcher logs to ${join(home.logs, 'launcher.log')}` }];
  }
}
