import { describe, expect, it } from '@jest/globals';
import { releaseClaim, settleMove } from '#libs/contracts';
import type { InstanceRow } from '../../instances/instance-row.js';
import type { MoveChange } from '../../moves/decide/move-changes.js';
import type { MigrationRow } from '../../moves/migration-row.js';
import type { MoveStep } from '../decide/next-move-step.js';
import { endMoveStep, endMovesOfDeletedStep } from './end.move.step.js';
import type { StepTools } from './step.js';

/** Evacuated in the middle of a rebuild. */
const ROW = { id: 's', move_id: 'm', generation: '7', rebuilding: true, move_kind: 'evacuation', move_phase: 'return', elsewhere: 0, host_id: 'a', host_name: 'host-a' } as InstanceRow;
const MOVE = { uuid: 'm', kind: 'evacuation', new_spec_generation: 3, other_host_id: null, error: 'Its host came back.' } as MigrationRow;

async function end(step: Omit<Extract<MoveStep, { do: 'end-move' }>, 'do'>, answer: { already?: boolean } = { already: false }): Promise<{ written: MoveChange; asked: unknown[]; result: unknown }> {
  const written: MoveChange[] = [];
  const asked: unknown[] = [];
  const tools = {
    moves: { find: async () => MOVE, apply: async (row: InstanceRow, change: MoveChange) => { written.push(change); return row; } },
    bus: { ask: async (contract: unknown, input: unknown) => { asked.push(contract, input); return answer; } },
  } as unknown as StepTools;
  const result = await endMoveStep(tools, ROW, { do: 'end-move', ...step });
  expect(written).toHaveLength(1);
  return { written: written[0] as MoveChange, asked, result };
}

describe('the end of a move', () => {
  it('of an evacuation whose source came back, and has rebuilt the server: no rebuild is under way any more', async () => {
    const { written, asked, result } = await end({ claims: 'release', status: 'error', fault: null });
    expect(asked).toEqual([releaseClaim, { instanceId: 's', generation: 3, purpose: 'move' }]);
    expect(written.instance).toMatchObject({ launched: true, set: { step: 'settled', fault: null, rebuilding: false, move_id: null, move_phase: null } });
    expect(written.migrations).toEqual([expect.objectContaining({ uuid: 'm', finished: true, set: expect.objectContaining({ status: 'failed' }) })]);
    expect(result).toEqual({ row: ROW });
  });

  it('whose host has not answered a later word yet: it is waited for, and nothing is said to be done', async () => {
    const { written } = await end({ claims: 'settle', status: 'confirmed', fault: null, unmet: true });
    expect(written.instance).toMatchObject({ set: { step: 'wait-host', waiting_for: 'host host-a', move_id: null } });
    expect(written.instance).not.toHaveProperty('launched');
    expect(written.instance.set).not.toHaveProperty('rebuilding');
  });

  it('releases the old claim that a pass of before has kept, as long as nobody says that there was none', async () => {
    const settled = [settleMove, { instanceId: 's', generation: 3, keepOldAs: null }];
    const kept = [releaseClaim, { instanceId: 's', generation: 3, purpose: 'lost:m' }];
    const asked = async (answer: { already?: boolean }): Promise<unknown[]> => (await end({ claims: 'settle', status: 'confirmed', fault: null }, answer)).asked;
    expect(await asked({ already: false })).toEqual(settled);
    expect(await asked({ already: true })).toEqual([...settled, ...kept]);
    expect(await asked({})).toEqual([...settled, ...kept]);
  });

  it('of a deleted server: each claim that the scheduler may have by then', async () => {
    const asked: unknown[] = [];
    const moves = [{ ...MOVE, finished_at: null }, { ...MOVE, uuid: 'n', new_spec_generation: 2, finished_at: new Date() }];
    const tools = { moves: { unfinished: async () => moves, apply: async (row: InstanceRow) => row }, bus: { ask: async (_: unknown, { purpose, generation }: { purpose: string; generation: number }) => { asked.push([purpose, generation]); } } };
    await endMovesOfDeletedStep(tools as unknown as StepTools, { ...ROW, intent: 'deleted' });
    expect(asked).toEqual([['move', 3], ['lost:m', 3], ['lost:n', 2]]);
  });

  it('in ERROR: what was to be rebuilt is still to be', async () => {
    const { written } = await end({ claims: 'release', status: 'error', fault: { code: 500, message: 'It does not start.', details: 'The disk is full.' } });
    expect(written.instance).toMatchObject({ release: true, reconcileInMs: null, set: { step: 'failed', fault: { code: 500, message: 'Its host came back. It does not start.', details: 'The disk is full.' } } });
    expect(written.instance.set).not.toHaveProperty('rebuilding');
  });
});
