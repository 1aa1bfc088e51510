/**
 * Devices of the host that a guest gets, as elements of its definition, and read back from one.
 *
 * managed='no': the agent binds them to vfio-pci itself, and has verified it; libvirt then refuses whatever is not bound, and a guest's end
 * gives nothing back to a driver of the host (a network card that appears there for a moment is found by whoever configures the host's).
 * Memory needs no word here: libvirt lets QEMU lock what VFIO pins.
 */
import type { DomainDevice } from '../decide/facts.js';
import type { PlacedDevice } from '../devices/decide/ready.js';
import { addressAttributes, guestAddress, guestSlot } from './guest-slots.js';
import { el, renderXml, type XmlNode } from './node.js';
import { readXml, type XmlElement } from './read-xml.js';

/** @param devices by place */
export function hostDevices(devices: readonly PlacedDevice[]): XmlNode[] {
  const buses = Math.max(0, ...devices.map(({ claimed: { place } }) => guestSlot(place).bus));
  return [
    ...Array.from({ length: buses }, (_, bus) => el('controller', { type: 'pci', index: bus + 1, model: 'pci-bridge' })),
    ...devices.map(hostDevice),
  ];
}

/** One of them, as it is attached to a domain that is there. */
export const hostDeviceXml = (device: PlacedDevice): string => renderXml(hostDevice(device));

export const aliasOf = (place: number): string => `ua-device-${place}`;

/** A definition without our devices, as libvirt writes it: those come and go by our own hand. */
export const withoutOwnDevices = (domainXml: string): string =>
  domainXml.replace(/\s*<(hostdev|interface)\b(?:(?!<\/\1>)[\s\S])*<alias name='ua-device-\d+'\/>(?:(?!<\/\1>)[\s\S])*<\/\1>/g, '');

/** Has a domain the bus in the guest that the place is on? Buses are there from its start, or not at all. */
export const hasBusOf = (domainXml: string, place: number): boolean => {
  const { bus } = guestSlot(place);
  return bus === 0 || new RegExp(`<controller type='pci' index='${bus}'`).test(domainXml);
};

function hostDevice({ claimed, address }: PlacedDevice): XmlNode {
  const source = addressAttributes(address);
  const place = [el('alias', { name: aliasOf(claimed.place) }), el('address', { type: 'pci', ...addressAttributes(guestAddress(claimed.place)) })];
  if (claimed.attach === 'hostdev') return el('hostdev', { mode: 'subsystem', type: 'pci', managed: 'no' }, el('source', {}, el('address', source)), ...place);
  return el('interface', { type: 'hostdev', managed: 'no' },
    claimed.mac === null ? null : el('mac', { address: claimed.mac }),
    el('source', {}, el('address', { type: 'pci', ...source })),
    claimed.vlan === null ? null : el('vlan', {}, el('tag', { id: claimed.vlan })),
    ...place);
}

/** Devices of the host that a definition names, ours by place: libvirt shows interfaces apart from other devices. */
export function hostDevicesIn(domainXml: string): DomainDevice[] {
  if (!domainXml.includes('hostdev')) return [];
  const devices = readXml(domainXml).children.find(({ name }) => name === 'devices')?.children ?? [];
  return devices.filter(isPassedOn)
    .flatMap((device) => { const address = sourceOf(device); return address === null ? [] : [{ place: placeOf(device), address }]; })
    .sort((a, b) => (a.place ?? MOST_DEVICES) - (b.place ?? MOST_DEVICES));
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
