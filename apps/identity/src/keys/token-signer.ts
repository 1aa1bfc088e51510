import { Injectable, type OnModuleInit } from '@nestjs/common';
import { signToken, type SigningKey, type TokenClaims } from '#libs/auth';
import { internalError } from '#libs/errors';
import { SigningKeysRepository } from './signing-keys.repository.js';

/** Signs tokens with the cloud's key, which it reads (or makes) at start. */
@Injectable()
export class TokenSigner implements OnModuleInit {
  private key: SigningKey | undefined;

  constructor(private readonly keys: SigningKeysRepository) {}

  async onModuleInit(): Promise<void> {
    this.key = await this.keys.ensure();
  }

  sign(claims: Omit<TokenClaims, 'issuer'>): string {
    if (this.key === undefined) throw internalError('a token was asked for before the signing key was read');
    return signToken(this.key, claims);
  }
}
