/** A way to the bus that can be cut for one host alone, a host's power switch, and a witness of whatever runs twice. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { children, home, libvirtUri, settings } from './cloud.js';
import { kill } from './kill.js';

const run = promisify(execFile);

/**
 * What a cut does to whoever uses the wire: bytes vanish (a dead switch), connections end and are refused (a firewall), or
 * bytes are held and arrive when it is mended, even those of a sender that is no more.
 */
export type Cut = 'silent' | 'refused' | 'late';

/** A TCP proxy: all that a host knows of NATS is its port. */
export class Wire {
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #cut: Cut | undefined;
  #server: Server;
  port = 0;
  /** Connections that were asked for so far. */
  attempts = 0;

  private constructor(private readonly target: number) {
    this.#server = createServer((socket) => this.#join(socket));
  }

  static async to(target: number): Promise<Wire> {
    const wire = new Wire(target);
    wire.port = await wire.#listen(0);
    return wire;
  }

  cut(how: Cut): void {
    this.#cut = how;
    for (const pair of this.#pairs) for (const end of pair) if (how === 'refused') end.destroy(); else end.pause();
  }

  mend(): void {
    const was = this.#cut;
    this.#cut = undefined;
    for (const pair of this.#pairs) for (const end of pair) if (was === 'silent') end.destroy(); else end.resume();
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) for (const end of pair) end.destroy();
    await new Promise((done) => this.#server.close(done));
  }

  #listen(port: number): Promise<number> {
    return new Promise((done) => this.#server.listen(port, '127.0.0.1', () => done((this.#server.address() as { port: number }).port)));
  }

  #join(near: Socket): void {
    this.attempts += 1;
    if (this.#cut === 'refused') {
      near.destroy();
      return;
    }
    const far = connect(this.target, '127.0.0.1');
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on('data', (data) => to.write(data));
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      if (this.#cut !== undefined) from.pause();
    }
  }
}

/** Makes a host's agent know NATS under this port alone, and starts it anew. */
export function rewire(host: string, port: number, dir = home): void {
  const path = join(dir, 'hosts', host, 'lib/skylite/agent/identity.json');
  const identity = JSON.parse(readFileSync(path, 'utf8')) as { membership: { natsUrls: string[] } };
  identity.membership.natsUrls = [`nats://127.0.0.1:${port}`];
  writeFileSync(`${path}.new`, JSON.stringify(identity, null, 2), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  kill(`agent-${host}`, dir);
}

export const natsPort = (dir = home): number => (JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8')) as { natsPort: number }).natsPort;

const specs = (host: string): string[] => [`host-${host}.json`, `agent-${host}.json`];

/** The plug is pulled: its init, libvirtd, agent and guests die at once, and nobody starts them again. */
export function powerOff(host: string, dir = home): void {
  for (const name of specs(host)) renameSync(join(dir, 'run/children', name), join(dir, 'run', `${name}.off`));
  kill(`host-${host}`, dir);
}
export function powerOn(host: string, dir = home): void {
  for (const name of specs(host)) renameSync(join(dir, 'run', `${name}.off`), join(dir, 'run/children', name));
}
/** The plug is pulled and put in again: the supervisor plays the machine that boots by itself. */
export const reboot = (host: string, dir = home): unknown => kill(`host-${host}`, dir);

/** Every process of QEMU that runs a guest: whose, and in which host (its PID namespace). */
export function guestProcesses(): { uuid: string; pid: number; space: string }[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu-')) return [];
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const at = words.indexOf('-uuid');
      return at < 0 ? [] : [{ uuid: words[at + 1] as string, pid: Number(pid), space: readlinkSync(`/proc/${pid}/ns/pid`) }];
    } catch {
      return []; // it ended while it was looked at
    }
  });
}

/** Looks all the time, at QEMU's processes and at every host's libvirt, and writes down each instant at which one server runs twice. */
export class Witness {
  readonly twice: { at: string; uuid: string; seen: string }[] = [];
  looks = 0;
  #over = false;
  #watching: Promise<unknown>;

  constructor(private readonly dir = home) {
    this.#watching = Promise.all([this.#watchProcesses(), this.#watchLibvirt()]);
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#watching;
  }

  async #watchProcesses(): Promise<void> {
    while (!this.#over) {
      const by = new Map<string, string[]>();
      for (const { uuid, pid, space } of guestProcesses()) by.set(uuid, [...by.get(uuid) ?? [], `${pid} in ${space}`]);
      this.#note(by, 'processes');
      await pause(120);
    }
  }

  async #watchLibvirt(): Promise<void> {
    while (!this.#over) {
      const by = new Map<string, string[]>();
      await Promise.all(settings(this.dir).hosts.map(async ({ name }) => {
        const { stdout } = await run('virsh', ['-c', libvirtUri(name, this.dir), 'list', '--uuid', '--state-running'], { timeout: 30_000 }).catch(() => ({ stdout: '' })); // it is off
        for (const uuid of stdout.split('\n').map((line) => line.trim()).filter(Boolean)) by.set(uuid, [...by.get(uuid) ?? [], name]);
      }));
      this.#note(by, 'libvirt');
      await pause(800);
    }
  }

  #note(by: Map<string, string[]>, eyes: string): void {
    this.looks += 1;
    for (const [uuid, where] of by) if (where.length > 1) this.twice.push({ at: new Date().toISOString(), uuid, seen: `${eyes}: ${where.join(', ')}` });
  }
}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
export const isUp = (child: string, dir = home): boolean => children(dir).some(({ name, process }) => name === child && process !== null);
