/** The host's devices, put together: observer, hands, loop, what is wanted, what is said. Wiring only. */
import type { HostId } from '#libs/contracts';
import type { PciHost } from '#libs/pci';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import type { Clock } from '../clock.js';
import type { Hypervisor } from '../hypervisor/hypervisor.js';
import type { Limits } from '../limits.js';
import type { Ledger } from '../reconcile/ledger.js';
import type { Wishes } from './decide/records.js';
import { DeviceActs } from './device-acts.js';
import type { DeviceLedger } from './device-ledger.js';
import { DeviceObserver } from './device-observer.js';
import { DeviceReporter } from './device-reporter.js';
import { DeviceWishes } from './device-wishes.js';
import { HostDevices } from './host-devices.js';

/** What a machine has of devices. */
export interface DeviceSource {
  readonly pci: PciHost;
  readonly ledger: DeviceLedger;
  /** false: they are looked at and told, and nothing is changed. */
  readonly mayWrite: boolean;
}

export interface DeviceRoomOptions extends DeviceSource {
  readonly hostId: HostId;
  readonly bootId: string;
  readonly bus: Bus;
  readonly instances: Ledger;
  readonly hypervisor: Hypervisor;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  /** Instances may be able to start, or not any more. */
  onChanged(): void;
  onRefused(): void;
}

export class DeviceRoom {
  readonly devices: HostDevices;
  readonly #reporter: DeviceReporter;
  readonly #wishes: DeviceWishes;
  #current: Wishes | null = null;

  constructor(private readonly options: DeviceRoomOptions) {
    const { instances, ledger, limits } = options;
    this.#wishes = new DeviceWishes({ ...options, ledger: instances, devices: ledger, onChanged: () => this.devices.wake() });
    this.#reporter = new DeviceReporter({ ...options, ledger: instances, onAnswered: (version) => this.#wishes.heard(version) });
    const observer = new DeviceObserver({ ...options, ledger: instances, devices: ledger, wishes: () => this.#wishes.current });
    this.devices = new HostDevices({
      ...options, mayGive: options.mayWrite, observer, devices: ledger, acts: new DeviceActs({ ...options, observer, devices: ledger, scrubAttempts: limits.scrubAttempts }),
      onSeen: (devices, problems, applied) => this.#reporter.see(devices, problems, applied),
    });
  }

  start(): void { this.devices.start(); }

  /** The session stands: what is wanted is asked, what is there is said. */
  announced(): void {
    this.#wishes.open();
    this.#reporter.open();
  }

  /** Somebody rang. */
  hinted(): void { this.#wishes.pull(); }

  /** What instances shall be here has changed. */
  desiredChanged(): void { this.devices.wake(); }

  /** The instances' own pull says in which world wishes are read: those on disk may count from now on, or no more. */
  pulled(): void {
    const { current } = this.#wishes;
    if (current !== this.#current) this.devices.wake();
    this.#current = current;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#wishes.stop(), this.#reporter.stop(), this.devices.stop()]);
    await this.options.ledger.flush();
  }
}
