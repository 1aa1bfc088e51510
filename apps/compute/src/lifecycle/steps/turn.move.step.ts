/**
 * Owns: the turns of a move, each ONE commit over the instance and the move, then hints. What each writes stands in
 * moves/decide/move-changes.ts.
 * A crash before the commit: the same step again. After it, before the hint: the hosts' own polling finds their entries.
 * Run twice: the second finds another version and changes nothing.
 */
import { randomBytes } from 'node:crypto';
import { releaseClaim } from '#libs/contracts';
import { unavailable } from '#libs/errors';
import type { InstanceRow } from '../../instances/instance-row.js';
import { goBack, handOver, stopAtSource, turnBack, type MoveChange } from '../../moves/decide/move-changes.js';
import type { Claim } from '../decide/facts.js';
import type { ExplainedFault } from '../decide/faults.js';
import { openMove } from './claim-destination.move.step.js';
import { ends, goesOn, type StepResult, type StepTools } from './step.js';

/** Hosts have work from here on: the loop only looks after them. */
const waitingFor = (tools: StepTools, change: MoveChange): MoveChange => ({ ...change, instance: { ...change.instance, reconcileInMs: tools.tempo.waitTickMs, release: true } });

export async function stopAtSourceStep(tools: StepTools, row: InstanceRow, claim: Claim): Promise<StepResult> {
  const changed = await tools.moves.apply(row, waitingFor(tools, stopAtSource(row, await openMove(tools, row), claim)));
  if (changed) tools.hosts.hint(row.host_id as string);
  return ends(changed);
}

export async function handOverStep(tools: StepTools, row: InstanceRow, claim: Claim | null): Promise<StepResult> {
  const move = await openMove(tools, row);
  const to = claim === null
    ? { id: move.dest_host_id as string, name: move.dest_host_name ?? '', zone: move.dest_zone ?? '', layout: move.new_layout }
    : { id: claim.hostId, name: claim.hostName, zone: claim.availabilityZone, layout: claim.layout };
  // Once before it was on its way there, and the database was restored to before that: what is left goes first.
  if ((await tools.moves.hostsToAvoid(row.id)).includes(to.id)) throw unavailable(`What this server left on host ${to.name} has to be removed there first.`);
  const changed = await tools.moves.apply(row, waitingFor(tools, handOver(row, move, to, randomBytes(32).toString('base64url'))));
  if (changed) tools.hosts.hint(to.id);
  return ends(changed);
}

export async function giveUpMoveStep(tools: StepTools, row: InstanceRow, why: ExplainedFault): Promise<StepResult> {
  const change = turnBack(row, await openMove(tools, row), why);
  const placement = why.placement === undefined ? {} : { placement: why.placement };
  const changed = await tools.moves.apply(row, { ...change, instance: { ...change.instance, set: { ...change.instance.set, ...placement } } });
  if (changed && change.instance.feedOf !== undefined) tools.hosts.hint(change.instance.feedOf);
  return goesOn(changed);
}

/** The claim goes first: nothing is left there, and it may be long until the source has answered. */
export async function goBackStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const move = await openMove(tools, row);
  // Fenced, and without a word of its own: it is told to let go when it is taken back.
  const absent = row.observed_state === 'absent' && row.observed_generation === row.generation;
  await tools.bus.ask(releaseClaim, { instanceId: row.id as never, generation: move.new_spec_generation, purpose: 'move' });
  const changed = await tools.moves.apply(row, waitingFor(tools, goBack(row, move, !absent)));
  if (changed) tools.hosts.hint(move.source_host_id);
  return ends(changed);
}
