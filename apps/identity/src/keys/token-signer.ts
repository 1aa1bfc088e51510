import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { signToken, type SigningKey, type TokenClaims } from '#libs/auth';
import { internalError } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { SigningKeysRepository, type ScheduledKey } from './signing-keys.repository.js';

/**
 * Signs tokens with the cloud's key, which it reads (or makes) at start, and again before it signs when that is a moment ago:
 * a new one is taken up when its time has come, by when everybody has heard of it, and one that was dropped signs no more.
 */
@Injectable()
export class TokenSigner implements OnModuleInit {
  private keys: readonly ScheduledKey[] = [];
  private readAt = -Infinity;
  private reading: Promise<void> | undefined;

  constructor(@Inject(SigningKeysRepository) private readonly repository: SigningKeysRepository) {}

  async onModuleInit(): Promise<void> {
    this.keys = await this.repository.ensure();
    this.readAt = performance.now();
  }

  async sign(claims: Omit<TokenClaims, 'issuer'>): Promise<string> {
    if (performance.now() - this.readAt > LIMITS.scheduleTrustedMs) {
      this.reading ??= this.read().finally(() => { this.reading = undefined; });
      // Without an answer the keys that are known go on signing: an old one verifies for as long as its tokens live.
      await this.reading.catch(() => undefined);
    }
    return signToken(this.current(), claims);
  }

  private async read(): Promise<void> {
    const asked = performance.now();
    const keys = await this.repository.schedule();
    if (keys.length > 0) this.keys = keys;
    this.readAt = asked;
  }

  private current(): SigningKey {
    const now = Date.now();
    const scheduled = this.keys.find(({ activatesAtMs }) => activatesAtMs <= now) ?? this.keys.at(-1);
    if (scheduled === undefined) throw internalError('a token was asked for before the signing key was read');
    return scheduled.key;
  }
}
