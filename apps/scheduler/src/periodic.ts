import type { Logger } from '#libs/observability';
import { LIMITS } from './limits.js';

/**
 * A task that comes again, never beside itself. A failure is logged once until it works again, and never ends it.
 * wake() brings the next run forward.
 */
export class Periodic {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #woken = false;
  #stopped = false;
  #failing = false;

  constructor(private readonly name: string, private readonly everyMs: number, private readonly task: () => Promise<void>, private readonly logger: Logger) {}

  start(delayMs = 0): void {
    this.#schedule(delayMs);
  }

  wake(): void {
    if (this.#running) this.#woken = true;
    else this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.#running = this.#run(); }, delayMs);
  }

  async #run(): Promise<void> {
    let next = this.everyMs;
    try {
      await this.task();
      if (this.#failing) this.logger.info({ task: this.name }, 'works again');
      this.#failing = false;
    } catch (error) {
      next = Math.min(this.everyMs, LIMITS.retryMs);
      if (!this.#failing) this.logger.warn({ task: this.name, err: error }, 'failed; it is tried again');
      this.#failing = true;
    }
    this.#running = undefined;
    if (this.#woken && !this.#failing) next = 0;
    this.#woken = false;
    this.#schedule(next);
  }
}
