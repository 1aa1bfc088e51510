/**
 * A look at the bus and at libvirt, put together: which devices there are, who they are, who uses them, and what keeps them from being
 * given away. Pure. Never guesses: what could not be read is told as it was last, with the reason.
 */
import type { HostDevice } from '#libs/contracts';
import type { DeviceIdentityNow, HeldFunction, PciAddress, PciFunction, PciReading } from '#libs/pci';
import { mayKeepVfs } from '#libs/pci';
import type { DeviceRecord, LastSeen } from './records.js';

/** A domain has, or is defined with, the device at an address. */
export interface DeviceUse { readonly address: string; readonly domainId: string; readonly live: boolean }

export interface Looked {
  readonly reading: PciReading;
  readonly identities: ReadonlyMap<PciAddress, DeviceIdentityNow>;
  readonly protectedBy: ReadonlyMap<PciAddress, string>;
  readonly uses: readonly DeviceUse[];
}

export interface SeenDevice {
  readonly identity: string;
  readonly strength: 'strong' | 'weak';
  /** Why it may be another one than it is taken for; null: it is. */
  readonly doubt: string | null;
  readonly kind: HostDevice['kind'];
  readonly fn: PciFunction;
  readonly pf: { readonly identity: string; readonly address: PciAddress; readonly vf: number } | null;
  /** The other endpoints of its group. */
  readonly mates: readonly { readonly identity: string | null; readonly address: PciAddress; readonly driver: string | null }[];
  readonly protectedBy: string | null;
  /** Why a PF is not given away as a whole, though it may keep VFs that are; null: nothing of the host's hangs on it. */
  readonly portOf: string | null;
  /** The domain that has it now. */
  readonly usedBy: string | null;
  readonly held: HeldFunction | null;
}

export interface Seen {
  readonly devices: ReadonlyMap<string, SeenDevice>;
  readonly uses: readonly DeviceUse[];
  readonly held: readonly HeldFunction[];
}

/** Memory controllers, bridges, system peripherals and SMBus are the machine itself: nobody gives them away. */
const MACHINE = /^(05|06|08|0c05)/;

export function seenOf({ reading, identities, protectedBy, uses }: Looked): Seen {
  const users = new Map(uses.filter(({ live }) => live).map(({ address, domainId }) => [address, domainId]));
  const devices = new Map<string, SeenDevice>();
  for (const fn of reading.functions.values()) {
    const known = identities.get(fn.address);
    if (!known || fn.isBridge || MACHINE.test(fn.pciClass)) continue;
    const pf = fn.physfn && identities.get(fn.physfn.address);
    // A VF whose PF is not readable has no name of its own now.
    if (fn.physfn && !pf) continue;
    const needed = protectedBy.get(fn.address) ?? null;
    const isPort = needed !== null && fn.sriov !== null && mayKeepVfs(needed);
    const group = fn.iommuGroup === null ? [] : (reading.groups.get(fn.iommuGroup) ?? []);
    devices.set(known.identity, {
      identity: known.identity, strength: known.strength, doubt: known.doubt?.sentence ?? null, fn,
      kind: fn.physfn ? 'vf' : fn.sriov ? 'pf' : 'function',
      pf: fn.physfn && pf ? { identity: pf.identity, address: fn.physfn.address, vf: fn.physfn.index } : null,
      mates: group.filter((address) => address !== fn.address).flatMap((address) => {
        const mate = reading.functions.get(address);
        return mate && !mate.isBridge ? [{ address, identity: identities.get(address)?.identity ?? null, driver: mate.driver }] : [];
      }),
      protectedBy: isPort ? null : needed, portOf: isPort ? needed : null,
      usedBy: users.get(fn.address) ?? null,
      held: reading.held.find(({ address }) => address === fn.address || address === fn.physfn?.address) ?? null,
    });
  }
  return { devices, uses, held: reading.held };
}

/** Drivers that leave a group usable: of vfio itself, none, and the placeholder. */
const VIABLE: ReadonlySet<string | null> = new Set([null, 'vfio-pci', 'pci-stub', 'pcieport']);
export const blockingMates = (device: Pick<SeenDevice, 'mates'>): SeenDevice['mates'] => device.mates.filter(({ driver }) => !VIABLE.has(driver));

export type Condition = NonNullable<HostDevice['condition']>;

const hung = (held: HeldFunction): Condition => ({
  code: 'hung-writer', sentence: `A write to ${held.address} has not come back (${held.what}): most often a guest still holds one of its VFs. It is usable again when that guest has ended.`,
});

/** What a report and the ledger hold of one device: what is longer is cut, for a host whose report is refused says nothing of any device. */
export const MOST = { mates: 64, named: 8, sentence: 500, protectedBy: 200, resetMethods: 16, name: 32, driver: 64 } as const;

