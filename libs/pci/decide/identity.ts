/**
 * Which piece of silicon is it? Gives every endpoint on the bus a name that outlives drivers, boots and buses numbered anew. A name is given
 * once, from the best evidence there is (serial, permanent MAC, slot), and remembered with all evidence; later the evidence finds the name
 * again. A NIC that a guest's driver holds shows no MAC: its memory carries it. Where nothing but the slot speaks for a function and the
 * bus has changed since, it is in doubt until evidence or an operator clears it. Pure: the caller keeps the memory on disk.
 */
import type { PciAddress, PciFunction } from '../api.js';
import { modelOf, slotPath, topologyOf } from './topology.js';

export interface IdentityMemory {
  readonly bootId: string;
  readonly devices: readonly RememberedDevice[];
  /** Serials and MACs that several functions have shown at once: they never speak for anything again. */
  readonly shared: readonly string[];
}

export interface RememberedDevice {
  readonly identity: string;
  readonly model: string;
  readonly serial: string | null; readonly mac: string | null; readonly slot: string;
  /** The whole bus, when it was last certain that it is this one. */
  readonly topology: string;
  /** Where it stood at the last look; null: it was not there. */
  readonly address: string | null;
  readonly doubt: Doubt | null;
}

/** `moved`: only its slot is known, and the bus has changed. `unread`: it is known by a serial, which could not be read after a boot. `returned`: its like is missing, and it may be that one. `unseen`: a guest's driver hides its MAC and nothing is remembered. */
export interface Doubt { readonly kind: 'moved' | 'unread' | 'returned' | 'unseen'; readonly sentence: string }

export interface DeviceIdentityNow {
  readonly identity: string; readonly strength: 'strong' | 'weak'; readonly doubt: Doubt | null;
}

export interface Identified {
  readonly devices: ReadonlyMap<PciAddress, DeviceIdentityNow>;
  readonly memory: IdentityMemory;
}

interface Seen {
  readonly of: PciFunction; readonly model: string;
  readonly serial: string | null; readonly mac: string | null; readonly slot: string;
}

/** Drivers that keep a function for a guest and show nothing of it. */
const HIDING: ReadonlySet<string> = new Set(['vfio-pci', 'pci-stub', 'uio_pci_generic', 'igb_uio', 'mlx5_vfio_pci']);
const MAX_REMEMBERED = 4_096;

export function identify(functions: ReadonlyMap<PciAddress, PciFunction>, bootId: string, memory: IdentityMemory | null): Identified {
  const topology = topologyOf(functions);
  const { seen: physical, shared } = evidence([...functions.values()].filter((one) => one.physfn === null && !one.isBridge), memory?.shared ?? []);
  const known = (memory?.devices ?? []).map((one) => withoutShared(one, shared));
  const matched = match(physical, known, memory?.bootId === bootId);
  const taken = new Set(known.filter((one) => one.doubt?.kind !== 'unseen' || !mayBeRenamed(one, matched)).map((one) => one.identity));
  const missing = known.filter((one) => ![...matched.values()].some((found) => found.device === one));
  const now = new Map<Seen, RememberedDevice>();
  for (const seen of physical) {
    const found = matched.get(seen);
    const renamed = found !== undefined && found.device.doubt?.kind === 'unseen' && (seen.serial ?? seen.mac) !== null;
    const device = found === undefined || renamed
      ? first(seen, topology, taken, missing)
      : again(seen, found.device, found.by, topology);
    taken.add(device.identity);
    now.set(seen, device);
  }

  const devices = new Map<PciAddress, DeviceIdentityNow>();
  for (const [seen, { identity, serial, mac, doubt }] of now) {
    devices.set(seen.of.address, { identity, strength: (serial ?? mac) === null ? 'weak' : 'strong', doubt });
  }
  for (const one of functions.values()) {
    const pf = one.physfn === null ? undefined : devices.get(one.physfn.address);
    if (pf !== undefined && one.physfn !== null) devices.set(one.address, { ...pf, identity: vfIdentity(pf.identity, one.physfn.index) });
  }
  const gone = missing.map((one) => (one.address === null ? one : { ...one, address: null }));
  return { devices, memory: { bootId, devices: [...now.values(), ...gone].slice(0, MAX_REMEMBERED), shared } };
}

