import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HeldFunction, PciAddress, PciFunction, PciReading, VfSettings } from '../api.js';
import { carrierOf, setVfArguments, vfsOf } from '../decide/ip-link.js';
import { describe } from '../kernel-pci.js';
import type { KernelAnswer, KernelPort, KernelWrite } from '../kernel-port.js';
import { errnoOf, runChild, type RunChild } from './child.js';
import { targetName, text } from './files.js';
import { isUp } from './interfaces.js';
import { PCI_LIMITS } from './limits.js';
import { LinkReads } from './link-reads.js';
import { openedGroups } from './opened.js';
import { LockBook } from './lock-book.js';
import { ProtectedFunctions } from './protected.js';
import { SysfsReader } from './reader.js';

export interface SysfsOptions {
  /** Where sysfs is; default /sys. */
  readonly root?: string;
  /** Default /proc. */
  readonly procRoot?: string;
  /** For the locks: a folder that lasts as long as the host is up, and longer than the agent (/run/…). */
  readonly runDir: string;
  /** How programs are run; default: really. */
  readonly run?: RunChild;
  readonly changeEveryMs?: number;
  readonly nowMs?: () => number;
  /** Instead of each write's own. */
  readonly deadlineMs?: number;
}

/** flock's own exit code for a lock that somebody has. */
const LOCKED = 75;

/**
 * The running kernel. A write is `flock -F LOCK dd of=FILE`: one process that locks, becomes dd and writes once; wherever the kernel keeps it,
 * the lock stays with it. It never decides and never looks whether a write is wise.
 */
export class SysfsKernel implements KernelPort {
  readonly bootId: string;
  private readonly root: string;
  private readonly procRoot: string;
  private readonly reader: SysfsReader;
  private readonly book: LockBook;
  private readonly protectedBy: ProtectedFunctions;
  private readonly links: LinkReads;
  private readonly run: RunChild;

  constructor(private readonly options: SysfsOptions) {
    const procRoot = options.procRoot ?? '/proc';
    this.procRoot = procRoot;
    this.root = options.root ?? '/sys';
    this.run = options.run ?? runChild;
    this.bootId = readFileSync(join(procRoot, 'sys/kernel/random/boot_id'), 'latin1').trim();
    this.links = new LinkReads(this.run);
    this.reader = new SysfsReader(this.root, this.run, this.links);
    this.book = new LockBook({ dir: options.runDir, procRoot, bootId: this.bootId });
    this.protectedBy = new ProtectedFunctions(this.root, procRoot);
  }

  async read(): Promise<PciReading> { return await this.reader.read(this.book.held()); }
  async look(address: PciAddress, options?: { readonly override: boolean }): Promise<PciFunction | null> { return await this.reader.look(address, options?.override === true ? this.book.held() : null); }
  async held(): Promise<readonly HeldFunction[]> { return await Promise.resolve(this.book.held()); }
  async opened(word: string): Promise<readonly (readonly PciAddress[])[]> { return await openedGroups(this.root, this.procRoot, word); }
  async protectedFunctions(): Promise<ReadonlyMap<PciAddress, string>> { return await this.protectedBy.read(); }

  async write(write: KernelWrite, lock: PciAddress): Promise<KernelAnswer> {
    const { argv, stdin, deadlineMs } = this.program(write);
    const file = this.book.open(lock);
    const sinceMs = (this.options.nowMs ?? Date.now)();
    let held: HeldFunction | null = null;
    try {
      const end = await this.run({
        argv: ['flock', '--nonblock', '--conflict-exit-code', String(LOCKED), '--no-fork', file, ...argv], stdin, deadlineMs: this.options.deadlineMs ?? deadlineMs,
        started: (pid) => { held = this.book.started(lock, pid, describe(write), sinceMs); },
      });
      if (end.kind === 'late') {
        this.book.left(lock);
        return { kind: 'left', held: held ?? { address: lock, pid: end.pid, startTime: '', bootId: this.bootId, what: describe(write), sinceMs } };
      }
      if (end.code === LOCKED) {
        this.book.refused(lock);
        return { kind: 'locked' };
      }
      this.book.ended(lock);
      if (end.code === 0) return { kind: 'done' };
      return { kind: 'refused', errno: errnoOf(end.stderr), text: end.stderr };
    } catch (error) {
      // The program could not even be started: nothing was written.
      this.book.refused(lock);
      return { kind: 'refused', errno: null, text: `${argv[0] ?? ''} could not be run: ${String(error)}` };
    }
  }

