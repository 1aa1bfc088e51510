/**
 * Tells the control plane what this host sees: only what changed, in batches, and everything now and then.
 *
 * Owns: what was said and answered. Never drops anything that was not acknowledged. A crash forgets what was said, so
 * everything is said again, which is harmless.
 */
import { reportObserved, type DriftEntry, type HostId, type InstanceId, type ObservedInstance } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import type { Clock } from '../clock.js';
import type { Limits } from '../limits.js';
import { agentMetrics } from '../metrics.js';
import type { Orphan } from './host.reconciler.js';
import type { Ledger } from './ledger.js';

export interface ReporterOptions {
  readonly hostId: HostId;
  readonly bootId: string;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  isProvedAbsent(id: string): boolean;
  /** Refused as stale or conflicting: who we are must be said anew. */
  onRefused(): void;
}

interface Item {
  observed: ObservedInstance;
  text: string;
  /** Since when work is under way; null: settled. */
  busySinceMs: number | null;
  saidText: string | null;
  sayAgainAtMs: number | null;
  absentSaid: number;
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #items = new Map<string, Item>();
  #orphans: readonly Orphan[] = [];
  #orphansText = '[]';
  #saidOrphansText: string | null = null;
  #drift: readonly DriftEntry[] = [];
  #driftText = '[]';
  #saidDriftText: string | null = null;
  /** By the clock that counts from boot: it rises over restarts of this agent too. */
  #sequence = 0;
  #lastFullMs: number;
  #sending: Promise<void> | undefined;
  #stopped = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#lastFullMs = options.clock.nowMs();
  }

  /** What an instance looks like now. */
  see(observed: ObservedInstance): void {
    const text = JSON.stringify(observed);
    const item = this.#items.get(observed.id);
    const now = this.#options.clock.nowMs();
    if (!item) {
      this.#items.set(observed.id, { observed, text, busySinceMs: observed.doing === null ? null : now, saidText: null, sayAgainAtMs: null, absentSaid: 0 });
      return;
    }
    item.busySinceMs = observed.doing === null ? null : (item.busySinceMs ?? now);
    if (item.text !== text) [item.observed, item.text, item.sayAgainAtMs, item.absentSaid] = [observed, text, null, 0];
  }

  seeOrphans(orphans: readonly Orphan[]): void {
    const { limits } = this.#options;
    this.#orphans = orphans.slice(0, limits.reportedOrphans);
    this.#orphansText = JSON.stringify(this.#orphans);
    agentMetrics.orphans.set(orphans.length);
  }

  seeDrift(drift: readonly DriftEntry[]): void {
    this.#drift = drift.slice(0, this.#options.limits.reportedOrphans);
    this.#driftText = JSON.stringify(this.#drift);
  }

  /** Nothing said so far counts: the control plane or its memory is another. */
  sayEverything(): void {
    for (const item of this.#items.values()) item.saidText = null;
    this.#saidOrphansText = null;
    this.#saidDriftText = null;
    this.#lastFullMs = this.#options.clock.nowMs();
    this.flush();
  }

  /** Sends what is due, now or when the report under way has ended. */
  flush(): void {
    if (this.#stopped || this.#sending || !this.#options.bus.connected) return;
    const { clock, limits } = this.#options;
    if (clock.nowMs() - this.#lastFullMs >= limits.fullReportEveryMs) {
      this.#lastFullMs = clock.nowMs();
      for (const item of this.#items.values()) item.saidText = null;
      this.#saidDriftText = null;
    }
    const due = [...this.#items.values()].filter((item) => this.#isDue(item)).slice(0, limits.reportBatch);
    if (due.length === 0 && this.#orphansText === this.#saidOrphansText && this.#driftText === this.#saidDriftText) {
      this.#sleep();
      return;
    }
    this.#cancelTimer?.();
    let answered = false;
    this.#sending = this.#send(due).then(() => { answered = true; }, (error: unknown) => this.#failed(error)).finally(() => {
      this.#sending = undefined;
      if (answered) this.flush();
      else this.#later(limits.askAgainMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#sending;
  }

  #isDue(item: Item): boolean {
    const { clock, limits } = this.#options;
    if (item.sayAgainAtMs !== null && clock.nowMs() >= item.sayAgainAtMs) return true;
    if (item.text === item.saidText) return false;
    return item.busySinceMs === null || clock.nowMs() - item.busySinceMs >= limits.reportTransientAfterMs;
  }

  /** Until something busy has been busy for long enough, or something absent must be said again. */
  #sleep(): void {
    const { clock, limits } = this.#options;
    let atMs = Infinity;
    for (const item of this.#items.values()) {
      if (item.sayAgainAtMs !== null) atMs = Math.min(atMs, item.sayAgainAtMs);
      else if (item.text !== item.saidText && item.busySinceMs !== null) atMs = Math.min(atMs, item.busySinceMs + limits.reportTransientAfterMs);
    }
    if (atMs < Infinity) this.#later(Math.max(1, atMs - clock.nowMs()));
  }

  #later(ms: number): void {
    this.#cancelTimer?.();
    if (!this.#stopped) this.#cancelTimer = this.#options.clock.after(ms, () => this.flush());
  }

  async #send(due: readonly Item[]): Promise<void> {
    const { bus, hostId, bootId, ledger, clock, limits } = this.#options;
    const said = due.map((item) => ({ item, text: item.text }));
    const [orphansText, driftText] = [this.#orphansText, this.#driftText];
    this.#sequence = Math.max(this.#sequence + 1, clock.nowMs());
    const { epoch, incarnation } = ledger.host;
    const { forget } = await bus.ask(reportObserved, { bootId, epoch, incarnation, instances: due.map((item) => item.observed), orphans: [...this.#orphans],
      sequence: this.#sequence, ...(driftText !== this.#saidDriftText && { drift: [...this.#drift] }),
    }, { hostId });
    agentMetrics.reports.inc({ outcome: 'ok' });
    this.#saidOrphansText = orphansText;
    this.#saidDriftText = driftText;
    for (const { item, text } of said) {
      item.saidText = text;
      if (item.observed.state !== 'absent' || item.text !== text) continue;
      item.sayAgainAtMs = clock.nowMs() + Math.min(limits.absentAgainMaxMs, limits.absentAgainMinMs * 2 ** item.absentSaid);
      item.absentSaid += 1;
    }
    await this.forget(forget);
  }

  /** Drops what is booked as absent, here and in the ledger. */
  async forget(ids: readonly InstanceId[] | readonly string[]): Promise<void> {
    const { ledger, isProvedAbsent } = this.#options;
    await ledger.forget(ids, isProvedAbsent);
    this.#letGo(ids);
  }

  /** Nobody names it, and nothing of it is here: there is nothing to be said of it any more. */
  async drop(id: string): Promise<void> {
    await this.#options.ledger.drop(id);
    this.#letGo([id]);
  }

  #letGo(ids: readonly string[]): void {
    const { ledger } = this.#options;
    for (const id of ids) if (!ledger.entries.has(id)) this.#items.delete(id);
  }

  #failed(error: unknown): void {
    agentMetrics.reports.inc({ outcome: 'failed' });
    const kind = (error as { kind?: string }).kind;
    if (kind === 'conflict' || kind === 'stale') this.#options.onRefused();
    this.#options.logger.debug({ err: error }, 'report not delivered');
  }
}
