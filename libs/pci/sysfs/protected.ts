import { basename, join } from 'node:path';
import type { PciAddress } from '../api.js';
import { asPort, asWay, mountedBlocks, routedInterfaces, swapBlocks, type BlockNeed } from '../decide/host-needs.js';
import { functionsOn, names, target, targetName, text } from './files.js';
import { PCI_LIMITS } from './limits.js';

type Needs = readonly { readonly path: readonly PciAddress[]; readonly why: string }[];

/**
 * Which functions the host itself lives on. Layers are followed down: partitions, device mapper, md, btrfs, NVMe's multipath; bonds, bridges, VLANs,
 * Open vSwitch. Where the disk of the root or of a ZFS cannot be told, every disk's controller counts: better too many than the wrong one.
 */
export class ProtectedFunctions {
  constructor(private readonly root: string, private readonly procRoot: string) {}

  async read(): Promise<ReadonlyMap<PciAddress, string>> {
    const found = new Map<PciAddress, string>();
    const add = (path: readonly PciAddress[], why: string): void => { for (const address of path) if (!found.has(address)) found.set(address, why); };
    // The default route first: of a function that is needed for several reasons, the one that hurts most is told.
    for (const { path, why } of await this.interfaces()) add(path, why);
    for (const { path, why } of await this.disks()) add(path, why);
    const addPfs = async (): Promise<void> => {
      for (const [address, why] of [...found]) {
        const pf = await target(join(this.root, 'bus/pci/devices', address, 'physfn'));
        const own = pf === null ? null : await target(join(this.root, 'bus/pci/devices', basename(pf)));
        if (own !== null) add(functionsOn(own), why);
      }
    };
    // A VF lives and dies with its PF. Ports and ways last, as theirs are the weakest reasons.
    await addPfs();
    for (const { path, why } of await this.ports()) add(path, why);
    for (const { path, why } of await this.ways()) add(path, why);
    await addPfs();
    return found;
  }

  private async disks(): Promise<{ path: readonly PciAddress[]; why: string }[]> {
    const needs = [...mountedBlocks(await text(join(this.procRoot, 'self/mountinfo')) ?? ''), ...swapBlocks(await text(join(this.procRoot, 'swaps')) ?? '')];
    // Pools of device mapper, md and the like are in use whether mounted or not.
    for (const name of await names(join(this.root, 'class/block'))) {
      const holders = await names(join(this.root, 'class/block', name, 'holders'));
      if (holders.length > 0) needs.push({ numbers: null, source: name, why: `in-use: ${name} is part of ${holders.join(', ')}` });
    }
    // Of a btrfs the table of mounts names one disk, whichever: here are all.
    for (const fs of await names(join(this.root, 'fs/btrfs'))) {
      for (const name of await names(join(this.root, 'fs/btrfs', fs, 'devices'))) needs.push({ numbers: null, source: name, why: `in-use: ${name} is part of a btrfs` });
    }
    const found: { path: readonly PciAddress[]; why: string }[] = [];
    const orAll: string[] = [];
    for (const need of needs) {
      const name = await this.blockOf(need);
      const paths = name === null ? [] : await this.under(name, 0);
      for (const path of paths) found.push({ path, why: need.why });
      if (paths.length === 0 && need.orAll !== undefined) orAll.push(need.orAll);
    }
    // What is known of a disk is told before what is feared.
    for (const why of orAll.slice(0, 1)) {
      for (const block of await names(join(this.root, 'class/block'))) {
        for (const path of await this.under(block, 0)) found.push({ path, why });
      }
    }
    return found;
  }

  private async blockOf(need: BlockNeed): Promise<string | null> {
    if (need.source === '' && need.numbers === null) return null;
    if (need.numbers !== null) return await targetName(join(this.root, 'dev/block', need.numbers));
    const name = basename(need.source);
    if (await target(join(this.root, 'class/block', name)) !== null) return name;
    for (const block of await names(join(this.root, 'class/block'))) {
      if (block.startsWith('dm-') && await text(join(this.root, 'class/block', block, 'dm/name')) === name) return block;
    }
    return null;
  }

