/**
 * Owns: the question to the scheduler for a host. Writes nothing here: the claim is the scheduler's row, keyed by
 * (instance, spec generation), and its answer is stored together with the hand-over.
 * A crash after the claim was granted: the next pass asks again and gets the same host. Deleted meanwhile: the pass that
 * sees it releases the generation, and a claim that arrives later still is refused by the tombstone.
 */
import { asSkyError, unavailable } from '#libs/errors';
import type { InstanceRow } from '../../instances/instance-row.js';
import { askForClaim, whyNotTaken, wishesOf } from './wishes.js';
import type { StepResult, StepTools } from './step.js';

export async function claimHostStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  try {
    if (row.unplaced_in !== null) await everyHostWasAsked(tools, row.unplaced_in);
    const wishes = await wishesOf(tools, row, row.spec);
    const claim = await askForClaim(tools, row, {
      instanceId: row.id as never, generation: row.spec_generation, projectId: row.project_id,
      vcpus: row.vcpus, memoryMib: row.ram_mib, diskGib: row.spec.claimDiskGib,
      availabilityZone: row.requested_zone, requestedHost: row.requested_host, ...wishes,
      // Dates here have milliseconds, the database's clock microseconds: round up, a snapshot must be newer.
      requestedAt: new Date(row.updated_at.getTime() + 1).toISOString(),
    });
    const postponed = whyNotTaken(wishes, claim);
    if (postponed !== undefined) {
      const renewed = await renewClaimStep(tools, row);
      return typeof renewed === 'object' && 'row' in renewed ? { ...renewed, postponed } : renewed;
    }
    return { learned: { claim } };
  } catch (error) {
    if (asSkyError(error).kind === 'stale') return { learned: { claim: { outcome: 'stale' } } };
    throw error;
  }
}

/** The database was restored, and this server was placed since the backup for all it knows: a second one must not be built while a host may have it. */
async function everyHostWasAsked(tools: StepTools, incarnation: number): Promise<void> {
  const silent = await tools.hosts.unadopted(incarnation);
  if (silent.length > 0) {
    throw unavailable(`The database was restored when this server had no host, and it may be on one that was not adopted since: ${silent.join(', ')}. What to do: adopt these hosts, or fence those that are gone (skylite adopt, skylite host fence).`);
  }
}

/** Takes a new claim generation after the old one turned out to be released. Repeating it only wastes a number. */
export async function renewClaimStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const changed = await tools.instances.change(row.id, row.version, { set: { spec_generation: row.spec_generation + 1 } });
  return changed ? { row: changed } : 'lost';
}
