/**
 * Drops records of keyed requests past their day. Owns: when. Never touches one that still counts; a crash only delays,
 * for an expired record counts as none anyway.
 */
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import type { Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import type { IdempotencyRepository } from './idempotency.repository.js';

export class IdempotencySweeper implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(private readonly records: IdempotencyRepository, private readonly logger: Logger) {}

  onApplicationBootstrap(): void {
    this.#later(LIMITS.sweepMs * (0.1 + Math.random() * 0.2));
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async sweep(): Promise<void> {
    while ((await this.records.sweep(LIMITS.sweepBatch)) === LIMITS.sweepBatch);
  }

  #later(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.sweep()
        .catch((error: unknown) => { this.logger.warn({ err: error }, 'old records of keyed requests could not be swept; it is tried again'); })
        .finally(() => { this.#later(LIMITS.sweepMs); });
    }, ms).unref();
  }
}
