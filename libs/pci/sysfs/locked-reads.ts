import { join } from 'node:path';
import type { PciAddress } from '../api.js';
import { deviceSerialNumber, vpdSerial } from '../decide/serial.js';
import type { ChildRun, RunChild } from './child.js';
import { PCI_LIMITS } from './limits.js';

/**
 * What can only be read with the device's lock, or by waking the device: read by a child, as some other program's writer may hold that lock
 * for hours. While such a child hangs, no other is started for the same, and what it was to read is unknown.
 */
export class LockedReads {
  /** One function of many that hangs must not hide the others from whoever asks for one alone. */
  private readonly stuck = new Set<string>();

  constructor(private readonly root: string, private readonly run: RunChild) {}

  /** By address; a function without an override has null, one that could not be read is missing. */
  async overrides(of: readonly PciAddress[]): Promise<ReadonlyMap<PciAddress, string | null>> {
    const files = new Map(of.map((address) => [join(this.root, 'bus/pci/devices', address, 'driver_override'), address] as const));
    const found = new Map<PciAddress, string | null>();
    if (files.size === 0) return found;
    const output = await this.read(of.length === 1 ? of[0] ?? '' : 'overrides', { argv: ['grep', '-H', '', ...files.keys()], deadlineMs: PCI_LIMITS.lockedReadMs });
    for (const line of output.lines) {
      const at = line.indexOf('/driver_override:');
      const address = at < 0 ? undefined : files.get(line.slice(0, at + '/driver_override'.length));
      const value = line.slice(at + '/driver_override:'.length).trim();
      if (address !== undefined) found.set(address, value === '(null)' || value === '' ? null : value);
    }
    return found;
  }

  /** Serial numbers of cards, from the configuration space or vital product data; null: it has none; undefined: it was begun with, and hung. Of others nothing could be asked. */
  async serials(of: readonly PciAddress[]): Promise<ReadonlyMap<PciAddress, string | null | undefined>> {
    const found = new Map<PciAddress, string | null | undefined>();
    if (of.length === 0) return found;
    const script = 'cd "$1" || exit 1; shift; for a; do printf "%s " "$a"; base64 -w0 "$a/config" 2>/dev/null; printf " "; [ -e "$a/vpd" ] && head -c 1024 "$a/vpd" 2>/dev/null | base64 -w0; echo; done';
    const output = await this.read('serials', { argv: ['sh', '-c', script, 'sh', join(this.root, 'bus/pci/devices'), ...of], deadlineMs: PCI_LIMITS.serialMs });
    for (const line of output.lines) {
      const [address = '', config = '', vpd = ''] = line.split(' ');
      if (address !== '') found.set(address as PciAddress, deviceSerialNumber(Buffer.from(config, 'base64')) ?? vpdSerial(Buffer.from(vpd, 'base64')));
    }
    // The address is printed before anything of it is read.
    const hung = of.find((address) => output.rest.startsWith(`${address} `));
    if (hung !== undefined) found.set(hung, undefined);
    return found;
  }

  /** @returns whole lines, also those of a child that hangs now, and what it had said of the next one */
  private async read(what: string, run: ChildRun): Promise<{ readonly lines: readonly string[]; readonly rest: string }> {
    if (this.stuck.has(what)) return { lines: [], rest: '' };
    const end = await this.run(run);
    if (end.kind === 'late') {
      this.stuck.add(what);
      void end.ended.then(() => { this.stuck.delete(what); });
    }
    const lines = end.stdout.toString('latin1').split('\n');
    const rest = lines.pop() ?? '';
    return { lines, rest };
  }
}
