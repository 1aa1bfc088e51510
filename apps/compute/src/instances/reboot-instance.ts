import { Injectable } from '@nestjs/common';
import type { ReceivedBy, rebootServer } from '#libs/contracts';
import { Intents } from './intents.js';

/** Raises the number of reboots wanted; the host performs one while its own number is lower. A stopped server runs afterwards. */
@Injectable()
export class RebootInstance {
  constructor(private readonly intents: Intents) {}

  async reboot({ caller, instanceId, type }: ReceivedBy<typeof rebootServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, type === 'soft' ? 'reboot-soft' : 'reboot-hard', { intent: 'running', reboot: type }, { kind: 'reboot', message: type });
    return {};
  }
}
