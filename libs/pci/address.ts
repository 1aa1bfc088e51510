import type { PciAddress } from './api.js';

const PATTERN = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/;

/** @returns the address as everything here writes it; null: it is none. Accepts upper case, `0x…` parts of libvirt are not its business, and a missing domain. */
export function tryPciAddress(text: string): PciAddress | null {
  const match = PATTERN.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const domain = (match[1] ?? '0').replace(/^0+(?=[0-9a-f]{4})/, '').padStart(4, '0');
  const slot = Number.parseInt(match[3] ?? '', 16);
  if (slot > 0x1f) return null;
  return `${domain}:${(match[2] ?? '').padStart(2, '0')}:${slot.toString(16).padStart(2, '0')}.${match[4] ?? ''}` as PciAddress;
}

/** @throws TypeError when it is none */
export function parsePciAddress(text: string): PciAddress {
  const address = tryPciAddress(text);
  if (address === null) throw new TypeError(`'${text}' is no PCI address: domain:bus:slot.function in hex digits, such as 0000:3b:00.1.`);
  return address;
}

export interface PciParts { readonly domain: number; readonly bus: number; readonly slot: number; readonly fn: number }

export function pciParts(address: PciAddress): PciParts {
  const [domain = '', bus = '', rest = ''] = address.split(':');
  const [slot = '', fn = ''] = rest.split('.');
  return { domain: Number.parseInt(domain, 16), bus: Number.parseInt(bus, 16), slot: Number.parseInt(slot, 16), fn: Number(fn) };
}

export function pciAddressOf(parts: PciParts): PciAddress {
  const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0');
  return `${hex(parts.domain, 4)}:${hex(parts.bus, 2)}:${hex(parts.slot, 2)}.${String(parts.fn)}` as PciAddress;
}

/** Where the kernel puts VF `index` of a PF: routing id + offset + stride × index, across buses if need be. */
export function vfAddress(pf: PciAddress, offset: number, stride: number, index: number): PciAddress {
  const { domain, bus, slot, fn } = pciParts(pf);
  const rid = (bus << 8) + (slot << 3) + fn + offset + stride * index;
  return pciAddressOf({ domain, bus: (rid >> 8) & 0xff, slot: (rid >> 3) & 0x1f, fn: rid & 7 });
}
