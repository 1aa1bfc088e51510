/**
 * Drops what nothing can need any more: old tombstones, old tokens, months of old events; makes the next months' partitions. Each statement is small; a crash only delays.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { LOGGER, type Logger } from '#libs/observability';
import { AttachedDevicesRepository } from './claims/attached-devices.repository.js';
import { ClaimsRepository } from './claims/claims.repository.js';
import { CONFIG, type SchedulerConfig } from './deps.js';
import { EnrolmentRepository } from './enrolment/enrolment.repository.js';
import { HostEventsRepository } from './hosts/host-events.repository.js';
import { LIMITS } from './limits.js';
import { Periodic } from './periodic.js';

@Injectable()
export class Sweeper implements OnModuleInit, OnApplicationShutdown {
  readonly #periodic: Periodic;

  constructor(
    private readonly claims: ClaimsRepository, private readonly enrolment: EnrolmentRepository, private readonly events: HostEventsRepository, private readonly attached: AttachedDevicesRepository,
    @Inject(CONFIG) private readonly config: SchedulerConfig, @Inject(LOGGER) logger: Logger,
  ) {
    this.#periodic = new Periodic('sweep', LIMITS.sweepMs, () => this.sweep(), logger);
  }

  /** Not at once: a start has better things to do, and replicas shall not come together. */
  onModuleInit(): void {
    this.#periodic.start(LIMITS.sweepMs * (0.05 + Math.random() * 0.2));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#periodic.stop();
  }

  async sweep(): Promise<void> {
    while ((await this.claims.sweepTombstones()) === LIMITS.sweepBatch);
    while ((await this.attached.sweep()) === LIMITS.sweepBatch);
    await this.enrolment.sweepTokens();
    await this.events.keepPartitions(LIMITS.eventsMonthsAhead, this.config.eventsKeepDays ?? LIMITS.eventsKeepDays);
  }
}
