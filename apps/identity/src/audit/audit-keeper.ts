/**
 * Keeps the months of the audit trail: the next ones' partitions are there before their first record, those past the
 * retention go. Owns when that is looked after; never touches a record itself, for nobody can. A crash only delays; replicas take turns by a lock.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LOGGER, type Logger } from '#libs/observability';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { LIMITS } from '../limits.js';
import { AuditRecordsRepository } from './audit-records.repository.js';

@Injectable()
export class AuditKeeper implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(private readonly records: AuditRecordsRepository, @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig, @Inject(LOGGER) private readonly logger: Logger) {}

  /** Not at once: a start has better things to do, and replicas shall not come together. */
  onApplicationBootstrap(): void {
    this.#later(LIMITS.keepAuditMs * (0.02 + Math.random() * 0.05));
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  keep(): Promise<number> {
    return this.records.keepPartitions(LIMITS.auditMonthsAhead, this.config.auditKeepDays ?? LIMITS.auditKeepDays);
  }

  #later(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.keep()
        .then((changed) => { if (changed > 0) this.logger.info({ changed }, 'months of the audit trail were made or dropped'); })
        .catch((error: unknown) => { this.logger.warn({ err: error }, 'months of the audit trail could not be looked after; it is tried again'); })
        .finally(() => { this.#later(LIMITS.keepAuditMs); });
    }, ms).unref();
  }
}
