/**
 * Owns: the question to the scheduler for a host. Writes nothing here: the claim is the scheduler's row, keyed by
 * (instance, spec generation), and its answer is stored together with the hand-over.
 * A crash after the claim was granted: the next pass asks again and gets the same host. Deleted meanwhile: the pass that
 * sees it releases the generation, and a claim that arrives later still is refused by the tombstone.
 */
import { claimHost } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import type { InstanceRow } from '../../instances/instance-row.js';
import { demandLayout, wishesOf } from './wishes.js';
import type { StepResult, StepTools } from './step.js';

export async function claimHostStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  try {
    const wishes = await wishesOf(tools, row, row.spec);
    const claim = await tools.bus.ask(claimHost, {
      instanceId: row.id, generation: row.spec_generation, projectId: row.project_id,
      vcpus: row.vcpus, memoryMib: row.ram_mib, diskGib: row.spec.claimDiskGib,
      availabilityZone: row.requested_zone, requestedHost: row.requested_host, ...wishes,
      // Dates here have milliseconds, the database's clock microseconds: round up, a snapshot must be newer.
      requestedAt: new Date(row.updated_at.getTime() + 1).toISOString(),
    }, row.last_request_id === null ? {} : { requestId: row.last_request_id });
    demandLayout(wishes, claim);
    return { learned: { claim } };
  } catch (error) {
    if (asSkyError(error).kind === 'stale') return { learned: { claim: { outcome: 'stale' } } };
    throw error;
  }
}

/** Takes a new claim generation after the old one turned out to be released. Repeating it only wastes a number. */
export async function renewClaimStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const changed = await tools.instances.change(row.id, row.version, { set: { spec_generation: row.spec_generation + 1 } });
  return changed ? { row: changed } : 'lost';
}
