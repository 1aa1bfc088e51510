import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HeldFunction, PciAddress } from '../api.js';
import { tryPciAddress } from '../address.js';

export interface LockBookOptions {
  /** A folder that lasts as long as the host is up. */
  readonly dir: string;
  /** /proc, or what stands for it. */
  readonly procRoot: string;
  readonly bootId: string;
}

interface Entry { readonly pid: number; readonly startTime: string; readonly bootId: string; readonly what: string; readonly sinceMs: number }

/**
 * One file for each PF: what a writer has locked (it takes the lock along wherever the kernel keeps it), and who that is. An agent that
 * starts again finds writers of the one before by what is written there; one whose agent died before it could write, by the lock itself.
 * These are files of a memory file system, a few bytes each: read and written at once.
 */
export class LockBook {
  /** Writers of this process that have time left, and what was written there before them. */
  private readonly running = new Map<PciAddress, string>();

  constructor(private readonly options: LockBookOptions) {
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  }

  /** @returns the file to lock */
  open(lock: PciAddress): string {
    const path = this.path(lock);
    writeFileSync(path, '', { flag: 'a', mode: 0o600 });
    this.running.set(lock, readFileSync(path, 'utf8'));
    return path;
  }

  started(lock: PciAddress, pid: number, what: string, sinceMs: number): HeldFunction {
    const entry: Entry = { pid, startTime: this.startTime(pid) ?? '', bootId: this.options.bootId, what, sinceMs };
    writeFileSync(this.path(lock), JSON.stringify(entry));
    return { address: lock, ...entry };
  }

  ended(lock: PciAddress): void {
    this.running.delete(lock);
    writeFileSync(this.path(lock), '');
  }

  /** It wrote nothing, as another has the lock: what is known of that one stands again. */
  refused(lock: PciAddress): void {
    const before = this.running.get(lock) ?? '';
    this.running.delete(lock);
    writeFileSync(this.path(lock), before);
  }

  /** From now on it counts as held. */
  left(lock: PciAddress): void { this.running.delete(lock); }

  held(): readonly HeldFunction[] {
    const found: HeldFunction[] = [];
    const locks = this.locks();
    for (const name of readdirSync(this.options.dir)) {
      const address = name.endsWith('.lock') ? tryPciAddress(name.slice(0, -'.lock'.length)) : null;
      if (address === null || this.running.has(address)) continue;
      const path = this.path(address);
      const { dev, ino } = statSync(path);
      const locker = locks.get(`${majorMinor(dev)}:${ino}`);
      const entry = parse(readFileSync(path, 'utf8'));
      if (entry !== null && this.alive(entry)) found.push({ address, ...entry });
      else if (locker !== undefined) found.push({ address, pid: locker, startTime: this.startTime(locker) ?? '', bootId: this.options.bootId, what: 'A writer of an earlier agent', sinceMs: 0 });
      else if (entry !== null) writeFileSync(path, '');
    }
    return found;
  }

  /** The same process as then, and not only its remains that nobody has collected. */
  private alive(entry: Entry): boolean {
    return entry.bootId === this.options.bootId && this.startTime(entry.pid) === entry.startTime;
  }

  private startTime(pid: number): string | null {
    try {
      const stat = readFileSync(join(this.options.procRoot, String(pid), 'stat'), 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? null : fields[19] ?? null;
    } catch {
      return null;
    }
  }

  /** Who has which file locked, by the file's number. */
  private locks(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    const path = join(this.options.procRoot, 'locks');
    for (const line of existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []) {
      const match = /: FLOCK\s+\S+\s+WRITE (-?\d+) ([0-9a-f]+:[0-9a-f]+:\d+) /.exec(line);
      if (match !== null && !line.includes('->')) found.set(match[2] ?? '', Number(match[1]));
    }
    return found;
  }

  private path(lock: PciAddress): string { return join(this.options.dir, `${lock}.lock`); }
}

/** As /proc/locks writes a file system's number. */
function majorMinor(dev: number): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}`;
}

function parse(text: string): Entry | null {
  try {
    const value = JSON.parse(text) as Partial<Entry>;
    return typeof value.pid === 'number' && typeof value.startTime === 'string' && typeof value.bootId === 'string'
      ? { pid: value.pid, startTime: value.startTime, bootId: value.bootId, what: value.what ?? '', sinceMs: value.sinceMs ?? 0 } : null;
  } catch {
    return null;
  }
}
