import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { signToken, type SigningKey, type TokenClaims } from '#libs/auth';
import { internalError } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { SigningKeysRepository, type ScheduledKey } from './signing-keys.repository.js';

/**
 * Signs tokens with the cloud's key, which it reads (or makes) at start. Looks every few seconds whether a new one was
 * published, and takes it up when its time has come; until then everybody has heard of it.
 */
@Injectable()
export class TokenSigner implements OnModuleInit, OnApplicationShutdown {
  private keys: readonly ScheduledKey[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(@Inject(SigningKeysRepository) private readonly repository: SigningKeysRepository) {}

  async onModuleInit(): Promise<void> {
    this.keys = await this.repository.ensure();
    this.timer = setInterval(() => {
      // Without an answer the keys that are known go on signing: an old one verifies for as long as its tokens live.
      this.repository.schedule().then((keys) => { if (keys.length > 0) this.keys = keys; }, () => undefined);
    }, LIMITS.keysRefreshMs).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  sign(claims: Omit<TokenClaims, 'issuer'>): string {
    return signToken(this.current(), claims);
  }

  private current(): SigningKey {
    const now = Date.now();
    const scheduled = this.keys.find(({ activatesAtMs }) => activatesAtMs <= now) ?? this.keys.at(-1);
    if (scheduled === undefined) throw internalError('a token was asked for before the signing key was read');
    return scheduled.key;
  }
}
