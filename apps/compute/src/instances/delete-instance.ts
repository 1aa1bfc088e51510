import { Injectable } from '@nestjs/common';
import type { deleteServer, forceDeleteServer, ReceivedBy } from '#libs/contracts';
import { Intents } from './intents.js';

/** Hides the server at once, whatever its state; claim and disk are freed when its host has proven that nothing is left. */
@Injectable()
export class DeleteInstance {
  constructor(private readonly intents: Intents) {}

  async delete({ caller, instanceId }: ReceivedBy<typeof deleteServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'delete', { intent: 'deleted' }, { kind: 'delete', message: '' });
    return {};
  }

  /** Every deletion here works in every state at once; this one differs by its name in the server's history. */
  async forceDelete({ caller, instanceId }: ReceivedBy<typeof forceDeleteServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'force-delete', { intent: 'deleted' }, { kind: 'force-delete', message: '' });
    return {};
  }
}
