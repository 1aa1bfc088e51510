/**
 * Owns: leaving a fenced host without its proof of absence, for an instance that is to be gone from it. One statement, which
 * looks at the fence once more, and leaves word for the host; run twice, the second finds another version. Then the claim is
 * released as ever.
 */
import type { InstanceRow } from '../../instances/instance-row.js';
import { goesOn, type StepResult, type StepTools } from './step.js';

export async function leaveHostStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  return goesOn(await tools.departures.leave(row));
}
