import { Controller, Inject } from '@nestjs/common';
import { enforce } from '#libs/auth';
import { listTokenKeys, rotateTokenKeys, viewTokenKeys, type InputOf, type OutputOf } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { RevocationFeedRepository } from '../revocations/revocation-feed.repository.js';
import { SigningKeysRepository } from './signing-keys.repository.js';

/** Public keys and revocations for every process that checks tokens, and the keys for whoever looks after them. */
@Controller()
export class TokenKeysController {
  constructor(private readonly keys: SigningKeysRepository, private readonly feed: RevocationFeedRepository, @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig) {}

  @Handles(listTokenKeys)
  async list({ revocations }: InputOf<typeof listTokenKeys>): Promise<OutputOf<typeof listTokenKeys>> {
    if (revocations === undefined) return { keys: await this.keys.listPublic() };
    const [keys, revoked] = await Promise.all([this.keys.listPublic(), this.feed.read(revocations)]);
    return { keys, revocations: revoked };
  }

  @Handles(viewTokenKeys)
  async view({ caller }: InputOf<typeof viewTokenKeys>): Promise<OutputOf<typeof viewTokenKeys>> {
    enforce('skylite:token-keys:list', caller);
    return { keys: await this.keys.view() };
  }

  @Handles(rotateTokenKeys)
  async rotate({ caller, dropOld }: InputOf<typeof rotateTokenKeys>): Promise<OutputOf<typeof rotateTokenKeys>> {
    enforce('skylite:token-keys:rotate', caller);
    await this.keys.rotate(caller, this.config.tokenTtlS, dropOld ?? false);
    return { keys: await this.keys.view() };
  }
}