  async vfs(_pf: PciAddress, network: string): Promise<readonly VfSettings[] | Extract<KernelAnswer, { kind: 'refused' }>> {
    const said = await this.links.show(network);
    return said.kind === 'refused' ? said : vfsOf(said.json, network) ?? { kind: 'refused', errno: null, text: 'ip said nothing that can be read' };
  }

  async hasCarrier(network: string): Promise<boolean | null> {
    const said = await this.links.show(network);
    return said.kind === 'refused' ? null : carrierOf(said.json, network);
  }

  async isUp(network: string): Promise<boolean> {
    return isUp(await text(join(this.root, 'class/net', network, 'flags')));
  }

  onChange(listener: () => void): () => void {
    let before: string | null = null;
    let looking = false;
    const look = async (): Promise<void> => {
      const addresses = await this.reader.addresses();
      const drivers: string[] = [];
      for (const address of addresses) drivers.push(`${address} ${await targetName(join(this.root, 'bus/pci/devices', address, 'driver')) ?? ''}`);
      const now = drivers.join('\n');
      if (before !== null && before !== now) listener();
      before = now;
    };
    const timer = setInterval(() => {
      if (looking) return;
      looking = true;
      // A look that fails sees no change; the next one may.
      void look().catch(() => undefined).finally(() => { looking = false; });
    }, this.options.changeEveryMs ?? PCI_LIMITS.changeEveryMs);
    timer.unref();
    return () => { clearInterval(timer); };
  }

  private program(write: KernelWrite): { argv: readonly string[]; stdin: string; deadlineMs: number } {
    const device = (address: PciAddress, property: string): string => join(this.root, 'bus/pci/devices', address, property);
    const into = (file: string, stdin: string, deadlineMs: number) => ({ argv: ['dd', `of=${file}`, 'bs=4096', 'conv=notrunc,nocreat', 'status=none'], stdin, deadlineMs });
    switch (write.op) {
      case 'numvfs': return into(device(write.pf, 'sriov_numvfs'), String(write.count), PCI_LIMITS.numVfsMs);
      case 'autoprobe': return into(device(write.pf, 'sriov_drivers_autoprobe'), write.on ? '1' : '0', PCI_LIMITS.bindMs);
      case 'override': return into(device(write.address, 'driver_override'), `${write.driver ?? ''}\n`, PCI_LIMITS.bindMs);
      case 'unbind': return into(join(this.root, 'bus/pci/drivers', write.driver, 'unbind'), write.address, PCI_LIMITS.bindMs);
      case 'bind': return into(join(this.root, 'bus/pci/drivers', write.driver, 'bind'), write.address, PCI_LIMITS.bindMs);
      case 'probe': return into(join(this.root, 'bus/pci/drivers_probe'), write.address, PCI_LIMITS.bindMs);
      case 'reset': return into(device(write.address, 'reset'), '1', PCI_LIMITS.resetMs);
      case 'link': return { argv: ['ip', 'link', 'set', 'dev', write.network, 'up'], stdin: '', deadlineMs: PCI_LIMITS.ipMs };
      case 'vf': return { argv: ['ip', ...setVfArguments(write.network, write.index, write.settings)], stdin: '', deadlineMs: PCI_LIMITS.ipMs };
    }
  }
}
