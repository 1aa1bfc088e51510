/**
 * The hands of the device loop: pools' changes, cleaning, and making devices ready for one guest. Each looks again before it touches
 * anything, and books what must be known after a crash before the crash can happen.
 *
 * Never decides which device; never repeats a write by itself. A crash inside any of them leaves a state from which the next look goes on.
 */
import type { DesiredInstance } from '#libs/contracts';
import { PciError, type PciAddress, type PciHost, type VfSettings } from '#libs/pci';
import type { Logger } from '#libs/observability';
import { StepError } from '../errors.js';
import { learned } from './decide/bookkeeping.js';
import type { DeviceFacts } from './decide/facts.js';
import { cleanSettings, freeDriver, isLetGo, leftOver, NO_MAC, type HoldAction, type Reset } from './decide/holds.js';
import { differing, isOn, planPools, policyOf, poolOf, type PoolAction, type VfChange } from './decide/pools.js';
import { readinessOf, type PlacedDevice } from './decide/ready.js';
import { cleaned, failedToClean, prepared, soiled } from './decide/records.js';
import type { SeenDevice } from './decide/seen.js';
import type { DeviceLedger } from './device-ledger.js';
import type { DeviceObserver } from './device-observer.js';

export interface DeviceActsOptions {
  readonly pci: PciHost;
  readonly observer: DeviceObserver;
  readonly devices: DeviceLedger;
  readonly logger: Logger;
  /** Tries of cleaning one device at one generation. */
  readonly scrubAttempts: number;
}

/** What keeps a device from being made clean, and says nothing of it: it is tried again until that has passed. */
const NOT_ITS_OWN: ReadonlySet<PciError['code']> = new Set(['in-use', 'held', 'busy', 'deadline', 'link-down', 'forbidden']);

/** It lists no reset, or one that does not work where it stands (of a bus on which others stand too). */
const isUnsupported = (error: unknown): boolean => error instanceof PciError && error.code === 'unsupported';

export class DeviceActs {
  constructor(private readonly options: DeviceActsOptions) {}

  /** @throws PciError */
  async applyPool(action: PoolAction): Promise<void> {
    const { pci, logger } = this.options;
    // What takes all VFs of a PF at once is planned again right before: somebody may have taken one since.
    if (action.does === 'set-vfs' && !planPools(await this.options.observer.observe()).actions.some((again) => JSON.stringify(again) === JSON.stringify(action))) return;
    switch (action.does) {
      case 'set-vfs': await pci.setNumVfs(action.pf, action.count, { autoprobe: action.autoprobe }); break;
      case 'link-up': await pci.linkUp(action.pf); break;
      case 'set-vf': await pci.setVf(action.pf, action.index, action.settings); break;
      case 'bind': await pci.bind(action.address, action.driver); break;
    }
    logger.info(action, 'device changed as its pool wants it');
  }

  async applyHold(action: HoldAction): Promise<void> {
    const { devices, logger } = this.options;
    const { identity, generation } = action;
    if (action.does === 'call-clean') return devices.book([[identity, (record) => cleaned(record, generation)]]);
    if (action.does === 'call-dirty') return devices.book([[identity, (record) => soiled(record, action.dirty)]]);
    try {
      if (!(await this.#scrub(identity, generation, action.reset))) return;
      logger.info({ identity, generation }, 'device clean');
    } catch (error) {
      await this.#failedToScrub(identity, generation, error);
      throw error;
    }
  }

  /** @returns false: somebody has it after all, and nothing was done */
  async #scrub(identity: string, generation: number, reset: Reset): Promise<boolean> {
    const { pci, observer, devices } = this.options;
    let facts = await observer.observe();
    let device = facts.seen.devices.get(identity);
    if (!device || device.held || device.doubt !== null || (device.protectedBy ?? device.portOf) !== null || !isLetGo(device, facts)) return false;
    const before = readable(device, facts);
    if (reset !== 'no') await pci.reset(device.fn.address).catch((error: unknown) => { if (reset === 'must' || !isUnsupported(error)) throw error; });
    let mac = NO_MAC;
    if (device.pf && before) {
      const { address: pf, vf: index } = device.pf;
      const clean = cleanSettings(device, facts);
      mac = await pci.setVf(pf, index, clean).then(() => NO_MAC, async (error: unknown) => {
        // Some drivers take no MAC of zeros: then one that nobody else has.
        if (!(error instanceof PciError) || (error.code !== 'invalid' && error.code !== 'not-verified')) throw error;
        const own = ownMac(pf, index);
        await pci.setVf(pf, index, { ...clean, mac: own });
        return own;
      });
    }
    const driver = freeDriver(device, facts);
    if (driver !== null && !isOn(device, driver)) await pci.bind(device.fn.address, driver);
    facts = await observer.observe();
    device = facts.seen.devices.get(identity);
    if (!device) throw new PciError('no-device', null, 'It was gone after it was reset.');
    if (!isLetGo(device, facts)) return false;
    const after = readable(device, facts);
    // What could not be set when it was cleaned, and can be now, is cleaned again.
    if ((after === null) !== (before === null)) throw unreadable(device);
    const left = leftOver(device, after, facts, mac);
    if (left !== null) throw new PciError('not-verified', null, left);
    await devices.book([[identity, (record) => cleaned(record, generation)]]);
    return true;
  }

  async #failedToScrub(identity: string, generation: number, error: unknown): Promise<void> {
    const { devices, scrubAttempts } = this.options;
    // A device that somebody has is no dirty one, nor one whose cable is out, nor any while the host's sysfs is read-only; a writer that hangs is said as such.
    if (!(error instanceof PciError) || NOT_ITS_OWN.has(error.code)) return;
    const failed = { generation, code: error.code, sentence: error.message.slice(0, 500), final: error.code === 'unsupported' };
    await devices.book([[identity, (record) => failedToClean(record, failed, scrubAttempts)]]);
  }

