import { Injectable } from '@nestjs/common';
import type { ReceivedBy, startServer } from '#libs/contracts';
import { Intents } from './intents.js';

/** Wants a stopped server running. An errored one is armed again: its fault is taken away and the loop tries anew. */
@Injectable()
export class StartInstance {
  constructor(private readonly intents: Intents) {}

  async start({ caller, instanceId }: ReceivedBy<typeof startServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'start', { intent: 'running' }, { kind: 'start', message: '' });
    return {};
  }
}
