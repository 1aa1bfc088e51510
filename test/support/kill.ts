import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { children, home, settings } from './cloud.js';

interface Proc { pid: number; parent: number; name: string; uid: number }

function processes(): Proc[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [{ pid: Number(name), parent: Number(rest[1]), name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), uid: 0 }];
    } catch {
      return [];
    }
  });
}

const below = (root: number, all: Proc[]): Proc[] => all.filter((one) => one.parent === root).flatMap((one) => [one, ...below(one.pid, all)]);

/** Pids by the name a person would use; only processes of this cloud. */
export function pidsOf(what: string, dir = home): number[] {
  if (what === 'supervisor') return [(JSON.parse(readFileSync(join(dir, 'run/supervisor.json'), 'utf8')) as { pid: number }).pid];
  const daemon = /^(libvirtd|virtlogd)@(.+)$/.exec(what);
  const pid = children(dir).find((child) => child.name === (daemon ? `host-${daemon[2]}` : what))?.process?.pid;
  if (pid === undefined) throw new Error(`${what} does not run`);
  if (!daemon) {
    // An agent inside a host's namespaces has a stand-in outside: what is killed is the agent.
    const inner = what.startsWith('agent-') ? below(pid, processes()).filter((one) => /^(node|MainThread)/.test(one.name)).map((one) => one.pid) : [];
    return inner.length > 0 ? inner : [pid];
  }
  return below(pid, processes()).filter((one) => one.name === daemon[1]).map((one) => one.pid);
}

/** SIGKILL by pid; how many were hit. */
export function kill(what: string, dir = home): number {
  const pids = pidsOf(what, dir);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return pids.length;
}

/** Stands still for a while (SIGSTOP), then goes on, if it is still there. */
export async function freeze(what: string, ms: number, dir = home): Promise<void> {
  const pids = pidsOf(what, dir);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await new Promise((done) => setTimeout(done, ms));
  for (const pid of pids) {
    try { process.kill(pid, 'SIGCONT'); } catch { /* its supervisor has replaced it */ }
  }
}

/** Every process of the cloud that a create on `host` passes through. */
export const victims = (host: string): string[] => ['launcher', 'postgres', 'nats-server', `agent-${host}`, `libvirtd@${host}`, `virtlogd@${host}`, `host-${host}`];
export const anyHost = (): string => settings().hosts.at(-1)?.name ?? '';
