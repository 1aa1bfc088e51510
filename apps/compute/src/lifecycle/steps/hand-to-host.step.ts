/**
 * Owns: where the instance goes, and its place in that host's desired state: one statement, then a hint.
 * A crash before it: the next pass claims again and gets the same host. A crash after it, before the hint: the host's
 * own polling finds the entry. Run twice: the second finds another version and changes nothing.
 */
import { unavailable } from '#libs/errors';
import { attachmentsIn } from '../../attachments/decide/attachment.js';
import type { InstanceRow } from '../../instances/instance-row.js';
import type { Claim } from '../decide/facts.js';
import { ends, type StepResult, type StepTools } from './step.js';

export async function handToHostStep(tools: StepTools, row: InstanceRow, claim: Claim): Promise<StepResult> {
  // It was somewhere before, and may have left something there (behind a fence, or by a move): that goes first.
  if (row.spec_generation > 1 && (await tools.moves.hostsToAvoid(row.id)).includes(claim.hostId)) throw unavailable(`What this server left on host ${claim.hostName} has to be removed there first.`);
  const changed = await tools.instances.change(row.id, row.version, {
    set: {
      host_id: claim.hostId, host_name: claim.hostName, availability_zone: claim.availabilityZone, claim_generation: row.spec_generation, layout: claim.layout,
      attachments: attachmentsIn(row.attachments, claim.layout, claim.hostId),
      step: 'wait-host', waiting_for: `host ${claim.hostName}`, attempts: 0, waited_ms: 0, last_error: null, fault: null, placement: claim.explanation ?? null,
    },
    feedOf: claim.hostId, reconcileInMs: tools.tempo.waitTickMs, release: true,
    events: [{ kind: 'assigned', message: `to host ${claim.hostName}` }],
  });
  if (changed) tools.hosts.hint(claim.hostId);
  return ends(changed);
}