/** Why it can't be given to a guest now, its pool apart; null: it can. The first that holds is told. `pf`: of a VF, as it is seen and remembered. */
export function conditionOf(device: SeenDevice, record: DeviceRecord, pf: { readonly device: SeenDevice; readonly record: DeviceRecord } | undefined): Condition | null {
  const found = hindranceOf(device, record, pf);
  return found && { ...found, sentence: found.sentence.slice(0, MOST.sentence) };
}

function hindranceOf(device: SeenDevice, record: DeviceRecord, pf: { readonly device: SeenDevice; readonly record: DeviceRecord } | undefined): Condition | null {
  const { fn } = device;
  if (device.held) return hung(device.held);
  if (fn.iommuGroup === null) return { code: 'no-iommu', sentence: 'The host has no IOMMU for it: switch it on in the firmware and on the kernel command line (intel_iommu=on, amd_iommu=on).' };
  if (device.doubt !== null) return { code: 'changed-identity', sentence: device.doubt };
  const fatal = fatalSince(device, record);
  if (fatal !== null) return { code: 'aer-errors', sentence: `The bus has counted ${fatal} of it since the host booted or it was released last.` };
  // Errors are counted where the card is: its VFs have no counters of their own.
  const ofCard = pf ? fatalSince(pf.device, pf.record) : null;
  if (ofCard !== null) return { code: 'pf-aer-errors', sentence: `The bus has counted ${ofCard} of its PF ${pf!.device.fn.address} since the host booted or the PF was released last: when the card is in order, release the PF (${pf!.device.identity}).` };
  const blocking = blockingMates(device);
  if (blocking.length > 0) {
    const more = blocking.length > MOST.named ? ` and ${blocking.length - MOST.named} more` : '';
    return { code: 'group-not-viable', sentence: `${blocking.slice(0, MOST.named).map(({ address, driver }) => `${address} (on ${driver})`).join(', ')}${more} shares its IOMMU group ${fn.iommuGroup} and is used by the host.` };
  }
  if (device.mates.length > MOST.mates) return { code: 'group-not-viable', sentence: `${device.mates.length} functions share its IOMMU group ${fn.iommuGroup}: more than go to one guest.` };
  const network = (pf?.device ?? device).fn.networks[0];
  if (network?.link === 'down') return { code: 'link-down', sentence: `The link of ${network.name} is down.` };
  return null;
}

const fatalSince = ({ fn }: SeenDevice, { aerFatal }: DeviceRecord): string | null => {
  const count = (fn.aer?.fatal ?? 0) - aerFatal;
  return count > 0 ? `${count} fatal error${count === 1 ? '' : 's'}` : null;
};

export function lastSeenOf(device: SeenDevice): LastSeen {
  const { fn, pf } = device;
  const network = fn.networks[0];
  return {
    identityStrength: device.strength, address: fn.address, kind: device.kind, vendor: fn.vendor, product: fn.product, pciClass: fn.pciClass,
    subsystemVendor: fn.subsystemVendor, subsystemProduct: fn.subsystemProduct, driver: fn.driver?.slice(0, MOST.driver) ?? null, numaNode: fn.numaNode, iommuGroup: fn.iommuGroup,
    // The lowest ones of a group that is too large: those by which it is known as one.
    mates: device.mates.flatMap(({ identity }) => identity ?? []).sort().slice(0, MOST.mates), pf: pf && { identity: pf.identity, vf: pf.vf },
    sriov: fn.sriov && { totalVfs: fn.sriov.totalVfs, numVfs: fn.sriov.numVfs }, resetMethods: fn.resetMethods.slice(0, MOST.resetMethods).map((name) => name.slice(0, MOST.name)),
    network: network ? { name: network.name.slice(0, MOST.name), permanentMac: network.permanentMac, link: network.link } : null, protectedBy: device.protectedBy?.slice(0, MOST.protectedBy) ?? null,
  };
}

export interface Unreadable { readonly identity: string; readonly last: LastSeen; readonly condition: Condition; readonly usedBy: string | null }

/** Devices of which nothing was read because a writer holds their PF: told as they were last, and usable by nobody. */
export function unreadable(seen: Seen, records: ReadonlyMap<string, DeviceRecord>): Unreadable[] {
  const found: Unreadable[] = [];
  for (const held of seen.held) {
    const pf = [...records].find(([, { last }]) => last?.address === held.address)?.[0];
    for (const [identity, { last }] of records) {
      if (last && !seen.devices.has(identity) && (last.address === held.address || (pf !== undefined && last.pf?.identity === pf))) {
        found.push({ identity, last, condition: { ...hung(held), sentence: hung(held).sentence.slice(0, MOST.sentence) }, usedBy: seen.uses.find(({ address, live }) => live && address === last.address)?.domainId ?? null });
      }
    }
  }
  return found;
}
