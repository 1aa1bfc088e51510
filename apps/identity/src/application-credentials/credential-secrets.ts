import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Ids } from '#libs/http';
import { PasswordHasher } from '../passwords/password-hasher.js';

const MADE_HERE = 'sha512$';
const digest = (secret: string): Buffer => createHash('sha512').update(secret).digest();

/**
 * Secrets of application credentials, stored as hashes. One that is made here has 256 random bits: nobody finds it by
 * trying, so a fast hash is as good as a slow one, and machines log in by thousands a second. One that a client chose may
 * be a word: it is hashed as passwords are. A wrong secret always costs what a password does, so that time does not tell
 * which credentials there are and whose secret is a word.
 */
@Injectable()
export class CredentialSecrets {
  constructor(private readonly hasher: PasswordHasher) {}

  /** @param chosen the client's own; absent: one is made. */
  async make(chosen: string | null | undefined, ids: Ids): Promise<{ secret: string; hash: string }> {
    if (chosen !== null && chosen !== undefined && chosen !== '') return { secret: chosen, hash: await this.hasher.hash(chosen) };
    const secret = ids.bytes('secret', 32).toString('base64url');
    return { secret, hash: `${MADE_HERE}${digest(secret).toString('base64url')}` };
  }

  /** @param stored null: there is no such credential. */
  async matches(stored: string | null, secret: string): Promise<boolean> {
    if (stored?.startsWith(MADE_HERE) !== true) return this.hasher.matches(stored, secret);
    const expected = Buffer.from(stored.slice(MADE_HERE.length), 'base64url');
    const given = digest(secret);
    return (expected.length === given.length && timingSafeEqual(expected, given)) || this.hasher.matches(null, secret);
  }
}
