/**
 * Owns: the question to the scheduler for a second host, beside the one that is held. Writes nothing: the claim is the
 * scheduler's row, keyed by (instance, move's spec generation), and its answer is stored with the turn that uses it.
 * A crash after it was granted: the next pass asks again and gets the same host. Given up or deleted meanwhile: the
 * release leaves a tombstone, and a claim that arrives later still is refused.
 */
import { asSkyError, stale } from '#libs/errors';
import type { InstanceRow } from '../../instances/instance-row.js';
import type { MigrationRow } from '../../moves/migration-row.js';
import type { Claim } from '../decide/facts.js';
import { goesOn, type StepResult, type StepTools } from './step.js';
import { askForClaim, whyNotTaken, wishesOf } from './wishes.js';

export async function claimDestinationStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const move = await openMove(tools, row);
  const { flavor, claimDiskGib } = move.new_spec;
  const avoid = [...await tools.moves.hostsToAvoid(row.id), ...(move.may_stay ? [] : [move.source_host_id])];
  try {
    const wishes = await wishesOf(tools, row, move.new_spec);
    const claim = await askForClaim(tools, row, {
      instanceId: row.id as never, generation: move.new_spec_generation, projectId: row.project_id, purpose: 'move',
      vcpus: flavor.vcpus, memoryMib: flavor.ramMib, diskGib: claimDiskGib,
      availabilityZone: row.requested_zone, requestedHost: move.requested_host, notHosts: [...new Set(avoid)] as never[], ...wishes,
      // Dates here have milliseconds, the database's clock microseconds: round up, a snapshot must be newer.
      requestedAt: new Date(row.updated_at.getTime() + 1).toISOString(),
    });
    const postponed = whyNotTaken(wishes, claim);
    if (postponed !== undefined) {
      const renewed = await renewDestinationStep(tools, row);
      return typeof renewed === 'object' && 'row' in renewed ? { ...renewed, postponed } : renewed;
    }
    return { learned: { claim: claim.outcome === 'claimed' ? { ...claim, ...await incapable(tools, move, claim) } : claim } };
  } catch (error) {
    if (asSkyError(error).kind === 'stale') return { learned: { claim: { outcome: 'stale' } } };
    throw error;
  }
}

/** An older agent would only say that it does not know the words: then the guest need not be switched off for it. */
async function incapable(tools: StepTools, move: MigrationRow, claim: Claim): Promise<{ cannot?: string }> {
  const needed = move.kind === 'evacuation' ? 'REBUILD' : claim.hostId === move.source_host_id ? 'RESIZE_IN_PLACE' : 'DISK_TRANSFER';
  const host = await tools.hosts.find(claim.hostId);
  if (host?.capabilities.includes(needed)) return {};
  return { cannot: `The agent of host ${claim.hostName} is older and does not offer ${needed}. What to do: update it, or name another host.` };
}

/** A number above the tombstone, for the claim and for what is built there. */
export async function renewDestinationStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const move = await openMove(tools, row);
  return goesOn(await tools.moves.apply(row, {
    instance: { quiet: true }, migrations: [{ uuid: move.uuid, set: { new_spec_generation: Math.max(move.new_spec_generation, row.spec_generation) + 2 } }],
  }));
}

/** The row of the move under way. Gone: the instance was changed since it was read, and the pass decides anew. */
export async function openMove(tools: StepTools, row: InstanceRow): Promise<MigrationRow> {
  const move = await tools.moves.find(row.move_id);
  if (move === undefined) throw stale(`Instance ${row.id} has no move under way any more.`);
  return move;
}
