/** A host over the fake hypervisor, whose agent can be killed and started again, for this app's tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PlacementConfig } from '#libs/config';
import { FakeKernel, FakePci, parsePciAddress, type FakeShape } from '#libs/pci';
import { FakeHypervisor, FakeLibvirt, type FakeHostDevices, type FakeHypervisorOptions } from '#libs/libvirt';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { systemClock, type Clock } from '../clock.js';
import type { Step } from '../decide/facts.js';
import { DeviceLedger } from '../devices/device-ledger.js';
import type { FatalError } from '../errors.js';
import { HostAgent } from '../host/host-agent.js';
import { LibvirtHypervisor } from '../hypervisor/libvirt.hypervisor.js';
import { imageUrls } from '../images/image-url.js';
import { LIMITS, type Limits } from '../limits.js';
import { Ledger } from '../reconcile/ledger.js';
import { SimulatedMachine } from '../simulated/simulated-machine.js';
import { CLOUD_ID, desired, HOST_ID } from './builders.js';
import { KillableBus, TestControlPlane } from './control-plane.js';

/** Seconds become milliseconds. */
export const FAST: Limits = {
  ...LIMITS, tickEveryMs: 25, pullEveryMs: 40, beatEveryMs: 30, reportTransientAfterMs: 20, firstWordMs: 40, powerOffMs: 60, pressAgainMs: 25, backoffMinMs: 5, backoffMaxMs: 20,
  announceMinMs: 5, announceMaxMs: 20, askAgainMs: 10, absentAgainMinMs: 30, absentAgainMaxMs: 60, tickPauseMaxMs: 5, attempts: 3, detachAgainMs: 20, detachAgainMaxMs: 40,
  deviceLookEveryMs: 40, deviceLookPauseMs: 3, deviceBackoffMaxMs: 40, deviceWishesEveryMs: 60, deviceReportAgainMs: 10,
};

/** The fake libvirt over the fake kernel. */
export const onKernel = (kernel: FakeKernel, answers = true): FakeHostDevices => ({
  refusalOfUse: (address, domain, use) => kernel.refusalOfUse(parsePciAddress(address), domain, use),
  useBy: (address, domain, use) => kernel.useBy(parsePciAddress(address), domain, { ...use, answers }),
  vfOf: (address) => kernel.state.at(parsePciAddress(address))?.settings ?? null,
  setVf: (address, settings) => kernel.leave(parsePciAddress(address), settings),
});

/** Of tests that count what a guest is asked: a machine that stands still for a moment presses no button twice, and pulls no plug. */
export const PATIENT = { powerOffMs: 600_000, pressAgainMs: 600_000 } as const;

export class Killed extends Error {}

export interface TestHostOptions extends FakeHypervisorOptions { readonly limits?: Partial<Limits>; readonly placement?: PlacementConfig; /** The host's PCI bus. Absent: none is looked at. */ readonly pci?: FakeShape; /** Left out: yes. */ readonly mayWrite?: boolean; /** Do guests answer to a request to let a device go? */ readonly guestsAnswer?: boolean }

export class TestHost {
  readonly bus = new InMemoryBus();
  readonly plane = new TestControlPlane(this.bus);
  readonly hypervisor: FakeHypervisor;
  /** Outlives agents, as kernels do. */
  readonly kernel: FakeKernel | undefined;
  readonly folder = mkdtempSync(join(tmpdir(), 'agent-'));
  readonly steps: Step[] = [];
  bootId = 'boot-1';
  /** As the operator states it at the next start. */
  placement: PlacementConfig | undefined;
  /** Called around every step; may kill(). */
  around: (step: Step, run: () => Promise<void>) => Promise<void> = (_, run) => run();
  fatal: FatalError | undefined;
  agent!: HostAgent;
  ledger!: Ledger;
  libvirt!: FakeLibvirt;
  #bus!: KillableBus;
  #alive = { yes: false };

  constructor(private readonly options: TestHostOptions = {}) {
    this.kernel = options.pci && new FakeKernel(options.pci);
    this.hypervisor = new FakeHypervisor({ ...options, ...(this.kernel && { hostDevices: onKernel(this.kernel, options.guestsAnswer) }) });
    this.placement = options.placement;
    this.plane.imageUrl = () => ({ url: 'http://127.0.0.1:1/', expiresAtMs: 0, sha512: desired().image.sha512, sizeBytes: 1000 });
  }

  /** Starts an agent on what is on disk. */
  async start(libvirtUp = true): Promise<void> {
    const alive = { yes: true };
    this.#alive = alive;
    const clock: Clock = { ...systemClock, after: (ms, task) => {
      // A killed process keeps nobody waiting.
      const timer = setTimeout(() => { if (alive.yes) task(); }, ms).unref();
      return () => clearTimeout(timer);
    } };
    this.#bus = new KillableBus(this.bus);
    this.ledger = await Ledger.open({ folder: join(this.folder, 'ledger'), durable: false, wallMs: Date.now, onProblem: () => undefined });
    this.libvirt = new FakeLibvirt(this.hypervisor);
    const at = (id: string, name: string): string => join(this.folder, id, name);
    const { kernel } = this;
    const hypervisor = new LibvirtHypervisor(this.libvirt, {
      ...(kernel && { opened: (id: string) => new FakePci(kernel).opened(id) }),
      cloudId: CLOUD_ID, virtType: 'qemu', diskCache: 'none', ...(this.placement && { cpus: this.placement.cpus }), pathsOf: ({ id }) => ({ disk: at(id, 'disk'), base: '/base', configDrive: at(id, 'iso'), serialLog: at(id, 'log') }),
    });
    if (!libvirtUp) hypervisor.start = () => undefined;
    const files = new SimulatedMachine({ folder: join(this.folder, 'files'), cloudId: CLOUD_ID, urlOf: imageUrls(this.#bus, HOST_ID), after: clock.after });
    const devices = this.kernel && {
      pci: new FakePci(this.kernel), mayWrite: this.options.mayWrite ?? true,
      ledger: await DeviceLedger.open({ folder: join(this.folder, 'ledger'), durable: false, bootId: this.bootId, wallMs: Date.now, onProblem: () => undefined }),
    };
    this.agent = new HostAgent({
      ...(devices && { devices }),
      hostId: HOST_ID, name: 'h1', simulated: false, bootId: this.bootId, bus: this.#bus, ledger: this.ledger, machine: { hypervisor, files: files.files },
      offer: { share: {}, ...this.placement, reservedMemoryMib: 0, reservedDiskGib: 0, virtType: 'qemu', hostAddress: '127.0.0.1' },
      clock, random: Math.random, logger: createLogger('test', 'silent'), limits: { ...FAST, ...this.options.limits },
      around: (step, _id, run) => {
        if (!alive.yes) return new Promise(() => undefined);
        this.steps.push(step);
        return this.around(step, run);
      },
      onFatal: (error) => { this.fatal = error; },
    });
    this.agent.start();
  }

  /** SIGKILL: nothing more is said, heard or done. @returns a promise that never ends, for the step it happened in */
  kill(): Promise<never> {
    this.#alive.yes = false;
    this.#bus.kill();
    void this.libvirt.close();
    return new Promise(() => undefined);
  }

  /** Kills and starts again, as a supervisor does. */
  async restart(): Promise<void> {
    void this.kill();
    await this.ledger.flush();
    await this.start();
  }

  async close(): Promise<void> {
    if (this.#alive.yes) await this.agent.stop();
    await this.ledger.flush();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
