// A simulated compute host for tests: a real libvirtd and QEMU under a reaping init in namespaces of their own, started and
// stopped through the very scripts that `up` uses. Needs root, libvirt and QEMU.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const DEPLOY = join(import.meta.dirname, '../../deploy');
const START_TIMEOUT_MS = 170_000;
const BUILD_TIMEOUT_MS = 300_000;
const MAX_OUTPUT = 16 * 2 ** 20;

/** What `host-start` prints. */
interface HostFacts {
  readonly name: string;
  readonly uuid: string;
  /** The host's init, as seen from outside. */
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  /** libvirt's socket, reachable from outside and inside. */
  readonly socket: string;
  readonly runDir: string;
  /** Folder for disks and images; domain XML names it by `inside`, which QEMU's unprivileged user can reach. */
  readonly data: { readonly outside: string; readonly inside: string };
}

export class SimulatedHost {
  #facts: HostFacts | undefined;

  private constructor(
    readonly hostDir: string,
    readonly runDir: string,
    readonly name: string,
    readonly uuid: string,
  ) {}

  /** Starts a host with a folder of its own under the system's temporary folder. */
  static async start({ name = 'host-a', uuid = randomUUID() }: { name?: string; uuid?: string } = {}): Promise<SimulatedHost> {
    const hostDir = mkdtempSync(join(tmpdir(), 'sky-host-'));
    const host = new SimulatedHost(hostDir, join('/run/skylite', hostDir.slice(-6), name), name, uuid);
    try {
      await host.powerOn();
    } catch (error) {
      await host.dispose();
      throw error;
    }
    return host;
  }

  get facts(): HostFacts {
    if (!this.#facts) throw new Error(`host ${this.name} has not been started`);
    return this.#facts;
  }

  /** Starts it, or finds it running; after a power loss this is the next boot. */
  async powerOn(): Promise<HostFacts> {
    const { stdout } = await run(
      process.execPath,
      [join(DEPLOY, 'host/host-start.mjs'), this.hostDir, this.runDir, this.name, this.uuid],
      { timeout: START_TIMEOUT_MS },
    );
    this.#facts = JSON.parse(stdout) as HostFacts;
    return this.#facts;
  }

  /** Pulls the plug and clears the host's traces; its disks and definitions stay. */
  async powerOff(): Promise<void> {
    await run(process.execPath, [join(DEPLOY, 'host/host-stop.mjs'), this.hostDir], { timeout: START_TIMEOUT_MS });
  }

  /** Pulls the plug and clears nothing: what is left is what the kernel leaves. Returns when init has ended. */
  async losePower(): Promise<void> {
    process.kill(this.facts.pid, 'SIGKILL');
    await until(`end of init ${this.facts.pid}`, 60_000, () => startTimeOf(this.facts.pid) !== this.facts.startTime);
  }

  /** Runs a command inside the host. @returns its stdout */
  async exec(...command: string[]): Promise<string> {
    const { stdout } = await run('/bin/sh', [join(DEPLOY, 'host/host-exec.sh'), this.hostDir, '--', ...command], { maxBuffer: MAX_OUTPUT });
    return stdout;
  }

  /** Runs virsh on this host's libvirt. @returns its stdout, trimmed */
  async virsh(...words: string[]): Promise<string> {
    const { stdout } = await run('virsh', ['-q', '-c', `qemu+unix:///system?socket=${this.facts.socket}`, ...words], { maxBuffer: MAX_OUTPUT });
    return stdout.trim();
  }

  /** The outside pid of one of the host's processes, by the name of its program; undefined when there is none. */
  processId(program: string): number | undefined {
    const pending = [this.facts.pid];
    for (let pid = pending.shift(); pid !== undefined; pid = pending.shift()) {
      if (programOf(pid) === program) return pid;
      pending.push(...childrenOf(pid));
    }
    return undefined;
  }

  /** Powers off and removes everything. */
  async dispose(): Promise<void> {
    await this.powerOff();
    rmSync(this.hostDir, { recursive: true, force: true });
    rmSync(join(this.runDir, '..'), { recursive: true, force: true });
  }
}

/** The path of the skylite-tiny image, built if this machine has not built it yet. */
export async function tinyImage(): Promise<string> {
  const { stdout } = await run(process.execPath, [join(DEPLOY, 'images/skylite-tiny/build.mjs')], { timeout: BUILD_TIMEOUT_MS, maxBuffer: MAX_OUTPUT });
  return stdout.trim().split('\n').at(-1) as string;
}

/** Waits for a condition. @throws Error when it does not come true in time */
export async function until(what: string, ms: number, test: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + ms; !(await test()); await sleep(50)) {
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`);
  }
}

/** The start time of a living process (a zombie is dead). */
export function startTimeOf(pid: number): string | undefined {
  const stat = contentOf(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function childrenOf(pid: number): number[] {
  return contentOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function programOf(pid: number): string {
  return contentOf(`/proc/${pid}/cmdline`).split('\0')[0]?.split('/').at(-1) ?? '';
}

/** Empty when there is no such file (any more): processes come and go while one looks. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
