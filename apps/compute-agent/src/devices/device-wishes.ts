/**
 * Brings what is wanted of this host's devices onto its disk: all of it, in one state.
 *
 * Owns: pages that belong together, and whether these words may be acted on. Never interprets a wish. A crash between pages keeps the
 * state of before.
 */
import { pullDeviceWishes, type HoldWish, type HostId, type PoolWish } from '#libs/contracts';
import { SkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { jittered, type Clock } from '../clock.js';
import type { Limits } from '../limits.js';
import type { Ledger } from '../reconcile/ledger.js';
import type { Wishes } from './decide/records.js';
import type { DeviceLedger } from './device-ledger.js';

export interface DeviceWishesOptions {
  readonly hostId: HostId;
  readonly bootId: string;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly devices: DeviceLedger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  /** Something else is wanted, or may be acted on now. */
  onChanged(): void;
}

export class DeviceWishes {
  #pulling: Promise<void> | undefined;
  #again = false;
  #open = false;
  #stopped = false;
  #failures = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(private readonly options: DeviceWishesOptions) {}

  /** What may be acted on; null: nothing was ever said, or it was said by another control plane than the one that holds now. */
  get current(): Wishes | null {
    const { ledger: { host }, devices: { wishes } } = this.options;
    return wishes !== null && !wishes.reportOnly && !host.reportOnly && wishes.incarnation === host.incarnation && wishes.epoch === host.epoch ? wishes : null;
  }

  /** From now on it may ask: the host's session stands. */
  open(): void {
    this.#open = true;
    this.pull();
  }

  /** A report was answered with the state that is wanted now. */
  heard(version: string): void {
    if (version !== this.options.devices.wishes?.version) this.pull();
  }

  pull(): void {
    if (this.#stopped || !this.#open) return;
    if (this.#pulling) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#again = false;
    const { clock, limits, random, logger } = this.options;
    this.#pulling = this.#pullOnce().then(() => { this.#failures = 0; }, (error: unknown) => {
      this.#failures += 1;
      const kind = error instanceof SkyError ? error.kind : undefined;
      logger[kind === 'unavailable' || kind === 'timeout' ? 'debug' : 'warn']({ err: error }, 'what is wanted of devices could not be pulled');
    }).finally(() => {
      this.#pulling = undefined;
      if (this.#stopped) return;
      if (this.#again) return this.pull();
      // An older control plane never answers: it is asked ever more seldom.
      const ms = this.#failures === 0 ? limits.deviceWishesEveryMs : Math.min(limits.deviceWishesEveryMs, limits.askAgainMs * 2 ** Math.min(this.#failures - 1, 16));
      this.#cancelTimer = clock.after(jittered(ms, limits.jitter, random()), () => this.pull());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#pulling;
  }

  async #pullOnce(): Promise<void> {
    const { bus, hostId, bootId, devices, limits, onChanged } = this.options;
    if (!bus.connected) return;
    const before = this.current;
    const knows = devices.wishes?.version ?? null;
    let pools: PoolWish[] = [];
    let holds: HoldWish[] = [];
    let version: string | undefined;
    let after: string | null = null;
    for (let page = 0; page < limits.deviceWishPages; page += 1) {
      const answer: Awaited<ReturnType<typeof this.ask>> = await this.ask({ bootId, knows, after }, hostId);
      const { incarnation, epoch, reportOnly } = answer;
      if (version !== undefined && version !== answer.version) {
        [pools, holds, version, after] = [[], [], undefined, null]; // it changed between two pages
        continue;
      }
      version = answer.version;
      if (after === null && version === knows && devices.wishes) {
        await devices.bookWishes({ ...devices.wishes, incarnation, epoch, reportOnly });
        break;
      }
      pools.push(...answer.pools);
      holds.push(...answer.holds);
      if (answer.next === null) {
        await devices.bookWishes({ incarnation, epoch, reportOnly, version, pools, holds });
        break;
      }
      after = answer.next;
    }
    if (this.current !== before) onChanged();
  }

  private ask(input: { bootId: string; knows: string | null; after: string | null }, hostId: HostId) {
    return this.options.bus.ask(pullDeviceWishes, input, { hostId });
  }
}
