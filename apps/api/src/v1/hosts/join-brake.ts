import { SkyError } from '#libs/errors';
import { LIMITS } from '../../limits.js';

/**
 * How fast machines may try to become hosts, everybody together: the one route that does work for strangers.
 * Forgets after a restart, which gives a guesser a few more tries of 2^128.
 */
export class JoinBrake {
  #tokens: number = LIMITS.joinsAtOnce;
  #filledAtMs: number;

  /** @param nowMs a clock that does not jump. */
  constructor(private readonly nowMs: () => number = () => performance.now()) {
    this.#filledAtMs = nowMs();
  }

  /** @throws SkyError `too-many-requests` */
  pass(): void {
    const now = this.nowMs();
    this.#tokens = Math.min(LIMITS.joinsAtOnce, this.#tokens + ((now - this.#filledAtMs) / 1000) * LIMITS.joinsPerSecond);
    this.#filledAtMs = now;
    if (this.#tokens < 1) throw new SkyError('too-many-requests', `Too many machines are joining: at most ${LIMITS.joinsPerSecond} a second. Try again.`, { retryAfterS: 1 });
    this.#tokens -= 1;
  }
}
