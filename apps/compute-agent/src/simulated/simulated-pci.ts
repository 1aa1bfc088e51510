/**
 * The devices that a simulated host pretends to have: a kernel's PCI side in memory. What agents changed of it is remembered in one small
 * file, so that the process may be killed: the pretended host has not rebooted.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaimedDevice } from '#libs/contracts';
import { FakeKernel, FakePci, parsePciAddress, type FakeShape, type PciAddress, type VfSettings } from '#libs/pci';
import type { PlacedDevice } from '../devices/decide/ready.js';
import { explainVfio } from '../decide/vfio-refusals.js';
import { StepError } from '../errors.js';

/** A device that a simulated domain is defined with. */
export interface SimulatedDevice extends Pick<ClaimedDevice, 'attach' | 'mac' | 'vlan'> { readonly address: string; readonly place: number }

export const simulatedDevice = ({ address, claimed: { attach, mac, vlan, place } }: PlacedDevice): SimulatedDevice => ({ address, place, attach, mac, vlan });

interface Remembered {
  readonly vfs: readonly { readonly pf: string; readonly count: number; readonly autoprobe: boolean; readonly up: boolean }[];
  readonly drivers: readonly { readonly address: string; readonly driver: string | null; readonly override: string | null }[];
  readonly settings: readonly (VfSettings & { readonly address: string })[];
}

export class SimulatedPci {
  readonly kernel: FakeKernel;
  readonly pci: FakePci;
  /** The kernel knows itself who uses what. */
  readonly outlives: boolean;
  readonly #path: string;
  #text = '';
  #loaded = false;

  /** @param on a shape, of which a kernel is made and remembered; or a kernel that outlives this process by itself, with all who use it */
  constructor(folder: string, on: FakeShape | FakeKernel) {
    this.#path = join(folder, 'pci');
    this.outlives = on instanceof FakeKernel;
    this.kernel = on instanceof FakeKernel ? on : new FakeKernel(on);
    this.pci = new FakePci(this.kernel);
    if (this.outlives) return;
    this.#load();
    this.#loaded = true;
    this.kernel.onChange(() => this.#save());
  }

  /** A domain starts with them. @throws StepError in libvirt's words */
  take(id: string, devices: readonly SimulatedDevice[]): void {
    for (const { address, attach } of devices) {
      const refusal = this.kernel.refusalOfUse(parsePciAddress(address), id, { managed: false, asInterface: attach === 'interface' });
      if (refusal === null) continue;
      const known = explainVfio(refusal);
      throw new StepError(known?.code ?? 'libvirt-start', known?.message ?? refusal, 'counted');
    }
    for (const { address, attach, mac, vlan } of devices) {
      const at = parsePciAddress(address);
      // libvirt sets them before QEMU opens the device.
      if (attach === 'interface') this.kernel.leave(at, { ...(mac !== null && { mac }), vlan: vlan ?? 0 });
      this.kernel.useBy(at, id, { managed: false, asInterface: attach === 'interface' });
    }
  }

  /** Its domain has ended, or has let go of these. */
  giveBack(id: string, devices?: readonly SimulatedDevice[]): void {
    for (const { address, user } of [...this.kernel.state.functions.values()]) {
      if (user?.domain === id && (!devices || devices.some((device) => device.address === address))) this.kernel.useBy(address, null);
    }
  }

  #save(): void {
    if (!this.#loaded) return;
    const functions = [...this.kernel.state.functions.values()].filter(({ present }) => present);
    const remembered: Remembered = {
      vfs: functions.filter(({ vf, shape, vfs, up }) => vf === null && shape.sriov && (vfs.length > 0 || up)).map(({ address, vfs, autoprobe, up }) => ({ pf: address, count: vfs.length, autoprobe, up })),
      drivers: functions.filter(({ override, driver, shape }) => override !== null || driver !== shape.kernelDriver).map(({ address, driver, override }) => ({ address, driver, override })),
      settings: functions.flatMap(({ address, settings }) => (settings ? [{ ...settings, address }] : [])),
    };
    const text = JSON.stringify(remembered);
    if (text === this.#text) return;
    this.#text = text;
    writeFileSync(`${this.#path}.tmp`, text, { mode: 0o600 });
    renameSync(`${this.#path}.tmp`, this.#path);
  }

  #load(): void {
    if (!existsSync(this.#path)) return;
    const { vfs, drivers, settings } = JSON.parse(readFileSync(this.#path, 'utf8')) as Remembered;
    const at = (address: string) => this.kernel.state.at(address as PciAddress);
    for (const { pf: address, count, autoprobe, up } of vfs) {
      const pf = at(address);
      if (!pf) continue;
      Object.assign(pf, { autoprobe, up });
      this.kernel.state.makeVfs(pf, count);
    }
    for (const { address, driver, override } of drivers) {
      const one = at(address);
      if (one) Object.assign(one, { driver, override });
    }
    for (const { address, ...each } of settings) {
      const vf = at(address);
      if (vf) vf.settings = each;
    }
  }
}