export const vfIdentity = (pf: string, index: number): string => `${pf}/vf:${index}`;

/** An operator says that a device in doubt is the one it was taken for (of a VF: its PF is). */
export function acceptIdentity(memory: IdentityMemory, identity: string, functions: ReadonlyMap<PciAddress, PciFunction>): IdentityMemory {
  const pf = identity.replace(/\/vf:\d+$/, '');
  const topology = topologyOf(functions);
  return { ...memory, devices: memory.devices.map((one) => (one.identity === pf ? { ...one, doubt: null, topology } : one)) };
}

/** An operator says that a device will not come back. */
export function forgetIdentity(memory: IdentityMemory, identity: string): IdentityMemory {
  return { ...memory, devices: memory.devices.filter((one) => one.identity !== identity || one.address !== null) };
}

/** A serial or MAC that several functions of the host show speaks for none of them. */
function evidence(functions: readonly PciFunction[], before: readonly string[]): { readonly seen: Seen[]; readonly shared: readonly string[] } {
  const raw = functions.map((of) => ({ of, model: modelOf(of), serial: serialOf(of), mac: macOf(of), slot: slotPath(of) }));
  const once = new Set<string>();
  const shared = new Set(before);
  for (const value of raw.flatMap((one) => [one.serial, one.mac])) {
    if (value === null) continue;
    if (once.has(value)) shared.add(value);
    once.add(value);
  }
  const seen = raw.map((one) => withoutShared(one, shared)).sort((a, b) => (a.slot < b.slot ? -1 : 1));
  return { seen, shared: [...shared].sort() };
}

function withoutShared<T extends { readonly serial: string | null; readonly mac: string | null }>(one: T, shared: ReadonlySet<string> | readonly string[]): T {
  const bad = new Set(shared);
  const serial = one.serial !== null && bad.has(one.serial) ? null : one.serial;
  const mac = one.mac !== null && bad.has(one.mac) ? null : one.mac;
  return serial === one.serial && mac === one.mac ? one : { ...one, serial, mac };
}

/** Functions of one card share its serial, and are told apart by their numbers. Vendors also ship all zeros, all ones, and one number for a whole series. */
function serialOf(of: PciFunction): string | null {
  const text = of.serial?.trim().toLowerCase().replace(/[^\x21-\x7e]+/g, '_') ?? '';
  const digits = text.replace(/[^0-9a-z]/g, '');
  if (digits.length < 4 || new Set(digits).size === 1 || text.length > 100 || '0123456789abcdef'.startsWith(digits) || '123456789'.startsWith(digits)) return null;
  return `${of.vendor}:${of.product}/${text}/${of.address.slice(-1)}`;
}

function macOf(of: PciFunction): string | null {
  const macs = of.networks.map((one) => one.permanentMac?.toLowerCase() ?? '').filter((mac) => /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac) && mac !== '00:00:00:00:00:00');
  return macs.sort()[0] ?? null;
}

type By = 'continued' | 'evidence' | 'slot';
type Matched = Map<Seen, { readonly device: RememberedDevice; readonly by: By }>;

/** Each function to one remembered device at most, the surest matches first. */
function match(physical: readonly Seen[], known: readonly RememberedDevice[], sameBoot: boolean): Matched {
  const matched: Matched = new Map();
  const left = new Set(known);
  const pass = (by: By, is: (seen: Seen, device: RememberedDevice) => boolean): void => {
    for (const seen of physical) {
      if (matched.has(seen)) continue;
      for (const device of left) {
        if (device.model !== seen.model || contradicts(seen, device) || !is(seen, device)) continue;
        matched.set(seen, { device, by });
        left.delete(device);
        break;
      }
    }
  };
  if (sameBoot) pass('continued', (seen, device) => device.address === seen.of.address);
  pass('evidence', (seen, device) => seen.serial !== null && seen.serial === device.serial);
  pass('evidence', (seen, device) => seen.mac !== null && seen.mac === device.mac);
  pass('slot', (seen, device) => seen.slot === device.slot);
  return matched;
}

