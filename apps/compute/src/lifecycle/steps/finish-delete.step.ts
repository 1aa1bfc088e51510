/**
 * Owns: the end of an instance's row. Comes after absence was proven and the claim released, both of which a repeat
 * after a crash finds done.
 */
import type { InstanceRow } from '../../instances/instance-row.js';
import { ends, type StepResult, type StepTools } from './step.js';

export async function finishDeleteStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  return ends(await tools.instances.change(row.id, row.version, {
    set: { step: 'finished', waiting_for: null, attempts: 0, last_error: null },
    finished: true, reconcileInMs: null, release: true, events: [{ kind: 'deleted', message: '' }],
  }));
}
