import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '#libs/config';
import { writeAtomically } from '../supervisor/spec.js';
import { UpError } from './progress.js';

/** A database, an image and some logs; guests need more. */
const FREE_MIB = 256;

/** The clone's root, seen from dist/apps/launcher/src/up/. */
export const repository = resolve(import.meta.dirname, '../../../../..');

export const HostSetting = z.object({
  name: z.string(),
  /** `own`: private libvirtd in namespaces; `system`: the machine's. */
  libvirt: z.enum(['own', 'system']),
  uuid: z.uuid(),
  /** The host that stands for this machine; others are simulated hosts with real libvirtds. */
  local: z.boolean(),
});
export type HostSetting = z.output<typeof HostSetting>;

export const Settings = z.object({
  /** Names this Skylite's folder below /run/skylite. */
  id: z.string().regex(/^[0-9a-f]{8}$/),
  /** The one address on which the public port and NATS are served. Loopback unless `up --bind` said otherwise. */
  bind: z.ipv4().default('127.0.0.1'),
  port: z.int().min(1).max(65_535),
  natsPort: z.int().min(1).max(65_535),
  hosts: z.array(HostSetting),
  /** This machine is a compute host too. */
  localHost: z.boolean().default(true),
  fleet: z.int().min(0),
  /** CPU sets and huge pages of each host with a libvirt, as they were said. */
  placement: z.object({ cpuShared: z.string().optional(), cpuDedicated: z.string().optional(), hugePages: z.string().optional() }).optional(),
  virt: z.object({ type: z.enum(['kvm', 'qemu']), evidence: z.string(), tookMs: z.number(), kvmReason: z.string().nullable() }).nullable(),
});
export type Settings = z.output<typeof Settings>;

/** One Skylite's folders and files. Nothing here is readable by others. */
export class Home {
  constructor(readonly dir: string) {}

  get settingsFile(): string { return join(this.dir, 'settings.json'); }
  get secretsDir(): string { return join(this.dir, 'secrets'); }
  get secretsFile(): string { return join(this.secretsDir, 'launcher.json'); }
  get natsAuthorityFile(): string { return join(this.secretsDir, 'nats-authority.json'); }
  get natsCreds(): string { return join(this.secretsDir, 'nats-launcher.creds'); }
  get openrc(): string { return join(this.dir, 'openrc'); }
  get logs(): string { return join(this.dir, 'logs'); }
  get run(): string { return join(this.dir, 'run'); }
  ready(name: string): string { return join(this.run, 'ready', `${name}.json`); }
  hostDir(name: string): string { return join(this.dir, 'hosts', name); }
  get exists(): boolean { return existsSync(this.settingsFile); }

  /** The disk where the home is, or will be. */
  demandSpace(): void {
    const near = nearest(this.dir);
    const { bavail, bsize } = statfsSync(near);
    const free = Math.floor((bavail * bsize) / 2 ** 20);
    if (free < FREE_MIB) throw new UpError(`only ${free} MiB are free on the disk of ${this.dir}; ${FREE_MIB} MiB are needed.`, 'Free some space, or set SKYLITE_HOME to a folder on another disk.');
  }

  make(): void {
    try {
      this.#make();
    } catch (error) {
      throw new UpError(`the folder ${this.dir} cannot be made (${(error as NodeJS.ErrnoException).code ?? String(error)}).`, 'Set SKYLITE_HOME to a folder that root may write.');
    }
  }

  #make(): void {
    // One step at a time: made at once, a folder below /proc would be tried for ever.
    for (const dir of missing(this.dir)) mkdirSync(dir, { mode: 0o711 });
    for (const dir of [this.secretsDir, this.logs, this.run, join(this.run, 'ready'), join(this.dir, 'hosts')]) mkdirSync(dir, { recursive: true, mode: 0o700 });
    // Guests run unprivileged and must reach their disks: the way down may be walked, not listed.
    chmodSync(this.dir, 0o711);
    chmodSync(join(this.dir, 'hosts'), 0o711);
    for (const dir of [this.secretsDir, this.run]) chmodSync(dir, 0o700);
  }

  readSettings(): Settings | undefined {
    if (!this.exists) return undefined;
    const parsed = Settings.safeParse(readJson(this.settingsFile));
    if (!parsed.success) throw new ConfigError(`${this.settingsFile} is damaged: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`);
    return parsed.data;
  }

  writeSettings(settings: Settings): void { writeAtomically(this.settingsFile, `${JSON.stringify(settings, null, 1)}\n`); }

  newId(): string { return createHash('sha256').update(this.dir).update(randomBytes(8)).digest('hex').slice(0, 8); }
}

/** The folders above `dir` that are not there, and itself, from the top down. */
function missing(dir: string): string[] {
  return existsSync(dir) ? [] : [...missing(dirname(dir)), dir];
}
const nearest = (dir: string): string => (existsSync(dir) ? dir : nearest(dirname(dir)));

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(code === 'EACCES' ? `${path} may be read by root only: use sudo.` : `${path} cannot be read (${code ?? 'it is not JSON'}). Mend or restore it.`);
  }
}

/** Where this Skylite is reached, by people and by its own parts alike. */
export const baseUrlOf = (settings: Pick<Settings, 'bind' | 'port'>): string => `http://${settings.bind}:${settings.port}`;
export const natsUrlOf = (settings: Pick<Settings, 'bind' | 'natsPort'>): string => `nats://${settings.bind}:${settings.natsPort}`;

export const runDirOf = (settings: Pick<Settings, 'id'>): string => `/run/skylite/${settings.id}`;

/** The machine's name as a host's name: what DNS allows. */
export const localHostName = (): string => hostname().split('.')[0]?.replace(/[^A-Za-z0-9-]/g, '-').replace(/^-+|-+$/g, '').slice(0, 60) || 'localhost';
