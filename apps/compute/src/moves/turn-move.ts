import { Inject, Injectable } from '@nestjs/common';
import type { Caller, InstanceId } from '#libs/contracts';
import { unavailable } from '#libs/errors';
import { HostDirectory } from '../hosts/host-directory.js';
import { visible } from '../instances/caller-project.js';
import { demandAllowed } from '../instances/demand-allowed.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { LIMITS } from '../limits.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { TEMPO, type Tempo } from '../tempo.js';
import type { MoveChange } from './decide/move-changes.js';
import type { MigrationRow } from './migration-row.js';
import { MigrationsRepository } from './migrations.repository.js';

/**
 * How people turn a move that waits for them: allowed now? then one commit over instance and move; then the hosts concerned
 * and the loop are woken. The same request again changes nothing.
 */
@Injectable()
export class TurnMove {
  constructor(
    private readonly instances: InstancesRepository, private readonly moves: MigrationsRepository, private readonly hosts: HostDirectory,
    private readonly bell: LoopBell, @Inject(TEMPO) private readonly tempo: Tempo,
  ) {}

  async turn(
    caller: Caller, id: InstanceId, operation: 'confirm-resize' | 'revert-resize', kind: string, change: (row: InstanceRow, move: MigrationRow) => MoveChange,
  ): Promise<Record<string, never>> {
    for (let attempt = 0; attempt < LIMITS.writeAttempts; attempt += 1) {
      const row = await this.instances.find(id);
      // The same request again, after an answer that was lost.
      if (row !== undefined && row.last_request_id === caller.requestId) return {};
      const current = visible(row, caller, id);
      demandAllowed(operation, current, caller);
      const move = await this.moves.find(current.move_id);
      if (move === undefined) continue;
      const turn = change(current, move);
      const events = [{ kind, message: '', requestId: caller.requestId, userId: caller.userId, by: caller }];
      const { instance } = turn;
      const changed = await this.moves.apply(current, {
        ...turn, instance: { ...instance, set: { ...instance.set, last_request_id: caller.requestId }, reconcileInMs: this.tempo.waitTickMs, events },
      });
      if (changed === undefined) continue;
      for (const hostId of [instance.feedOf, ...turn.migrations.map(({ tell }) => tell)]) if (hostId !== undefined) this.hosts.hint(hostId);
      this.bell.ring(id);
      return {};
    }
    throw unavailable(`Instance ${id} is being changed by many at once; try again.`, { retryAfterS: 1 });
  }
}
