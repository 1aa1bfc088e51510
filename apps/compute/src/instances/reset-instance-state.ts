import { Inject, Injectable } from '@nestjs/common';
import type { ReceivedBy, resetServerState } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { HostDirectory } from '../hosts/host-directory.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { visible } from './caller-project.js';
import type { Change } from './change.js';
import { intentChange } from './decide/intent-change.js';
import type { InstanceRow } from './instance-row.js';
import { InstancesRepository } from './instances.repository.js';
import { TEMPO, type Tempo } from '../tempo.js';

/**
 * An admin's word on a server's state. `active` takes an ERROR away and lets the loop look anew at what is really there: status is
 * derived, so nothing can be claimed that is not so. `error` puts one on; it stays until somebody acts or the host sees a change.
 */
@Injectable()
export class ResetInstanceState {
  constructor(private readonly instances: InstancesRepository, private readonly hosts: HostDirectory, private readonly bell: LoopBell, @Inject(TEMPO) private readonly tempo: Tempo) {}

  async reset({ caller, instanceId, state }: ReceivedBy<typeof resetServerState>): Promise<Record<string, never>> {
    let changes = false;
    let unplaced = false;
    const row = await this.instances.decideAndChange(instanceId, (found): Change | undefined => {
      const current = visible(found, caller, instanceId);
      changes = unplaced = false;
      if (current.last_request_id === caller.requestId) return undefined;
      const event = { kind: 'reset-state', message: state };
      if (state === 'error') {
        unplaced = current.launched_at === null || current.host_id === null;
        if (current.move_id !== null) throw conflict(`Instance ${instanceId} is being moved; confirm, revert or delete it instead.`);
        return {
          set: {
            step: 'failed', waiting_for: null, last_request_id: caller.requestId,
            fault: { code: 500, message: 'An administrator set the server to ERROR.', details: 'What to do: start, rebuild or delete it, or reset its state to active.', createdAt: new Date().toISOString() },
          },
          ...goesOn(current), events: [{ ...event, requestId: caller.requestId, userId: caller.userId, by: caller }],
        };
      }
      // Right already: nothing to look at anew.
      if (current.step === 'settled' && current.fault === null) return undefined;
      changes = true;
      return intentChange(current, {}, event, caller, this.tempo);
    });
    if (row && unplaced) this.bell.ring(instanceId);
    if (!changes || !row) return {};
    if (row.host_id !== null) this.hosts.hint(row.host_id);
    else this.bell.ring(instanceId);
    return {};
  }
}

/**
 * When the loop comes to a server that was set to ERROR. Not to one that has run and is somewhere: it would find it right. What
 * never ran goes back from its host; a claim whose answer is still on its way is given back; and what is leaving a host goes on.
 */
function goesOn(row: InstanceRow): Pick<Change, 'reconcileInMs'> {
  if (row.withdrawn || row.elsewhere > 0) return {};
  return { reconcileInMs: row.launched_at === null || row.host_id === null ? 0 : null };
}
