import { Injectable } from '@nestjs/common';
import type { Caller, InstanceId, lockServer, ReceivedBy, unlockServer } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { visible } from './caller-project.js';
import type { Change } from './change.js';
import type { InstanceRow } from './instance-row.js';
import { InstancesRepository } from './instances.repository.js';

/** Holds back everybody but admins from changing a server, as Nova does: what an admin locked, its owner does not unlock. */
@Injectable()
export class LockInstance {
  constructor(private readonly instances: InstancesRepository) {}

  async lock({ caller, instanceId, reason }: ReceivedBy<typeof lockServer>): Promise<Record<string, never>> {
    await this.#change(caller, instanceId, (row) => {
      const by = isOwner(caller, row) ? 'owner' : 'admin';
      // An owner's second lock changes nothing, an admin's takes the lock over.
      if (row.locked && by === 'owner') return undefined;
      return { set: { locked: true, locked_by: by, locked_reason: reason }, events: [{ kind: 'lock', message: reason ?? '', requestId: caller.requestId, userId: caller.userId, by: caller }] };
    });
    return {};
  }

  async unlock({ caller, instanceId }: ReceivedBy<typeof unlockServer>): Promise<Record<string, never>> {
    await this.#change(caller, instanceId, (row) => {
      if (!row.locked) return undefined;
      if (row.locked_by === 'admin' && !caller.isAdmin) throw forbidden('An administrator locked this server; only an administrator unlocks it.');
      return { set: { locked: false, locked_by: null, locked_reason: null }, events: [{ kind: 'unlock', message: '', requestId: caller.requestId, userId: caller.userId, by: caller }] };
    });
    return {};
  }

  async #change(caller: Caller, id: InstanceId, decide: (row: InstanceRow) => Change | undefined): Promise<void> {
    await this.instances.decideAndChange(id, (found) => decide(visible(found, caller, id)));
  }
}

const isOwner = (caller: Caller, row: InstanceRow): boolean => caller.projectId === row.project_id;
