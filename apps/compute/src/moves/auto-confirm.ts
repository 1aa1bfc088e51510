/**
 * Confirms resizes and migrations that have waited for it for as long as the operator allows; off unless he says how long.
 *
 * Owns: when that is looked for. Decides nothing: each is confirmed as if an administrator had asked, and is refused as he would be.
 * A crash only delays; replicas that come together are told by the second one's refusal.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Caller, InstanceId } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import { ConfirmResize } from './confirm-resize.js';
import { MigrationsRepository } from './migrations.repository.js';
import { MOVE_POLICY, type MovePolicy } from './move-policy.js';

@Injectable()
export class AutoConfirm implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<unknown> | undefined;
  #stopped = false;

  constructor(private readonly moves: MigrationsRepository, private readonly resizes: ConfirmResize, @Inject(MOVE_POLICY) private readonly policy: MovePolicy, @Inject(LOGGER) private readonly logger: Logger) {}

  onApplicationBootstrap(): void {
    if (this.policy.confirmAfterS > 0) this.#later();
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Gives how many were confirmed. One that cannot be is left for the next look, and holds up no other. */
  async confirmDue(): Promise<number> {
    let confirmed = 0;
    for (let after = '0', page: number = LIMITS.confirmedAtOnce; page === LIMITS.confirmedAtOnce && !this.#stopped;) {
      const due = await this.moves.unconfirmed(this.policy.confirmAfterS, after, LIMITS.confirmedAtOnce);
      for (const { instanceId, moveId } of due) {
        try {
          await this.resizes.confirm({ caller: asItself(moveId), instanceId: instanceId as InstanceId });
          confirmed += 1;
        } catch (error) {
          this.logger.debug({ err: error, instance: instanceId, kind: asSkyError(error).kind }, 'a move could not be confirmed by itself now');
        }
      }
      page = due.length;
      after = due.at(-1)?.id ?? after;
    }
    return confirmed;
  }

  #later(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.confirmDue()
        .then((confirmed) => { if (confirmed > 0) this.logger.info({ confirmed, afterS: this.policy.confirmAfterS }, 'moves that waited for it long enough were confirmed'); })
        .catch((error: unknown) => { this.logger.warn({ err: error }, 'moves that wait to be confirmed could not be looked for; it is tried again'); })
        .finally(() => { this.#later(); });
    }, LIMITS.confirmLookMs * (0.75 + Math.random() * 0.5)).unref();
  }
}

/** The move's id makes the request's: the same again, by whichever replica, is the same request. */
const asItself = (moveId: string): Caller => ({ userId: 'skylite' as Caller['userId'], userName: 'skylite', projectId: null, projectName: null, domainId: 'default' as Caller['domainId'], roles: ['admin'], isAdmin: true, requestId: `req-${moveId}` });
