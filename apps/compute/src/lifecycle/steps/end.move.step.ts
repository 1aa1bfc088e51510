/**
 * Owns: the ends of a move. The claims take their final shape first (the scheduler's statement is idempotent), then one
 * commit makes the move history. A crash between them: the next pass settles the claims again, which changes nothing.
 */
import { releaseClaim, settleMove } from '#libs/contracts';
import type { InstanceRow } from '../../instances/instance-row.js';
import { arrived, ended } from '../../moves/decide/move-changes.js';
import { NO_OTHER, type MigrationRow } from '../../moves/migration-row.js';
import { lostClaim } from '../decide/move-rows.js';
import type { MoveStep } from '../decide/next-move-step.js';
import { openMove } from './claim-destination.move.step.js';
import { ends, goesOn, type StepResult, type StepTools } from './step.js';

export async function arrivedStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  return goesOn(await tools.moves.apply(row, arrived(await openMove(tools, row))));
}

export async function endMoveStep(tools: StepTools, row: InstanceRow, step: Extract<MoveStep, { do: 'end-move' }>): Promise<StepResult> {
  const move = await openMove(tools, row);
  const { fault, claims } = step;
  const claim = { instanceId: row.id as never, generation: move.new_spec_generation };
  if (claims === 'release') await tools.bus.ask(releaseClaim, { ...claim, purpose: 'move' });
  else {
    const { already } = await tools.bus.ask(settleMove, { ...claim, keepOldAs: claims === 'settle' ? null : lostClaim(move.uuid) });
    // A pass of before may have kept the old one, for its host was behind a fence then, and not come to its commit.
    if (claims === 'settle' && already !== false) await tools.bus.ask(releaseClaim, { ...claim, purpose: lostClaim(move.uuid) });
  }
  const change = ended(row, move, {
    status: move.kind === 'evacuation' && step.status === 'error' ? 'failed' : step.status,
    // A claim that is released was the destination's: what it may have left there (behind a fence) is told to go later.
    keepsOther: claims !== 'settle', error: fault?.message ?? null,
    event: fault === null ? EVENTS[step.status] : 'error', message: fault?.message ?? move.error ?? '',
  });
  const message = fault !== null && move.error !== null ? `${move.error} ${fault.message}` : fault?.message;
  const changed = await tools.moves.apply(row, {
    ...change,
    instance: {
      ...change.instance,
      set: {
        ...change.instance.set,
        ...(fault !== null
          ? { step: 'failed', fault: { code: fault.code, message, details: fault.details, createdAt: new Date().toISOString() } }
          : step.unmet === true ? { step: 'wait-host', waiting_for: `host ${row.host_name ?? ''}` } : { step: 'settled', fault: null, rebuilding: false }),
      },
      ...(fault !== null ? { reconcileInMs: null, release: true } : step.unmet === true ? {} : { launched: true }),
    },
  });
  return fault === null ? goesOn(changed) : ends(changed);
}

const EVENTS = { confirmed: 'confirmed', reverted: 'reverted', done: 'evacuated', error: 'move-undone' } as const;

/** Nothing is left, or what is left is behind a fence and told to go when its host is taken back. Its own claim goes as any instance's does. */
export async function endMovesOfDeletedStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const moves = await tools.moves.unfinished(row.id);
  for (const move of moves) {
    // Of an open one both: the scheduler may have settled it, and kept the old claim, when its end was not committed here.
    for (const purpose of [...(move.finished_at === null ? ['move'] : []), lostClaim(move.uuid)]) {
      await tools.bus.ask(releaseClaim, { instanceId: row.id as never, generation: move.new_spec_generation, purpose });
    }
  }
  // Of what is deleted nobody counts any more; what is only taken back for good goes on without the move.
  const elsewhere = row.intent === 'deleted' ? 0 : moves.filter((move) => move.other_host_id !== null && !isAbsent(move)).length;
  return goesOn(await tools.moves.apply(row, {
    instance: { set: { move_id: null, move_kind: null, move_phase: null, hold: null, elsewhere }, quiet: true },
    migrations: moves.map((move) => ({
      uuid: move.uuid, finished: move.finished_at === null,
      set: { ...(move.finished_at === null && { status: statusOfDeleted(row), transfer_key: null }), ...(isAbsent(move) && NO_OTHER) },
    })),
  }));
}

const isAbsent = (move: MigrationRow): boolean => move.other_observed_state === 'absent' && move.other_observed_generation === move.other_generation;
/** Nova's words: what had arrived is confirmed by its deletion. */
const statusOfDeleted = (row: InstanceRow): string => (row.move_phase === 'verify' || row.move_phase === 'confirm' ? 'confirmed' : 'error');
