import { Injectable } from '@nestjs/common';
import type { deleteServer, ReceivedBy } from '#libs/contracts';
import { Intents } from './intents.js';

/** Hides the server at once, whatever its state; claim and disk are freed when its host has proven that nothing is left. */
@Injectable()
export class DeleteInstance {
  constructor(private readonly intents: Intents) {}

  async delete({ caller, instanceId }: ReceivedBy<typeof deleteServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'delete', { intent: 'deleted' }, { kind: 'delete', message: '' });
    return {};
  }
}
