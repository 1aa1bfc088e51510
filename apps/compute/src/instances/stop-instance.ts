import { Injectable } from '@nestjs/common';
import type { ReceivedBy, stopServer } from '#libs/contracts';
import { Intents } from './intents.js';

/** Wants a running server stopped; the host asks the guest first and turns hard when it does not listen. */
@Injectable()
export class StopInstance {
  constructor(private readonly intents: Intents) {}

  async stop({ caller, instanceId }: ReceivedBy<typeof stopServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'stop', { intent: 'stopped' }, { kind: 'stop', message: '' });
    return {};
  }
}
