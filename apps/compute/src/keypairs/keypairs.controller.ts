import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { createKeypair, deleteKeypair, getKeypair, listKeypairs, type Keypair, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { Keypairs } from './keypairs.js';

@Controller()
export class KeypairsController {
  constructor(private readonly keypairs: Keypairs) {}

  @Handles(createKeypair)
  create(@Payload() input: ReceivedBy<typeof createKeypair>): Promise<OutputOf<typeof createKeypair>> { return this.keypairs.create(input); }

  @Handles(listKeypairs)
  list(@Payload() input: ReceivedBy<typeof listKeypairs>): Promise<OutputOf<typeof listKeypairs>> { return this.keypairs.list(input); }

  @Handles(getKeypair)
  get(@Payload() input: ReceivedBy<typeof getKeypair>): Promise<Keypair> { return this.keypairs.get(input); }

  @Handles(deleteKeypair)
  delete(@Payload() input: ReceivedBy<typeof deleteKeypair>): Promise<Record<string, never>> { return this.keypairs.delete(input); }
}
