/**
 * Devices of the host that a guest gets, as elements of its definition, and read back from one.
 *
 * managed='no': the agent binds them to vfio-pci itself, and has verified it; libvirt then refuses whatever is not bound, and a guest's end
 * gives nothing back to a driver of the host (a network card that appears there for a moment is found by whoever configures the host's).
 * Memory needs no word here: libvirt lets QEMU lock what VFIO pins.
 */
import type { PlacedDevice } from '../devices/decide/ready.js';
import { addressAttributes, guestAddress, guestSlot } from './guest-slots.js';
import { el, type XmlNode } from './node.js';
import { readXml, type XmlElement } from './read-xml.js';

/** @param devices in the order of the layout */
export function hostDevices(devices: readonly PlacedDevice[]): XmlNode[] {
  const buses = Math.max(0, ...devices.map((_, at) => guestSlot(at).bus));
  return [
    ...Array.from({ length: buses }, (_, bus) => el('controller', { type: 'pci', index: bus + 1, model: 'pci-bridge' })),
    ...devices.map(hostDevice),
  ];
}

function hostDevice({ claimed, address }: PlacedDevice, at: number): XmlNode {
  const source = addressAttributes(address);
  const place = [el('alias', { name: `ua-device-${at}` }), el('address', { type: 'pci', ...addressAttributes(guestAddress(at)) })];
  if (claimed.attach === 'hostdev') return el('hostdev', { mode: 'subsystem', type: 'pci', managed: 'no' }, el('source', {}, el('address', source)), ...place);
  return el('interface', { type: 'hostdev', managed: 'no' },
    claimed.mac === null ? null : el('mac', { address: claimed.mac }),
    el('source', {}, el('address', { type: 'pci', ...source })),
    claimed.vlan === null ? null : el('vlan', {}, el('tag', { id: claimed.vlan })),
    ...place);
}

/** Addresses of the host's devices that a definition names, in the order of the layout it was made of: libvirt shows interfaces apart from other devices. */
export function hostDevicesIn(domainXml: string): string[] {
  if (!domainXml.includes('hostdev')) return [];
  const devices = readXml(domainXml).children.find(({ name }) => name === 'devices')?.children ?? [];
  return devices.filter(isPassedOn)
    .flatMap((device, at) => { const address = sourceOf(device); return address === null ? [] : [{ address, at: placeOf(device) ?? MOST_DEVICES + at }]; })
    .sort((a, b) => a.at - b.at).map(({ address }) => address);
}

const MOST_DEVICES = 1_000;
/** Its place in the layout, which its alias says; null: it is none of ours. */
function placeOf(device: XmlElement): number | null {
  const found = /^ua-device-(\d{1,3})$/.exec(device.children.find(({ name }) => name === 'alias')?.attributes['name'] ?? '');
  return found ? Number(found[1]) : null;
}

const isPassedOn = ({ name, attributes }: XmlElement): boolean =>
  (name === 'hostdev' && attributes['mode'] === 'subsystem' && attributes['type'] === 'pci') || (name === 'interface' && attributes['type'] === 'hostdev');

function sourceOf(device: XmlElement): string | null {
  const address = device.children.find(({ name }) => name === 'source')?.children.find(({ name }) => name === 'address')?.attributes;
  const parts = ['domain', 'bus', 'slot', 'function'].map((name) => Number(address?.[name] ?? (name === 'domain' || name === 'function' ? 0 : NaN)));
  if (parts.some((part) => !Number.isSafeInteger(part) || part < 0)) return null;
  const [domain, bus, slot, fn] = parts as [number, number, number, number];
  return `${domain.toString(16).padStart(4, '0')}:${bus.toString(16).padStart(2, '0')}:${slot.toString(16).padStart(2, '0')}.${fn}`;
}
