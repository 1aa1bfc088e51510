import { Injectable } from '@nestjs/common';
import type { confirmResize, ReceivedBy } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { confirm } from './decide/move-changes.js';
import { TurnMove } from './turn-move.js';

/** The server is right as it is now: what was before is removed, and its claim is freed once nothing is left of it. */
@Injectable()
export class ConfirmResize {
  constructor(private readonly moves: TurnMove) {}

  confirm({ caller, instanceId }: ReceivedBy<typeof confirmResize>): Promise<Record<string, never>> {
    return this.moves.turn(caller, instanceId, 'confirm-resize', 'confirm', (row, move) => {
      if (row.move_phase !== 'verify') throw conflict(`Cannot 'confirmResize' instance ${instanceId}: it was confirmed already.`);
      return confirm(row, move);
    });
  }
}
