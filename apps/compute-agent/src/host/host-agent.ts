/**
 * One host's agent, put together: ledger, loop, puller, reporter, session, answers. The same for real hosts and simulated
 * ones. Owns the wiring and the order of starting and stopping; no logic of its own.
 */
import { hostHint, type HostId } from '#libs/contracts';
import type { Bus, Subscription } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import type { Clock } from '../clock.js';
import { ConsoleSessions } from '../consoles/console-sessions.js';
import type { GuestConsoles } from '../consoles/guest-consoles.js';
import type { Step } from '../decide/facts.js';
import { DeviceRoom, type DeviceSource } from '../devices/device-room.js';
import type { FatalError } from '../errors.js';
import { DiskSender } from '../files/disk-sender.js';
import type { Machine } from '../hypervisor/hypervisor.js';
import type { Limits } from '../limits.js';
import { HostReconciler } from '../reconcile/host.reconciler.js';
import type { Ledger } from '../reconcile/ledger.js';
import { Lease } from '../reconcile/lease.js';
import { Puller } from '../reconcile/puller.js';
import { Reporter } from '../reconcile/reporter.js';
import { Session, type Offer } from '../session/session.js';
import { answerAsks } from './asks.js';

export interface HostAgentOptions {
  readonly hostId: HostId;
  readonly name: string;
  readonly simulated: boolean;
  readonly bootId: string;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly machine: Machine;
  /** Absent: consoles and diagnostics are not answered. */
  readonly consoles?: GuestConsoles;
  /** Absent: devices are neither looked at nor given. */
  readonly devices?: DeviceSource;
  readonly offer: Offer;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly pullEveryMs?: number;
  /** Tests stop the world around a step. */
  readonly around?: (step: Step, id: string, run: () => Promise<void>) => Promise<void>;
  /** First time known to the control plane. */
  onReady?(): void;
  onFatal(error: FatalError): void;
}

export class HostAgent {
  readonly reconciler: HostReconciler;
  readonly #options: HostAgentOptions;
  readonly #puller: Puller;
  readonly #reporter: Reporter;
  readonly #sender: DiskSender;
  readonly #session: Session;
  readonly #devices: DeviceRoom | undefined;
  readonly #subscriptions: Subscription[] = [];
  #isReady = false;
  #isStopping = false;
  #cancelPatience: (() => void) | undefined;

  constructor(given: HostAgentOptions) {
    const { hypervisor, files } = given.machine;
    const { devices, ...rest } = given;
    this.#devices = devices && new DeviceRoom({
      ...rest, ...devices, instances: given.ledger, hypervisor, onChanged: () => this.reconciler.wake(), onRefused: () => this.#session.announce(),
    });
    const options = { ...rest, machine: { hypervisor, files, ...(this.#devices && { devices: this.#devices.devices }) } };
    this.#options = options;
    const onRefused = (): void => this.#session.announce();
    const lease = new Lease(options.ledger, options.clock, () => this.reconciler.wake());
    this.reconciler = new HostReconciler({
      ...options, lease,
      onSeen: (observed) => this.#reporter.see(observed),
      onActing: (id) => this.#sender.breakOff(id),
      onOrphans: (orphans) => this.#reporter.seeOrphans(orphans),
      onDrift: (drift) => this.#reporter.seeDrift(drift),
      onLooked: () => this.#looked(),
    });
    this.#sender = new DiskSender({ ...options, reconciler: this.reconciler, diskPath: options.machine.files.diskPath });
    this.#reporter = new Reporter({ ...options, onRefused, isProvedAbsent: this.reconciler.isProvedAbsent });
    this.#puller = new Puller({
      ...options, lease, pullEveryMs: options.pullEveryMs ?? options.limits.pullEveryMs, onRefused,
      onChanged: (ids) => {
        this.reconciler.desiredChanged(ids);
        this.#devices?.desiredChanged();
      },
      onPulled: () => this.#devices?.pulled(),
      onNewWorld: () => {
        this.#session.announce();
        this.#reporter.sayEverything();
        this.reconciler.wake();
      },
    });
    this.#session = new Session({
      ...options,
      onFatal: (error) => {
        void this.reconciler.stop();
        options.onFatal(error);
      },
      onAnnounced: (newIncarnation) => {
        this.#release();
        this.#puller.open();
        this.#devices?.announced();
        if (newIncarnation) this.#puller.pullAll();
        this.#reporter.flush();
        if (!this.#isReady) options.onReady?.();
        this.#isReady = true;
      },
    });
    options.bus.onConnection((connected) => {
      if (connected) this.#reporter.flush();
      else if (!this.#isStopping) options.logger.warn('the control plane is not reachable; the ledger is kept to');
    });
  }

  get hypervisorUp(): boolean { return this.#options.machine.hypervisor.isUp; }

  get health(): { ok: boolean; detail: string } {
    const { machine, bus } = this.#options;
    const parts = [machine.hypervisor.isUp ? null : 'hypervisor unreachable', bus.connected ? null : 'bus not connected', this.#session.announced ? null : 'not announced yet'].filter((part) => part !== null);
    return { ok: parts.length === 0, detail: parts.join(', ') || 'ok' };
  }

  /** The loop starts from the ledger: guests come back also without a control plane. */
  start(): void {
    const { bus, hostId, machine, clock, limits } = this.#options;
    this.#subscriptions.push(
      bus.onHint(hostHint, () => {
        this.#puller.pull();
        this.#devices?.hinted();
      }, { hostId }),
      answerAsks({ ...this.#options, virtType: this.#options.offer.virtType, reconciler: this.reconciler }),
    );
    this.#subscriptions.push(this.#sender.answer());
    const { consoles } = this.#options;
    if (consoles) this.#subscriptions.push(new ConsoleSessions({ ...this.#options, consoles }).answer());
    machine.hypervisor.start();
    this.#devices?.start();
    this.reconciler.wake();
    this.#session.start();
    this.#cancelPatience = clock.after(limits.firstWordMs, () => this.#release());
  }

  /** Ends what is under way and leaves every guest as it is. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelPatience?.();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()));
    await Promise.all([this.#session.stop(), this.#puller.stop()]);
    await this.reconciler.stop();
    await this.#devices?.stop();
    await this.#reporter.stop();
    await this.#options.ledger.flush();
    await this.#options.machine.hypervisor.close();
  }

  #release(): void {
    this.reconciler.release();
    this.#devices?.devices.release();
  }

  #looked(): void {
    this.#reporter.flush();
    // What a whole answer did not name, was wanted deleted and is gone: nobody will ever ask to forget it.
    const lost = [...this.#options.ledger.entries].filter(([id, entry]) => !entry.listed && entry.desired.intent === 'deleted' && this.reconciler.isProvedAbsent(id)).map(([id]) => id);
    if (lost.length > 0) void this.#reporter.forget(lost);
    this.#dropMemories();
  }

  /** What many whole answers have left out, and of which nothing is here, is only remembered: docs/drift.md. */
  #dropMemories(): void {
    const { ledger, limits, logger } = this.#options;
    if (ledger.host.reportOnly) return;
    for (const [id, entry] of ledger.entries) {
      if (entry.listed || ledger.leftOut(id) < limits.leftOutPulls || !this.reconciler.isNothingThere(id)) continue;
      logger.warn({ instance: id, generation: entry.desired.generation }, 'the control plane does not name it any more, and nothing of it is here: it is dropped, and kept in the ledger\'s dropped folder');
      void this.#reporter.drop(id).catch(() => undefined); // the disk's trouble has been told
    }
  }
}
