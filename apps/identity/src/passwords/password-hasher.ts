import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { Injectable } from '@nestjs/common';
import { SkyError } from '#libs/errors';
import { LIMITS, PASSWORD_COST } from '../limits.js';

/** A hash that no password has, at the same cost as a real one: an unknown user must take as long as a wrong password. */
const NOBODY = (() => {
  const { memoryCost, timeCost, parallelism, outputLen } = PASSWORD_COST;
  const random = (bytes: number): string => randomBytes(bytes).toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${random(16)}$${random(outputLen)}`;
})();

/** argon2id, a bounded number at once: a flood of logins must not starve everything else of threads and memory. */
@Injectable()
export class PasswordHasher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** @returns the encoded hash, with its cost and salt inside. */
  hash(password: string): Promise<string> {
    return this.bounded(() => hash(password, PASSWORD_COST));
  }

  /** @param encoded null: there is no such user or no password; costs the same and is false. */
  matches(encoded: string | null, password: string): Promise<boolean> {
    return this.bounded(async () => (await verify(encoded ?? NOBODY, password)) && encoded !== null);
  }

  /** Made at another cost than today's: to be made anew when its password is known next. */
  isOutdated(encoded: string): boolean {
    const { memoryCost, timeCost, parallelism } = PASSWORD_COST;
    return !encoded.startsWith(`$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$`);
  }

  private async bounded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= LIMITS.passwordChecksAtOnce) {
      if (this.#waiting.length >= LIMITS.passwordChecksQueued) {
        throw new SkyError('too-many-requests', 'Too many logins at once; try again shortly.', { retryAfterS: 1 });
      }
      // Whoever finishes hands its place over, so the count stays.
      await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
