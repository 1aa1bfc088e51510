/**
 * Keeps what only time ends: partitions of the events (the next months' are there before their first row, those past the
 * retention go), and notes of orphans that nobody has seen for days.
 *
 * Owns: when that is looked after. Never touches an event itself, nor anything on a host. A crash only delays: a row of a month without a
 * partition falls into the default one, and is moved when the partition is made. Replicas take turns by a lock.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER, type Logger } from '#libs/observability';
import { ObservationsRepository } from '../hosts/observations.repository.js';
import { LIMITS } from '../limits.js';
import { EVENTS_KEEP_DAYS } from './keep-days.js';
import { TimelineRepository } from './timeline.repository.js';

@Injectable()
export class EventsKeeper implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(private readonly events: TimelineRepository, private readonly observations: ObservationsRepository, @Inject(EVENTS_KEEP_DAYS) private readonly keepDays: number, @Inject(LOGGER) private readonly logger: Logger) {}

  /** Not at once: a start has better things to do, and replicas shall not come together. */
  onApplicationBootstrap(): void {
    this.#later(LIMITS.keepEventsMs * (0.02 + Math.random() * 0.05));
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async keep(): Promise<number> {
    return this.events.keepPartitions(LIMITS.eventsMonthsAhead, this.keepDays);
  }

  /** Notes of orphans that are no news any more; gives how many went. */
  async sweep(): Promise<number> {
    let gone = 0;
    for (let swept: number = LIMITS.orphansSwept; swept === LIMITS.orphansSwept && !this.#stopped; gone += swept) swept = await this.observations.forgetOrphans(LIMITS.orphansKeptMs, LIMITS.orphansSwept);
    return gone;
  }

  #later(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.keep()
        .then((changed) => { if (changed > 0) this.logger.info({ changed }, 'partitions of instance events were made or dropped'); })
        .catch((error: unknown) => { this.logger.warn({ err: error }, 'partitions of instance events could not be looked after; it is tried again'); })
        .then(() => this.sweep())
        .then((gone) => { if (gone > 0) this.logger.info({ gone }, 'notes of orphans that were seen last long ago were removed'); })
        .catch((error: unknown) => { this.logger.warn({ err: error }, 'old notes of orphans could not be removed; it is tried again'); })
        .finally(() => { this.#later(LIMITS.keepEventsMs); });
    }, ms).unref();
  }
}
