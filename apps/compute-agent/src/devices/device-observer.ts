/** One look at everything that decisions about devices need: the bus, libvirt's domains, what is wanted and what is remembered. Writes down who is who, and nothing else. */
import { acceptIdentity, identify, PASSING_DRIVERS, PciError, type PciAddress, type PciFunction, type PciHost, type VfSettings } from '#libs/pci';
import type { Hypervisor } from '../hypervisor/hypervisor.js';
import type { Ledger } from '../reconcile/ledger.js';
import { accepted } from './decide/bookkeeping.js';
import type { Claim, DeviceFacts } from './decide/facts.js';
import type { Wishes } from './decide/records.js';
import { seenOf, type Seen, type SeenDevice } from './decide/seen.js';
import type { DeviceLedger } from './device-ledger.js';

export interface DeviceObserverOptions {
  readonly pci: PciHost;
  readonly hypervisor: Pick<Hypervisor, 'deviceUses'>;
  /** The instances'. */
  readonly ledger: Pick<Ledger, 'entries'>;
  readonly devices: DeviceLedger;
  readonly mayWrite: boolean;
  wishes(): Wishes | null;
}

export class DeviceObserver {
  constructor(private readonly options: DeviceObserverOptions) {}

  /** @throws whatever libvirt or the bus says: without both nothing is known */
  async observe(): Promise<DeviceFacts> {
    const { pci, hypervisor, devices, mayWrite } = this.options;
    const [reading, protectedBy] = await Promise.all([pci.read(), pci.protectedFunctions()]);
    // libvirt last: whoever began to use a device while the bus was read is seen.
    const uses = await hypervisor.deviceUses();
    const wishes = this.options.wishes();
    const claims = this.#claims();
    const known = identify(reading.functions, pci.bootId, devices.identities);
    let seen = seenOf({ reading, identities: known.devices, protectedBy, uses });
    let { memory } = known;
    const inDoubt = accepted({ seen, wishes, records: devices.records });
    if (inDoubt.length > 0) {
      for (const identity of inDoubt) memory = acceptIdentity(memory, identity, reading.functions);
      const again = identify(reading.functions, pci.bootId, memory);
      seen = seenOf({ reading, identities: again.devices, protectedBy, uses });
      memory = again.memory;
    }
    await devices.bookIdentities(memory);
    return { seen, wishes, claims, records: devices.records, mayWrite, settings: await this.#settings(seen, wishes, claims) };
  }

  /** What this host's own ledger says of who shall have what. What was not named by the control plane is still somebody's. */
  #claims(): Map<string, Claim> {
    const claims = new Map<string, Claim>();
    for (const [instanceId, { desired }] of this.options.ledger.entries) {
      if (desired.intent === 'deleted') continue;
      for (const { identity, generation } of desired.layout?.devices ?? []) {
        if ((claims.get(identity)?.generation ?? 0) < generation) claims.set(identity, { instanceId, generation });
      }
    }
    return claims;
  }

  async #settings(seen: Seen, wishes: Wishes | null, claims: ReadonlyMap<string, Claim>): Promise<Map<PciAddress, readonly VfSettings[] | null>> {
    const asked = new Map<PciAddress, SeenDevice | undefined>();
    const wanted = new Set([...(wishes?.pools.map(({ identity }) => identity) ?? []), ...(wishes?.holds.map(({ identity }) => identity) ?? []), ...claims.keys()]);
    for (const device of seen.devices.values()) {
      if (device.pf && !device.held && (wanted.has(device.identity) || wanted.has(device.pf.identity))) asked.set(device.pf.address, seen.devices.get(device.pf.identity));
    }
    const found = new Map<PciAddress, readonly VfSettings[] | null>();
    for (const [pf, device] of asked) {
      try {
        found.set(pf, await this.options.pci.vfSettings(pf));
      } catch (error) {
        // No interface, nothing to set. Whatever else it was: not known, and so not verified.
        if (error instanceof PciError && (error.code === 'no-driver' || error.code === 'unsupported') && device && hasNoInterface(device.fn)) found.set(pf, null);
      }
    }
    return found;
  }
}

/** By its nature now, not for a moment (of InfiniBand cards not all have one): another network card under its own driver has one, also when it is not to be seen (renamed, probed anew, in another namespace). */
const hasNoInterface = ({ driver, pciClass }: PciFunction): boolean => driver === null || PASSING_DRIVERS.has(driver) || !pciClass.startsWith('02') || pciClass.startsWith('0207');
