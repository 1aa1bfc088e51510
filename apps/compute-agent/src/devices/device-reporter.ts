/**
 * Tells the control plane what devices this host has: all of them, in ranges of identities, those ranges that changed, and everything now and then.
 *
 * Owns: what was said and answered. A crash forgets that, so everything is said again, which is harmless.
 */
import { reportDevices, type HostDevice, type HostId, type InputOf } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { jittered, type Clock } from '../clock.js';
import type { Limits } from '../limits.js';
import type { Ledger } from '../reconcile/ledger.js';
import type { PoolProblem } from './decide/facts.js';

export interface DeviceReporterOptions {
  readonly hostId: HostId;
  readonly bootId: string;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  /** The state that is wanted now. */
  onAnswered(version: string): void;
  onRefused(): void;
}

type Page = Pick<InputOf<typeof reportDevices>, 'range' | 'devices' | 'problems' | 'wishes'>;
const Told = reportDevices.input.pick({ range: true, devices: true, problems: true, wishes: true });

export class DeviceReporter {
  #pages: readonly Page[] = [];
  #text = '';
  /** What was answered, by range. */
  #said = new Map<string, string>();
  /** Pages of these that the contract does not allow: a fault of this agent's, which is said in its log once and keeps nobody else's devices from being told. */
  #unsayable = new Set<Page>();
  #reading = 0;
  #open = false;
  #stopped = false;
  #failures = 0;
  #sending: Promise<void> | undefined;
  #lastFullMs: number;
  #cancelTimer: (() => void) | undefined;

  constructor(private readonly options: DeviceReporterOptions) {
    this.#lastFullMs = options.clock.nowMs();
  }

  /** @param wishes the state of wishes that was applied last; @returns whether anything is new */
  see(devices: readonly HostDevice[], problems: readonly PoolProblem[], wishes: string | null): boolean {
    const pages = pagesOf(devices, problems, wishes, this.options.limits.reportBatch);
    const text = JSON.stringify(pages);
    if (text === this.#text) {
      this.flush();
      return false;
    }
    this.#pages = pages;
    this.#unsayable.clear();
    this.#text = text;
    // By the clock that counts from boot: it rises over restarts of this agent too.
    this.#reading = Math.max(this.#reading + 1, Math.round(this.options.clock.nowMs()));
    this.flush();
    return true;
  }

  /** The session stands, anew: nothing said so far counts. */
  open(): void {
    this.#open = true;
    this.#said.clear();
    this.flush();
  }

  flush(): void {
    const { bus, clock, limits, random } = this.options;
    if (this.#stopped || this.#sending || !this.#open || !bus.connected || this.#reading === 0) return;
    if (clock.nowMs() - this.#lastFullMs >= limits.fullReportEveryMs) {
      this.#lastFullMs = clock.nowMs();
      this.#said.clear();
    }
    const due = this.#pages.find((page) => this.#said.get(keyOf(page)) !== JSON.stringify(page) && this.#isSayable(page));
    if (!due) return;
    this.#cancelTimer?.();
    let answered = false;
    this.#sending = this.#send(due).then(() => { answered = true; }, (error: unknown) => {
      const kind = (error as { kind?: string }).kind;
      if (kind === 'conflict' || kind === 'stale') this.options.onRefused();
      // Nobody there, or another session: that passes. Whatever else it is stays so until somebody looks.
      const passes = kind === 'conflict' || kind === 'stale' || kind === 'unavailable' || kind === 'timeout';
      this.options.logger[passes ? 'debug' : 'warn']({ err: error }, 'devices not reported');
    }).finally(() => {
      this.#sending = undefined;
      if (this.#stopped) return;
      this.#failures = answered ? 0 : this.#failures + 1;
      if (answered) return this.flush();
      // An older control plane never answers: it is told ever more seldom.
      const ms = Math.min(limits.deviceWishesEveryMs, limits.deviceReportAgainMs * 2 ** Math.min(this.#failures - 1, 16));
      this.#cancelTimer = clock.after(jittered(ms, limits.jitter, random()), () => this.flush());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#sending;
  }

  #isSayable(page: Page): boolean {
    if (this.#unsayable.has(page)) return false;
    const { error } = Told.safeParse(page);
    if (error === undefined) return true;
    this.#unsayable.add(page);
    this.options.logger.error({ err: error, range: page.range }, 'devices are not as they may be reported, and are left out of reports');
    return false;
  }

  async #send(page: Page): Promise<void> {
    const { bus, hostId, bootId, ledger: { host: { epoch, incarnation } } } = this.options;
    const answer = await bus.ask(reportDevices, { bootId, epoch, incarnation, reading: this.#reading, ...page }, { hostId });
    const ranges = new Set(this.#pages.map(keyOf));
    for (const key of this.#said.keys()) if (!ranges.has(key)) this.#said.delete(key);
    this.#said.set(keyOf(page), JSON.stringify(page));
    this.options.onAnswered(answer.wishes);
  }
}

const keyOf = ({ range }: Page): string => JSON.stringify([range.after, range.upTo]);
const byBytes = (a: { identity: string }, b: { identity: string }): number => (a.identity < b.identity ? -1 : a.identity > b.identity ? 1 : 0);

/** Of devices in one page: a function may have mates with long names, and with its problems the page has to fit a message of 1 MiB. */
const PAGE_BYTES = 400_000;

/** In ranges that cover everything, each of so many devices and bytes (one device at least). */
export function pagesOf(devices: readonly HostDevice[], problems: readonly PoolProblem[], wishes: string | null, size: number): Page[] {
  const sorted = [...devices].sort(byBytes);
  const starts = [0];
  let bytes = 0;
  for (const [at, device] of sorted.entries()) {
    const own = JSON.stringify(device).length;
    const start = starts.at(-1)!;
    if (at > start && (at - start >= size || bytes + own > PAGE_BYTES)) {
      starts.push(at);
      bytes = 0;
    }
    bytes += own;
  }
  return starts.map((start, page) => {
    const end = starts[page + 1] ?? sorted.length;
    const part = sorted.slice(start, end);
    const isLast = end >= sorted.length;
    const range = { after: start === 0 ? null : sorted[start - 1]!.identity, upTo: isLast ? null : part.at(-1)!.identity };
    const within = ({ identity }: PoolProblem): boolean => (range.after === null || identity > range.after) && (range.upTo === null || identity <= range.upTo);
    return { range, devices: part, problems: problems.filter(within).sort(byBytes).slice(0, 500).map((each) => ({ ...each, sentence: each.sentence.slice(0, 500) })), wishes };
  });
}
