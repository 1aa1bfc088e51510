import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Caller, InstanceId, MoveKind } from '#libs/contracts';
import { conflict, unavailable } from '#libs/errors';
import { visible } from '../instances/caller-project.js';
import { demandAllowed } from '../instances/demand-allowed.js';
import type { Usage } from '../instances/decide/quota.js';
import type { InstanceRow, InstanceSpec } from '../instances/instance-row.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { LIMITS } from '../limits.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { MigrationsRepository } from './migrations.repository.js';

/** What is to be moved, as one kind of move sees it. */
export interface MovePlan {
  kind: MoveKind;
  /** What shall be built at the destination. */
  spec: InstanceSpec;
  /** A host's name; null: placement chooses. */
  requestedHost: string | null;
  /** It may end where it began. */
  mayStay: boolean;
  /** Whatever it was, it stays off at the destination. */
  leaveOff?: boolean;
  message: string;
  /** Counts the project's usage, or throws. Left out: nothing grows. */
  limit?: ((used: Usage) => void) | undefined;
}

/**
 * How every move begins: allowed now? then one commit with the instance's phase and the move's row. The loop does the rest.
 * A crash before the commit leaves nothing; after it, the loop finds the row. The same request again changes nothing.
 */
@Injectable()
export class BeginMove {
  constructor(private readonly instances: InstancesRepository, private readonly moves: MigrationsRepository, private readonly bell: LoopBell) {}

  /** `plan` throws why it cannot be; it is asked anew when the instance changed meanwhile. */
  async begin(caller: Caller, id: InstanceId, operation: 'resize' | 'migrate' | 'evacuate', plan: (row: InstanceRow) => Promise<MovePlan>): Promise<Record<string, never>> {
    for (let attempt = 0; attempt < LIMITS.writeAttempts; attempt += 1) {
      const row = await this.instances.find(id);
      // The same request again, after an answer that was lost.
      if (row !== undefined && row.last_request_id === caller.requestId) return {};
      const current = visible(row, caller, id);
      demandAllowed(operation, current, caller);
      if (current.move_id !== null) throw conflict(`Instance ${id} is being moved already.`);
      if (current.host_id === null) throw conflict(`Instance ${id} is on no host.`);
      if (operation !== 'evacuate' && current.observed?.savedMemory === true) {
        throw conflict(`Cannot '${operation}' instance ${id} while its guest's memory is saved on its host: it would be lost. Start the instance, which goes on from there, or have the saved memory removed on the host (virsh managedsave-remove), then try again.`);
      }
      const { kind, spec, requestedHost, mayStay, leaveOff, message, limit } = await plan(current);
      const uuid = randomUUID();
      const begun = await this.moves.begin(current, {
        set: {
          move_id: uuid, move_kind: kind, move_phase: 'claim', step: 'claim-host', waiting_for: 'a host that can take it', attempts: 0, waited_ms: 0, last_error: null,
          fault: null, placement: null, last_request_id: caller.requestId, ...(leaveOff === true && { intent: 'stopped', generation: Number(current.generation) + 1 }),
        },
        // Should the move come to nothing, its host hears that it is to be off.
        ...(leaveOff === true && { feedOf: current.host_id }), reconcileInMs: 0, events: [{ kind, message, requestId: caller.requestId, userId: caller.userId, by: caller }],
      }, { uuid, kind, user_id: caller.userId, request_id: caller.requestId, new_spec: spec, requested_host: requestedHost, may_stay: mayStay }, limit);
      if (begun === undefined) continue;
      this.bell.ring(id);
      return {};
    }
    throw unavailable(`Instance ${id} is being changed by many at once; try again.`, { retryAfterS: 1 });
  }
}
