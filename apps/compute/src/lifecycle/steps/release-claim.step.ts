/**
 * Owns: freeing the scheduler's claim, once nothing of the instance is left on its host. Writes nothing here.
 * A crash before or after: the next pass releases again, which only finds the tombstone.
 */
import { releaseClaim } from '#libs/contracts';
import type { InstanceRow } from '../../instances/instance-row.js';
import type { StepResult, StepTools } from './step.js';

export async function releaseClaimStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  // Without a host a claim of the current generation may still be under way: its tombstone must be there first.
  await tools.bus.ask(releaseClaim, { instanceId: row.id, generation: Math.max(row.claim_generation ?? 0, row.spec_generation) });
  return { learned: { claimReleased: true } };
}