const contradicts = (seen: Seen, device: RememberedDevice): boolean =>
  (seen.mac !== null && device.mac !== null && seen.mac !== device.mac)
  || (seen.serial !== null && device.serial !== null && seen.serial !== device.serial);

const mayBeRenamed = (device: RememberedDevice, matched: Matched): boolean =>
  [...matched].some(([seen, found]) => found.device === device && (seen.serial ?? seen.mac) !== null);

function again(seen: Seen, device: RememberedDevice, by: By, topology: string): RememberedDevice {
  const shown = by === 'evidence' || (seen.serial !== null && seen.serial === device.serial) || (seen.mac !== null && seen.mac === device.mac);
  // Cards of one model may have changed their slots on a bus that looks the same: their serials tell, as soon as they are read.
  const unread = seen.serial === null && device.serial !== null;
  const certain = shown || (by === 'continued' && device.doubt === null) || (by === 'slot' && topology === device.topology && !unread && device.doubt?.kind !== 'returned' && device.doubt?.kind !== 'unseen');
  const stays = device.doubt !== null && (device.doubt.kind !== 'moved' || topology !== device.topology) ? device.doubt : null;
  const doubt: Doubt | null = certain ? null : stays
    ?? (topology !== device.topology ? { kind: 'moved', sentence: `Only its slot says that it is ${device.identity}, and cards of this host have been added, removed or moved. Say that it is the same one, or take it away.` }
      : unread ? { kind: 'unread', sentence: `The serial it is known by can't be read. Only its slot says that it is ${device.identity}: the serial does, when it is read, or say that it is the same one.` }
      : null);
  // What a device in doubt shows is not evidence for the one it is taken for.
  if (doubt !== null) return { ...device, address: seen.of.address, doubt };
  return { ...device, slot: seen.slot, serial: seen.serial ?? device.serial, mac: seen.mac ?? device.mac, address: seen.of.address, topology, doubt };
}

function first(seen: Seen, topology: string, taken: ReadonlySet<string>, missing: readonly RememberedDevice[]): RememberedDevice {
  const weak = (seen.serial ?? seen.mac) === null;
  const slot = `slot:${seen.slot}/${seen.of.vendor}:${seen.of.product}`;
  const names = [seen.serial === null ? null : `serial:${seen.serial}`, seen.mac === null ? null : `mac:${seen.mac}`, slot].filter((name) => name !== null);
  let identity = names.find((name) => !taken.has(name)) ?? slot;
  for (let nth = 2; taken.has(identity); nth += 1) identity = `${slot}~${nth}`;
  const like = weak ? missing.find((one) => one.model === seen.model && (one.serial ?? one.mac) === null) ?? missing.find((one) => one.model === seen.model && !wouldShow(seen, one)) : undefined;
  const doubt: Doubt | null = like !== undefined
    ? { kind: 'returned', sentence: `It may be ${like.identity}, which is missing and of the same model; nothing on it tells. Say what it is.` }
    : weak && seen.of.pciClass.startsWith('02') && HIDING.has(seen.of.driver ?? '')
      ? { kind: 'unseen', sentence: `Driver ${seen.of.driver ?? ''} hides its MAC, and nothing is remembered of it. Bind it to its own driver once, or say what it is.` }
      : null;
  return { identity, model: seen.model, serial: seen.serial, mac: seen.mac, slot: seen.slot, topology, address: seen.of.address, doubt };
}

/** That device's evidence would be seen if this were it: a serial always, a MAC under the function's own driver. */
const wouldShow = (seen: Seen, device: RememberedDevice): boolean =>
  device.serial !== null || (device.mac !== null && !HIDING.has(seen.of.driver ?? '') && seen.of.driver !== null);
