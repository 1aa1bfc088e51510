/**
 * Owns: looking after an instance while its host works: the deadline's clock, and telling the host again.
 * Nothing is lost by a crash here but a little of the clock. The host reports by itself; this is what finds lost hints.
 */
import { asSkyError } from '#libs/errors';
import type { InstanceRow } from '../../instances/instance-row.js';
import type { Step } from '../decide/next-step.js';
import { ends, type StepResult, type StepTools } from './step.js';

export async function waitHostStep(tools: StepTools, row: InstanceRow, step: Extract<Step, { do: 'wait-host' }>): Promise<StepResult> {
  const hostId = row.host_id as string;
  const changed = await tools.instances.change(row.id, row.version, {
    set: { waiting_for: step.waitingFor },
    // Time in which something was out of reach does not count: the clock is only set to now.
    wind: { atMostMs: step.wind ? step.againMs + tools.tempo.waitTickMs : 0 },
    reconcileInMs: step.againMs, release: true, quiet: true,
    ...(step.waitingFor !== row.waiting_for && { events: [{ kind: 'wait', message: 'for its host', detail: step.waitingFor }] }),
    ...(step.nudge && { feedOf: hostId }),
  });
  if (changed) tools.hosts.hint(hostId);
  return ends(changed);
}

/** Is the host alive, and can everything between it and us be reached? */
export async function lookAtHostStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  if (!tools.reachable()) return { learned: { hostAlive: null } };
  try {
    const host = await tools.hosts.find(row.host_id as string);
    const hostAlive = host?.alive ?? false;
    return { learned: { hostAlive, hostGone: !hostAlive && (await tools.departures.isGone(row.host_id as string)) } };
  } catch (error) {
    const { kind } = asSkyError(error);
    if (kind === 'unavailable' || kind === 'timeout') return { learned: { hostAlive: null } };
    throw error;
  }
}
