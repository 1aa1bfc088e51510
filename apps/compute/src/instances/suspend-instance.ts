import { Injectable } from '@nestjs/common';
import type { ReceivedBy, resumeServer, suspendServer } from '#libs/contracts';
import { conflict } from '#libs/errors';
import type { InstanceRow } from './instance-row.js';
import { Intents } from './intents.js';

/** Wants a running guest's memory saved to its host's disk and the guest off, or its memory restored. */
@Injectable()
export class SuspendInstance {
  constructor(private readonly intents: Intents) {}

  async suspend({ caller, instanceId }: ReceivedBy<typeof suspendServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'suspend', (row) => {
      demandNoDevices(row);
      return { intent: 'suspended' };
    }, { kind: 'suspend', message: '' });
    return {};
  }

  async resume({ caller, instanceId }: ReceivedBy<typeof resumeServer>): Promise<Record<string, never>> {
    await this.intents.change(caller, instanceId, 'resume', { intent: 'running' }, { kind: 'resume', message: '' });
    return {};
  }
}

/** What a passed device has in itself can't be saved with the memory: no host could do it, so it is not asked. */
function demandNoDevices({ id, layout }: InstanceRow): void {
  if ((layout?.devices?.length ?? 0) > 0) throw conflict(`Cannot 'suspend' instance ${id}: it has devices of its host, whose state can not be saved. What to do: stop it.`);
}
