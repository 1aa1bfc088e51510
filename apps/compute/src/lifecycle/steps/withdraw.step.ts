/**
 * Owns: taking a failed build back from its host by the very way a deletion goes: the host is told `deleted`, proves
 * absence, the claim is released, and the instance, in ERROR, has no host any more. Started again, it is placed anew.
 * Each is one statement; a crash between them is found by the next pass.
 */
import { attachmentsIn } from '../../attachments/decide/attachment.js';
import type { InstanceRow } from '../../instances/instance-row.js';
import { ends, goesOn, type StepResult, type StepTools } from './step.js';

export async function withdrawStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const hostId = row.host_id as string;
  const changed = await tools.instances.change(row.id, row.version, {
    set: { withdrawn: true, generation: Number(row.generation) + 1, waited_ms: 0, waiting_for: `host ${row.host_name ?? hostId} to show that nothing is left` },
    feedOf: hostId, reconcileInMs: tools.tempo.waitTickMs, release: true, events: [{ kind: 'withdraw', message: 'the failed build is taken back from its host' }],
  });
  if (changed) tools.hosts.hint(hostId);
  return ends(changed);
}

/** The next claim needs a generation above the tombstone. */
export async function unassignStep(tools: StepTools, row: InstanceRow): Promise<StepResult> {
  const failed = row.step === 'failed';
  const changed = await tools.instances.change(row.id, row.version, {
    set: {
      host_id: null, host_name: null, availability_zone: null, claim_generation: null, host_sequence: null, layout: null, withdrawn: false,
      // With the claim all devices have gone back.
      attachments: attachmentsIn(row.attachments.filter(({ wanted }) => wanted === 'attached'), null, null),
      spec_generation: row.spec_generation + 1, generation: Number(row.generation) + 1,
      // Wherever it is built next, its disk is made there.
      launched_disk_generation: null,
      observed_state: null, observed_generation: 0, observed_reboot_count: 0, observed: null,
      step: failed ? 'failed' : 'claim-host', waiting_for: null, attempts: 0, waited_ms: 0,
    },
    events: [{ kind: 'unassigned', message: `from host ${row.host_name ?? ''}` }],
    // It rests in ERROR until somebody acts; one that was started again meanwhile goes on.
    ...(failed && { reconcileInMs: null, release: true }),
  });
  return failed ? ends(changed) : goesOn(changed);
}
