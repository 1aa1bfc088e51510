import { Injectable } from '@nestjs/common';
import type { ReceivedBy, resumeServer, suspendServer } from '#libs/contracts';
import { Intents } from './intents.js';

/** Wants a running guest's memory saved to its host's disk and the guest off, or its memory restored. */
@Injectable()
export class SuspendInstance {
  constructor(private readonly intents: Intents) {}

  async suspend({ caller, instanceId }: ReceivedBy<typeof suspendServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'suspend', { intent: 'suspended' }, { kind: 'suspend', message: '' });
    return {};
  }

  async resume({ caller, instanceId }: ReceivedBy<typeof resumeServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'resume', { intent: 'running' }, { kind: 'resume', message: '' });
    return {};
  }
}
