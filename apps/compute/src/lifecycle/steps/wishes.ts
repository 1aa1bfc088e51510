/**
 * What a claim says besides amounts, and whether its answer gives it. Writes no row: a crash here leaves at most a claim of a
 * generation that was given up freed.
 */
import { claimHost, releaseClaim, type ClaimRequest, type InputOf, type OutputOf } from '#libs/contracts';
import { asSkyError, internalError, type SkyError } from '#libs/errors';
import { needsLayout, withDeviceNeeds } from '#libs/openstack';
import { needsAttached } from '../../attachments/decide/attachment.js';
import type { InstanceRow, InstanceSpec } from '../../instances/instance-row.js';
import { needsOf } from '../../instances/needs-of.js';
import type { StepTools } from './step.js';

type Wishes = Pick<ClaimRequest, 'needs' | 'hints' | 'group' | 'image'>;

/** What flavor and image need, and the devices that were attached since; what hints wish, and the rule of the server's group as it is now. */
export async function wishesOf(tools: StepTools, row: InstanceRow, spec: InstanceSpec): Promise<Wishes> {
  return { needs: withDeviceNeeds(needsOf(spec), needsAttached(row.attachments)), hints: row.hints, group: row.group_id === null ? null : await tools.groups.wish(row.group_id), image: spec.image.sha512 };
}

/**
 * Asks for a claim. One of before that is still held under this name, of a generation that was given up, is freed first: it is
 * nobody's, for what a host is given is of the row's own generation, which rises. Unless the row is another one by now: adopting a
 * host writes rows first, and then claims, of whatever generation that host has.
 */
export async function askForClaim(tools: StepTools, row: InstanceRow, request: InputOf<typeof claimHost>): Promise<OutputOf<typeof claimHost>> {
  const { instanceId, generation, purpose } = request;
  const ask = (): Promise<OutputOf<typeof claimHost>> => tools.bus.ask(claimHost, request, row.last_request_id === null ? {} : { requestId: row.last_request_id });
  try {
    return await ask();
  } catch (error) {
    if (asSkyError(error).kind !== 'conflict' || generation <= 1) throw error;
    if ((await tools.instances.find(row.id))?.version !== row.version) throw error;
    await tools.bus.ask(releaseClaim, { instanceId, generation: generation - 1, ...(purpose !== undefined && { purpose }) });
    return ask();
  }
}

/**
 * An older scheduler does not read needs: a guest that is to be pinned would float, and nobody would know. Its claim is not
 * taken: the next try asks for another one, which a newer scheduler gives with its layout.
 */
export function whyNotTaken({ needs }: Wishes, claim: OutputOf<typeof claimHost>): SkyError | undefined {
  if (claim.outcome !== 'claimed' || claim.layout !== null || !needsLayout(needs)) return undefined;
  return internalError('The scheduler gave no CPUs, cells or pages to a server that needs them: it is older than this service. What to do: update it, then start the server again.');
}
