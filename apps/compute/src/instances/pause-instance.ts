import { Injectable } from '@nestjs/common';
import type { pauseServer, ReceivedBy, unpauseServer } from '#libs/contracts';
import { Intents } from './intents.js';

/** Wants a running guest to stand still, its memory kept on its host, or to go on. */
@Injectable()
export class PauseInstance {
  constructor(private readonly intents: Intents) {}

  async pause({ caller, instanceId }: ReceivedBy<typeof pauseServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'pause', { intent: 'paused' }, { kind: 'pause', message: '' });
    return {};
  }

  async unpause({ caller, instanceId }: ReceivedBy<typeof unpauseServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'unpause', { intent: 'running' }, { kind: 'unpause', message: '' });
    return {};
  }
}
