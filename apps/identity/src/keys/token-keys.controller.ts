import { Controller } from '@nestjs/common';
import { listTokenKeys, type OutputOf } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { SigningKeysRepository } from './signing-keys.repository.js';

/** Public keys for every process that checks tokens. */
@Controller()
export class TokenKeysController {
  constructor(private readonly keys: SigningKeysRepository) {}

  @Handles(listTokenKeys)
  async list(): Promise<OutputOf<typeof listTokenKeys>> {
    return { keys: await this.keys.listPublic() };
  }
}
