import { Injectable } from '@nestjs/common';
import type { ReceivedBy, revertResize } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { turnBack } from './decide/move-changes.js';
import { TurnMove } from './turn-move.js';

/** Back to how the server was, with its disk as it was then: what was written since on the new one is lost, as with Nova. */
@Injectable()
export class RevertResize {
  constructor(private readonly moves: TurnMove) {}

  revert({ caller, instanceId }: ReceivedBy<typeof revertResize>): Promise<Record<string, never>> {
    return this.moves.turn(caller, instanceId, 'revert-resize', 'revert', (row, move) => {
      if (row.move_phase !== 'verify') throw conflict(`Cannot 'revertResize' instance ${instanceId}: it was confirmed already.`);
      return turnBack(row, move, null);
    });
  }
}
