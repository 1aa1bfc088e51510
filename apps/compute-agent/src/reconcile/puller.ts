/**
 * Brings the control plane's word into the ledger: what changed after the last sequence, or everything when the ledger
 * may lack something (start, corruption, a newer incarnation, now and then).
 *
 * Owns: pages and order. Never interprets an entry. A crash between pages pulls them again.
 */
import { pullDesired, type HostId } from '#libs/contracts';
import { SkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { jittered, type Clock } from '../clock.js';
import type { Limits } from '../limits.js';
import { agentMetrics } from '../metrics.js';
import type { Lease } from './lease.js';
import type { Ledger } from './ledger.js';

export interface PullerOptions {
  readonly hostId: HostId;
  readonly bootId: string;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly pullEveryMs: number;
  onChanged(ids: readonly string[]): void;
  /** A newer incarnation, or report-only began or ended. */
  onNewWorld(): void;
  onRefused(): void;
  /** After each pull that was answered: whatever else hangs on incarnation and epoch may look. */
  onPulled?(): void;
}

export class Puller {
  readonly #options: PullerOptions;
  #pulling: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #open = false;
  #fullAtMs: number;
  /** Until the next pull that nobody asked for. */
  #delayMs = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: PullerOptions) {
    this.#options = options;
    this.#fullAtMs = options.clock.nowMs();
  }

  /** From now on it may ask: the host's session stands. */
  open(): void {
    this.#open = true;
    this.pull();
  }

  /** The next pull brings everything. */
  pullAll(): void {
    this.#fullAtMs = this.#options.clock.nowMs();
    this.pull();
  }

  /** Pulls now, or once more after the pull under way. */
  pull(): void {
    this.#delayMs = 0;
    this.#pull();
  }

  #pull(): void {
    if (this.#stopped || !this.#open) return;
    if (this.#pulling) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#again = false;
    const { limits, random, pullEveryMs } = this.#options;
    // Nothing new, and nobody rang: at rest.
    this.#delayMs = Math.min(Math.max(pullEveryMs, this.#delayMs * 2), Math.max(pullEveryMs, limits.pullAtRestMs));
    let failed = false;
    this.#pulling = this.#pullOnce().catch((error: unknown) => {
      failed = true;
      this.#failed(error);
    }).finally(() => {
      this.#pulling = undefined;
      if (this.#stopped) return;
      if (this.#again) this.#pull();
      else this.#cancelTimer = this.#options.clock.after(jittered(failed ? limits.askAgainMs : this.#delayMs, limits.jitter, random()), () => this.#pull());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#pulling;
  }

  async #pullOnce(): Promise<void> {
    const { bus, hostId, bootId, ledger, lease, clock, limits, logger } = this.#options;
    if (!bus.connected) {
      // Rings are lost meanwhile: that is no rest.
      this.#delayMs = this.#options.pullEveryMs;
      return;
    }
    if (clock.nowMs() >= this.#fullAtMs) ledger.beginFullPull();
    const before = ledger.host;
    let last = 0;
    let incarnation: number | undefined;
    for (let page = 0; page < limits.pullPages; page += 1) {
      const since = ledger.since(last);
      const askedMs = lease.nowMs();
      const answer = await bus.ask(pullDesired, { bootId, since }, { hostId });
      const restart = ledger.pullingAll && incarnation !== undefined && incarnation !== answer.incarnation;
      const changed = restart ? false : await ledger.accept(answer);
      if (changed === false) {
        if (answer.incarnation < ledger.host.incarnation) throw new SkyError('stale', `Desired state of incarnation ${answer.incarnation} is older than this host's ${ledger.host.incarnation}.`);
        ledger.beginFullPull();
        [last, incarnation] = [0, undefined];
        continue;
      }
      incarnation = answer.incarnation;
      last = answer.upTo;
      // Only a word that was taken in renews it, and only the last page of it: what was moved away may stand there.
      if (!answer.more) await lease.renew(askedMs, answer);
      if (changed.length > 0) {
        this.#delayMs = this.#options.pullEveryMs;
        this.#options.onChanged(changed);
      }
      if (!answer.more) break;
      if (answer.upTo <= since) throw new SkyError('internal', 'Desired state said more and went no further.');
    }
    if (clock.nowMs() >= this.#fullAtMs) this.#fullAtMs = clock.nowMs() + limits.fullPullEveryMs;
    agentMetrics.pulls.inc({ outcome: 'ok' });
    this.#options.onPulled?.();
    // A host that has never heard of any incarnation finds no other one.
    if ((before.incarnation !== 0 && before.incarnation !== ledger.host.incarnation) || before.reportOnly !== ledger.host.reportOnly) {
      logger.info({ incarnation: ledger.host.incarnation, reportOnly: ledger.host.reportOnly }, 'the control plane is in another state');
      this.#options.onNewWorld();
    }
  }

  #failed(error: unknown): void {
    agentMetrics.pulls.inc({ outcome: 'failed' });
    const kind = error instanceof SkyError ? error.kind : undefined;
    if (kind === 'conflict' || kind === 'stale') this.#options.onRefused();
    this.#options.logger[kind === 'unavailable' || kind === 'timeout' ? 'debug' : 'warn']({ err: error }, 'desired state could not be pulled');
  }
}
