import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { LIMITS } from '../limits.js';
import { noteTokenLifetime } from './revocations.repository.js';

/** Notes how long tokens live that are made here, before the first is made and as long as any are: revocations last that long. */
@Injectable()
export class TokenLifetime implements OnModuleInit, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;

  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig) {}

  async onModuleInit(): Promise<void> {
    await this.note();
    // Without a database nobody gets a token either.
    this.timer = setInterval(() => void this.note().catch(() => undefined), LIMITS.housekeepingMs).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private note(): Promise<void> {
    return noteTokenLifetime(this.db.pool, this.config.tokenTtlS);
  }
}
