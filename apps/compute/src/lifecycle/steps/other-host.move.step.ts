/**
 * Owns: the host that is not the instance's own and still has something of it: telling it, waiting for it, forgetting it.
 * Each is one commit; what is asked of the scheduler before is idempotent, so a crash anywhere only repeats it.
 */
import { releaseClaim } from '#libs/contracts';
import type { InstanceRow } from '../../instances/instance-row.js';
import { NO_OTHER } from '../../moves/migration-row.js';
import { toldToGo } from '../../moves/decide/move-changes.js';
import { lostClaim, type OtherHost } from '../decide/move-rows.js';
import type { MoveStep } from '../decide/next-move-step.js';
import { ends, goesOn, type StepResult, type StepTools } from './step.js';

/** The host reports by itself; this finds lost hints. There is no deadline: it ends with its proof, or with a fence. */
export async function waitOtherStep(tools: StepTools, row: InstanceRow, step: Extract<MoveStep, { do: 'wait-other' }>): Promise<StepResult> {
  const { other, nudge } = step;
  const changed = await tools.moves.apply(row, {
    instance: {
      set: { waiting_for: step.waitingFor }, wind: { atMostMs: tools.reachable() ? step.againMs + tools.tempo.waitTickMs : 0 }, reconcileInMs: step.againMs, release: true, quiet: true,
      ...(step.waitingFor !== row.waiting_for && { events: [{ kind: 'wait', message: 'for the other host', detail: step.waitingFor }] }),
    },
    migrations: nudge ? [{ uuid: other.moveId, set: {}, tell: other.host.id }] : [],
  });
  if (changed) tools.hosts.hint(other.host.id);
  return ends(changed);
}

/** The instance is deleted: whoever has something of it lets go, at once. */
export async function tellOthersStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const told = (await tools.moves.unfinished(row.id)).filter((move) => move.other_wanted === 'stopped').map(toldToGo);
  const changed = await tools.moves.apply(row, { instance: { quiet: true }, migrations: told });
  if (changed) for (const { tell } of told) tools.hosts.hint(tell);
  return goesOn(changed);
}

/** What a move left behind a fence is gone. */
export async function forgetOtherStep(tools: StepTools, row: InstanceRow, other: OtherHost): Promise<StepResult> {
  const move = await tools.moves.find(other.moveId);
  await tools.bus.ask(releaseClaim, { instanceId: row.id as never, generation: Math.max(move?.new_spec_generation ?? 0, 1), purpose: lostClaim(other.moveId) });
  return goesOn(await tools.moves.apply(row, {
    instance: { set: { elsewhere: row.elsewhere - 1 }, quiet: true, events: [{ kind: 'left-behind', message: `nothing is left of it on host ${other.host.name}` }] },
    migrations: [{ uuid: other.moveId, set: NO_OTHER }],
  }));
}