  /** Makes an instance's devices ready for its start, or for being attached; what its guest has is not touched. @throws StepError */
  async prepare(desired: DesiredInstance): Promise<readonly PlacedDevice[]> {
    const { observer, devices } = this.options;
    const facts = await observer.observe();
    await devices.book([...learned(facts)].map(([identity, record]) => [identity, () => record] as const));
    const placed = placedOf(desired, facts);
    const idle = placed.filter(({ claimed }) => facts.seen.devices.get(claimed.identity)?.usedBy === null);
    await devices.book(idle.map(({ claimed }) => [claimed.identity, (record) => prepared(record, claimed.generation, desired.id)] as const));
    try {
      for (const { claimed, address } of idle) await this.#ready(address, claimed, facts);
    } catch (error) {
      if (error instanceof PciError) throw new StepError(`device-${error.code}`, error.message, error.code === 'link-down' ? 'free' : 'counted', { cause: error });
      throw error;
    }
    const after = await observer.observe();
    const again = placedOf(desired, after);
    const unbound = again.find(({ claimed }) => after.seen.devices.get(claimed.identity)?.fn.driver !== 'vfio-pci');
    if (unbound) throw new StepError('device-not-verified', `The device ${unbound.claimed.identity} was bound to vfio-pci and is not on it.`, 'counted');
    return again;
  }

  async #ready(address: PciAddress, claimed: PlacedDevice['claimed'], facts: DeviceFacts): Promise<void> {
    const { pci } = this.options;
    const device = facts.seen.devices.get(claimed.identity)!;
    const pf = device.pf ? facts.seen.devices.get(device.pf.identity) : undefined;
    if (device.pf && pf?.fn.networks[0]?.link === 'down') await pci.linkUp(device.pf.address);
    const now = settingsOf(device, facts);
    if (device.pf && now) {
      const change = differing(now, grantedSettings(claimed, device, facts));
      if (Object.keys(change).length > 0) await pci.setVf(device.pf.address, device.pf.vf, change);
    } else if (device.pf && facts.settings.get(device.pf.address) !== null) throw new PciError('not-verified', null, `What VF ${device.pf.vf} of ${device.pf.address} may do could not be read.`);
    // libvirt binds nothing itself (managed='no'): bound here, its driver is what was verified, and a guest's end gives nothing back to the host.
    await pci.bind(address, 'vfio-pci');
  }
}

/** @throws StepError */
export function placedOf(desired: DesiredInstance, facts: DeviceFacts | null): readonly PlacedDevice[] {
  const found = readinessOf(desired, facts);
  if (found.kind === 'ready') return found.devices;
  if (found.kind === 'wait') throw new StepError('device-awaited', found.why, 'free');
  throw new StepError(found.code, found.message, 'counted');
}

/** Of an interface libvirt sets MAC and VLAN itself, from what is there to what is asked and back. */
export function grantedSettings(claimed: PlacedDevice['claimed'], device: SeenDevice, facts: DeviceFacts): VfChange {
  const policy = poolOf(device, facts)?.vfs?.policy;
  const allowed = policy ? policyOf(policy) : {};
  if (claimed.attach === 'interface') return { ...allowed, vlan: 0, qos: 0 };
  return { ...allowed, vlan: claimed.vlan ?? 0, qos: 0, ...(claimed.mac !== null && { mac: claimed.mac }) };
}

const settingsOf = (device: SeenDevice, { settings }: Pick<DeviceFacts, 'settings'>) =>
  (device.pf ? (settings.get(device.pf.address)?.find(({ index }) => index === device.pf!.vf) ?? null) : null);

/** Of a device that is made clean. null: its PF keeps none. @throws PciError held: it can't be told now, and so not whether it is clean */
function readable(device: SeenDevice, facts: Pick<DeviceFacts, 'settings'>): VfSettings | null {
  if (!device.pf || facts.settings.get(device.pf.address) === null) return null;
  const found = settingsOf(device, facts);
  if (found === null) throw unreadable(device);
  return found;
}

const unreadable = ({ pf }: SeenDevice): PciError =>
  new PciError('held', null, `What VF ${pf?.vf ?? -1} of ${pf?.address ?? ''} may do could not be read, so nobody knows what its last holder left: it is tried again.`);

/** Locally administered, and of this VF alone on its host. */
const ownMac = (pf: PciAddress, index: number): string => {
  const [, bus = '00', rest = '00.0'] = pf.slice(-10).split(':');
  return ['06', '53', bus, rest.slice(0, 2), (index >> 8).toString(16).padStart(2, '0'), (index & 0xff).toString(16).padStart(2, '0')].join(':');
};
