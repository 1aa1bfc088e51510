/**
 * Where a guest finds its devices on its own bus: by their place in its layout alone, so that the same device stands at the same address
 * at every start, whatever the host calls it. Pure. Lower slots are those that libvirt gives to everything else.
 */
export interface GuestSlot { readonly bus: number; readonly slot: number }

const FIRST_SLOT = 0x10;
const ON_ROOT = 0x1f - FIRST_SLOT;
const ON_BRIDGE = 31;

/** @param at its place in the layout, from 0 */
export function guestSlot(at: number): GuestSlot {
  if (at < ON_ROOT) return { bus: 0, slot: FIRST_SLOT + at };
  const beyond = at - ON_ROOT;
  return { bus: 1 + Math.floor(beyond / ON_BRIDGE), slot: 1 + (beyond % ON_BRIDGE) };
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** As the guest's kernel writes it. */
export const guestAddress = (at: number): string => `0000:${hex(guestSlot(at).bus, 2)}:${hex(guestSlot(at).slot, 2)}.0`;

/** Attributes of an `<address type='pci'>`. @param address domain:bus:slot.function */
export function addressAttributes(address: string): { domain: string; bus: string; slot: string; function: string } {
  const found = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/.exec(address);
  if (!found) throw new Error(`not a PCI address: ${address}`);
  return { domain: `0x${found[1]}`, bus: `0x${found[2]}`, slot: `0x${found[3]}`, function: `0x${found[4]}` };
}
