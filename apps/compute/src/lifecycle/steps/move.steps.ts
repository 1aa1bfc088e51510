/**
 * Which file performs which step of a move. Owns nothing itself; see each step for what a crash in it leaves.
 */
import type { InstanceRow } from '../../instances/instance-row.js';
import type { MoveStep } from '../decide/next-move-step.js';
import { claimDestinationStep, renewDestinationStep } from './claim-destination.move.step.js';
import { arrivedStep, endMoveStep, endMovesOfDeletedStep } from './end.move.step.js';
import { forgetOtherStep, tellOthersStep, waitOtherStep } from './other-host.move.step.js';
import { giveUpMoveStep, goBackStep, handOverStep, stopAtSourceStep } from './turn.move.step.js';
import type { StepResult, StepTools } from './step.js';

export async function performMoveStep(tools: StepTools, row: InstanceRow, step: MoveStep): Promise<StepResult> {
  switch (step.do) {
    case 'read-moves': return { learned: { moves: await tools.moves.rows(row) } };
    case 'claim-destination': return claimDestinationStep(tools, row);
    case 'renew-destination': return renewDestinationStep(tools, row);
    case 'stop-at-source': return stopAtSourceStep(tools, row, step.claim);
    case 'hand-over': return handOverStep(tools, row, step.claim);
    case 'arrived': return arrivedStep(tools, row);
    case 'give-up-move': return giveUpMoveStep(tools, row, step.why);
    case 'go-back': return goBackStep(tools, row);
    case 'wait-other': return waitOtherStep(tools, row, step);
    case 'tell-others': return tellOthersStep(tools, row);
    case 'forget-other': return forgetOtherStep(tools, row, step.other);
    case 'end-move': return endMoveStep(tools, row, step);
    case 'end-moves-of-deleted': return endMovesOfDeletedStep(tools, row);
  }
}
