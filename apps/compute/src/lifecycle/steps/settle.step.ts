/**
 * Owns: the ends of a way: done, failed, nothing to do, and a guest that switched itself off. One statement each, so a
 * crash leaves it done or not done. (Mostly a host's report settles an instance in its own statement.)
 */
import type { InstanceRow } from '../../instances/instance-row.js';
import type { ExplainedFault } from '../decide/faults.js';
import { ends, goesOn, type StepResult, type StepTools } from './step.js';

export async function settleStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  // Its devices may have waited for that.
  const more = row.attachments.length > 0;
  const changed = await tools.instances.change(row.id, row.version, {
    set: { step: 'settled', waiting_for: null, attempts: 0, waited_ms: 0, last_error: null, fault: null, rebuilding: false },
    launched: true, reconcileInMs: more ? 0 : null, release: !more, events: [{ kind: row.step === 'failed' ? 'recovered' : 'settled', message: '' }],
  });
  return more ? goesOn(changed) : ends(changed);
}

export async function failStep(tools: StepTools, row: InstanceRow, { placement, ...fault }: ExplainedFault): Promise<StepResult> {
  // Right after: a build that reached a host is taken back from it; a claim whose answer never came is released. Also after a refusal:
  // an earlier question whose answer was lost may be answered still, by another scheduler that knows of room.
  const more = row.host_id === null || row.launched_at === null;
  const changed = await tools.instances.change(row.id, row.version, {
    set: {
      step: 'failed', waiting_for: null, fault: { ...fault, createdAt: new Date().toISOString() },
      ...(placement !== undefined && { placement }),
    },
    reconcileInMs: more ? 0 : null, release: !more, events: [{ kind: 'error', message: fault.message, detail: fault.details }],
  });
  return more ? goesOn(changed) : ends(changed);
}

export async function restStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  return ends(await tools.instances.change(row.id, row.version, { reconcileInMs: null, release: true, quiet: true }));
}

/** Nova's default: a guest that is off stays off. */
export async function acceptPowerOffStep(tools: StepTools, row: InstanceRow, crashed: boolean): Promise<StepResult> {
  const hostId = row.host_id as string;
  const changed = await tools.instances.change(row.id, row.version, {
    set: { intent: 'stopped', generation: Number(row.generation) + 1, step: 'wait-host', waiting_for: `host ${row.host_name ?? hostId}`, waited_ms: 0, attempts: 0 },
    launched: true, feedOf: hostId, reconcileInMs: tools.tempo.waitTickMs, release: true,
    events: [crashed ? { kind: 'crashed', message: 'the guest crashed' } : { kind: 'powered-off', message: 'the guest switched itself off' }],
  });
  if (changed) tools.hosts.hint(hostId);
  return ends(changed);
}
