/**
 * Removes what is over: revocations that no living token can be concerned by, failed logins that are forgotten, keys of long
 * ago. Never anything that decides about a request. Runs in every process; a crash leaves rows for the next round.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LOGGER, type Logger } from '#libs/observability';
import { SigningKeysRepository } from './keys/signing-keys.repository.js';
import { LIMITS } from './limits.js';
import { Logins } from './logins/logins.js';
import { RevocationFeedRepository } from './revocations/revocation-feed.repository.js';

@Injectable()
export class Housekeeping implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly revocations: RevocationFeedRepository, private readonly logins: Logins, private readonly keys: SigningKeysRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.run(), LIMITS.housekeepingMs).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  async run(): Promise<void> {
    for (const work of [() => this.revocations.purge(), () => this.logins.purge(), () => this.keys.purge()]) {
      await work().catch((error: unknown) => this.logger.warn({ err: error }, 'what is over could not be removed; the next round tries again'));
    }
  }
}
