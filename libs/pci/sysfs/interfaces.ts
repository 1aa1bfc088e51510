import { join } from 'node:path';
import { permanentMacs, tryMac } from '../decide/ip-link.js';
import type { PciAddress, PciNetwork } from '../api.js';
import { each, functionsOn, names, objectOf, target, text } from './files.js';
import { PCI_LIMITS } from './limits.js';
import type { LinkReads } from './link-reads.js';

interface Listed { readonly places: readonly Place[]; readonly lost: number }
interface Place { readonly name: string; readonly address: PciAddress; readonly dir: string }

/** Interfaces and block devices by the function that carries them, through whatever stands between (virtio, SCSI, USB). */
export class Interfaces {
  /** Permanent MACs of interfaces whose MAC has been changed; by the object's number, as names change too. */
  private readonly permanent = new Map<string, string | null>();

  constructor(private readonly root: string, private readonly links: LinkReads) {}

  async networks(): Promise<ReadonlyMap<PciAddress, readonly PciNetwork[]>> {
    return group(await this.described(() => this.places('class/net')));
  }

  /** Of one function whose driver makes interfaces itself, without a look at all others. */
  async networksOf(address: PciAddress): Promise<readonly PciNetwork[]> {
    const dir = join(this.root, 'bus/pci/devices', address, 'net');
    return (await this.described(async () => ({ places: (await names(dir)).map((name) => ({ name, address, dir: join(dir, name) })), lost: 0 }))).map(([, network]) => network);
  }

  async blocks(): Promise<ReadonlyMap<PciAddress, readonly string[]>> {
    return group((await this.places('class/block')).places.map(({ name, address }) => [address, name] as const));
  }

  /** @returns `lost`: how many were listed and were gone at the look where they lead */
  private async places(of: string): Promise<Listed> {
    const found = await each(await names(join(this.root, of)), PCI_LIMITS.readsAtOnce, async (name) => ({ name, dir: join(this.root, of, name), to: await target(join(this.root, of, name)) }));
    const places = found.flatMap(({ name, dir, to }) => { const address = functionsOn(to ?? '').at(-1); return address === undefined ? [] : [{ name, address, dir }]; });
    return { places: places.sort((a, b) => (a.name < b.name ? -1 : 1)), lost: found.filter(({ to }) => to === null).length };
  }

  /** An interface that is renamed between its listing and the look at it (udev does so to each new one) is listed again: without it, its function would go by another name. */
  private async described(listed: () => Promise<Listed>): Promise<readonly (readonly [PciAddress, PciNetwork])[]> {
    for (let left: number = PCI_LIMITS.renames; ; left -= 1) {
      const { places, lost } = await listed();
      const found = await this.describe(places);
      if ((lost === 0 && found.length === places.length) || left === 0) return found;
    }
  }

  private async describe(places: readonly Place[]): Promise<readonly (readonly [PciAddress, PciNetwork])[]> {
    const seen = await each(places, PCI_LIMITS.readsAtOnce, async ({ name, address, dir }) => {
      const [mac, state, flags, assigned] = [await text(join(dir, 'address')), await text(join(dir, 'operstate')), await text(join(dir, 'flags')), await text(join(dir, 'addr_assign_type'))];
      if (mac === null) return null; // it is gone: without an address, the property is empty
      // Not the carrier, which is exact: its reader waits for whoever has the network's lock, and four of them are all threads for files that there are.
      const link: PciNetwork['link'] = state === 'up' || state === 'down' ? state : 'unknown';
      // 0: as the factory gave it. Of any other the factory's is asked for once.
      const changed = assigned !== null && assigned !== '0';
      return { name, address, mac: tryMac(mac), isUp: isUp(flags), link, object: changed ? `${name}:${await objectOf(join(dir, '.')) ?? 0}` : null };
    });
    const present = seen.filter((one) => one !== null);
    if (present.some((one) => one.object !== null && !this.permanent.has(one.object))) {
      const said = await this.links.show(null);
      const macs = said.kind === 'said' ? permanentMacs(said.json) : new Map<string, string | null>();
      for (const { name, object } of present) if (object !== null && macs.size > 0) this.permanent.set(object, macs.get(name) ?? null);
    }
    return present.map(({ name, address, mac, isUp, link, object }) =>
      [address, { name, mac, isUp, link, permanentMac: object === null ? mac : this.permanent.get(object) ?? null }] as const);
  }
}

const IFF_UP = 1;
/** @param flags as sysfs has them */
export const isUp = (flags: string | null): boolean => (Number(flags ?? '0') & IFF_UP) !== 0;

function group<T>(pairs: readonly (readonly [PciAddress, T])[]): ReadonlyMap<PciAddress, readonly T[]> {
  const found = new Map<PciAddress, T[]>();
  for (const [address, one] of pairs) {
    const list = found.get(address);
    if (list === undefined) found.set(address, [one]);
    else list.push(one);
  }
  return found;
}