  /** The bus paths below a block device, through every layer. */
  private async under(name: string, depth: number): Promise<readonly (readonly PciAddress[])[]> {
    if (depth > 16) return [];
    const dir = join(this.root, 'class/block', name);
    const place = await target(dir) ?? '';
    const path = functionsOn(place);
    if (path.length > 0) return [path];
    const found: (readonly PciAddress[])[] = [];
    for (const slave of await names(join(dir, 'slaves'))) found.push(...await this.under(slave, depth + 1));
    // A partition of such a device stands in its folder.
    const parent = /\/block\/([^/]+)\/[^/]+$/.exec(place)?.[1];
    if (found.length === 0 && parent !== undefined) found.push(...await this.under(parent, depth + 1));
    // NVMe over several paths: the namespace belongs to a subsystem, whose controllers are on the bus.
    const subsystem = /nvme-subsys\d+/.exec(place)?.[0];
    if (subsystem !== undefined) {
      for (const controller of await names(join(this.root, 'class/nvme-subsystem', subsystem))) {
        if (/^nvme\d+$/.test(controller)) found.push(functionsOn(await target(join(this.root, 'class/nvme', controller)) ?? ''));
      }
    }
    return found.filter((each) => each.length > 0);
  }

  private async routed(): Promise<ReturnType<typeof routedInterfaces>> {
    return routedInterfaces(await text(join(this.procRoot, 'net/route')) ?? '', await text(join(this.procRoot, 'net/ipv6_route')) ?? '');
  }

  private async interfaces(): Promise<Needs> {
    return await this.settled(async () => {
      const { byDefault, any } = await this.routed();
      const needs: { path: readonly PciAddress[]; why: string }[] = [];
      for (const name of byDefault) {
        const paths = await this.below(name, new Set());
        for (const path of paths) needs.push({ path, why: `default-route: ${name}` });
        if (paths.length > 0) continue;
        for (const other of any) for (const path of await this.below(other, new Set())) needs.push({ path, why: `default-route: ${name}, whose own way may be ${other}` });
      }
      return { needs, lost: await this.isLost(byDefault) };
    });
  }

  private async isLost(interfaces: readonly string[]): Promise<boolean> {
    let lost = false;
    for (const name of interfaces) lost ||= await target(join(this.root, 'class/net', name)) === null;
    return lost;
  }

  /** Of whatever the host reaches others by: its management, its storage, the way to the control plane. */
  private async ways(): Promise<Needs> {
    return await this.settled(async () => {
      const { reaching } = await this.routed();
      const needs: { path: readonly PciAddress[]; why: string }[] = [];
      // The ports of a switch are asked for themselves.
      for (const name of reaching) for (const path of await this.below(name, new Set(['ovs-system']))) needs.push({ path, why: asWay(name) });
      return { needs, lost: await this.isLost(reaching) };
    });
  }

  /** Of bridges, bonds, switches and the like, whether or not a route leads there: guests and the host's own networks hang on them. */
  private async ports(): Promise<Needs> {
    return await this.settled(async () => {
      const needs: { path: readonly PciAddress[]; why: string }[] = [];
      const listed = await names(join(this.root, 'class/net'));
      for (const name of listed) {
        const master = await targetName(join(this.root, 'class/net', name, 'master'));
        if (master === null) continue;
        // The other ports of a switch are asked for themselves.
        for (const path of await this.below(name, new Set(['ovs-system']))) needs.push({ path, why: asPort(master) });
      }
      // Such a listing may hold neither the old name nor the new one.
      return { needs, lost: (await names(join(this.root, 'class/net'))).join() !== listed.join() };
    });
  }

  /** An interface that is renamed during a look is needed all the same: the looks are taken together until one of them has lost none. */
  private async settled(look: () => Promise<{ readonly needs: Needs; readonly lost: boolean }>): Promise<Needs> {
    const all: Needs[number][] = [];
    for (let left: number = PCI_LIMITS.renames; ; left -= 1) {
      const { needs, lost } = await look();
      all.push(...needs);
      if (!lost || left === 0) return all;
    }
  }

  private async below(name: string, seen: Set<string>): Promise<readonly (readonly PciAddress[])[]> {
    if (seen.has(name)) return [];
    seen.add(name);
    const dir = join(this.root, 'class/net', name);
    const path = functionsOn(await target(dir) ?? '');
    if (path.length > 0) return [path];
    let lower = (await names(dir)).flatMap((entry) => /^lower_(.+)$/.exec(entry)?.[1] ?? []);
    // An internal port of Open vSwitch has nothing below it to be seen; its switch has.
    if (lower.length === 0 && name !== 'ovs-system') lower = (await names(join(this.root, 'class/net'))).includes('ovs-system') ? ['ovs-system'] : [];
    const found: (readonly PciAddress[])[] = [];
    for (const each of lower) found.push(...await this.below(each, seen));
    return found;
  }
}
