// Devices of the host in the fake: which a definition names, who has them, and how libvirt refuses. What stands on the host's bus is
// somebody else's to know (FakeHostDevices); without that only domains are compared with each other.
import { LibvirtError } from '../errors.js';
import { ERR } from './rules.js';
import { childOf, type XmlElement } from './xml.js';

/** One device of the host as a definition names it. */
export interface HostDevice {
  /** domain:bus:slot.function */
  readonly address: string;
  /** Its name in the domain; null: libvirt chooses one. */
  readonly alias: string | null;
  readonly managed: boolean;
  /** Of `<interface type='hostdev'>`: what libvirt sets on the PF before the start, and takes back after the end. */
  readonly network: { readonly mac: string | null; readonly vlan: number | null } | null;
}

export interface FakeUse { readonly managed: boolean; readonly asInterface: boolean }

/** The host's bus, as libvirt finds it. */
export interface FakeHostDevices {
  /** libvirt's words for why the domain can't have it; null: it can. */
  refusalOfUse(address: string, domain: string, use: FakeUse): string | null;
  /** Opened by a domain; null: let go. */
  useBy(address: string, domain: string | null, use: FakeUse): void;
  vfOf(address: string): { readonly mac: string; readonly vlan: number } | null;
  setVf(address: string, settings: { readonly mac: string; readonly vlan: number }): void;
}

export function hostDevicesOf(devices: XmlElement | undefined): HostDevice[] {
  return (devices?.children ?? []).flatMap((device) => {
    const isNetwork = device.name === 'interface' && device.attributes.get('type') === 'hostdev';
    if (!isNetwork && !(device.name === 'hostdev' && device.attributes.get('mode') === 'subsystem' && device.attributes.get('type') === 'pci')) return [];
    const source = childOf(device, 'source');
    const at = source && childOf(source, 'address')?.attributes;
    const part = (name: string, digits: number): string => Number(at?.get(name) ?? 0).toString(16).padStart(digits, '0');
    const tag = childOf(device, 'vlan')?.children.find(({ name }) => name === 'tag')?.attributes.get('id');
    return [{
      alias: aliasOf(device), address: `${part('domain', 4)}:${part('bus', 2)}:${part('slot', 2)}.${part('function', 1)}`, managed: device.attributes.get('managed') === 'yes',
      network: isNetwork ? { mac: childOf(device, 'mac')?.attributes.get('address') ?? null, vlan: tag === undefined ? null : Number(tag) } : null,
    }];
  });
}

export const aliasOf = (device: XmlElement): string | null => childOf(device, 'alias')?.attributes.get('name') ?? null;

/** Who of the fake's domains has which device now. */
export class DevicesInUse {
  readonly #users = new Map<string, { readonly domain: string; readonly name: string; readonly device: HostDevice; readonly before: { mac: string; vlan: number } | null }>();

  constructor(private readonly host: FakeHostDevices | undefined) {}

  /** All or none. @throws LibvirtError as libvirtd does */
  take(domain: { readonly uuid: string; readonly name: string }, devices: readonly HostDevice[]): void {
    const taken: HostDevice[] = [];
    try {
      for (const device of devices) {
        const user = this.#users.get(device.address);
        if (user) throw refusal(`Requested operation is not valid: PCI device ${device.address} is in use by driver QEMU, domain ${user.name}`);
        const use = useOf(device);
        const why = this.host?.refusalOfUse(device.address, domain.uuid, use) ?? null;
        if (why !== null) throw refusal(why);
        const before = device.network ? (this.host?.vfOf(device.address) ?? null) : null;
        if (device.network && before) this.host?.setVf(device.address, { mac: device.network.mac ?? before.mac, vlan: device.network.vlan ?? before.vlan });
        this.host?.useBy(device.address, domain.uuid, use);
        this.#users.set(device.address, { domain: domain.uuid, name: domain.name, device, before });
        taken.push(device);
      }
    } catch (error) {
      this.#give(taken.map(({ address }) => address));
      throw error;
    }
  }

  giveAll(domain: { readonly uuid: string }): void {
    this.#give([...this.#users].filter(([, user]) => user.domain === domain.uuid).map(([address]) => address));
  }

  give(devices: readonly HostDevice[]): void { this.#give(devices.map(({ address }) => address)); }

  #give(addresses: readonly string[]): void {
    for (const address of addresses) {
      const user = this.#users.get(address);
      this.#users.delete(address);
      // It may have vanished meanwhile: then there is nothing to give back.
      if (!user || !this.host || this.host.refusalOfUse(address, user.domain, { managed: true, asInterface: false })?.includes('not found')) continue;
      this.host.useBy(address, null, useOf(user.device));
      if (user.before) this.host.setVf(address, user.before);
    }
  }
}

const useOf = ({ managed, network }: HostDevice): FakeUse => ({ managed, asInterface: network !== null });

function refusal(message: string): LibvirtError {
  const code = message.startsWith('Requested operation is not valid') ? ERR.OPERATION_INVALID : message.startsWith('internal error') ? ERR.INTERNAL_ERROR : ERR.OPERATION_FAILED;
  return new LibvirtError(code, message, 10);
}
