/** What a claim says besides amounts, and whether its answer gives it. Reads only: a crash here leaves nothing. */
import type { ClaimRequest, claimHost, OutputOf } from '#libs/contracts';
import { internalError } from '#libs/errors';
import { needsLayout } from '#libs/openstack';
import type { InstanceRow, InstanceSpec } from '../../instances/instance-row.js';
import { needsOf } from '../../instances/needs-of.js';
import type { StepTools } from './step.js';

type Wishes = Pick<ClaimRequest, 'needs' | 'hints' | 'group'>;

/** What flavor and image need, what hints wish, and the rule of the server's group as it is now. */
export async function wishesOf(tools: StepTools, row: InstanceRow, spec: InstanceSpec): Promise<Wishes> {
  return { needs: needsOf(spec), hints: row.hints, group: row.group_id === null ? null : await tools.groups.wish(row.group_id) };
}

/** An older scheduler does not read needs: a guest that is to be pinned would float, and nobody would know. */
export function demandLayout({ needs }: Wishes, claim: OutputOf<typeof claimHost>): void {
  if (claim.outcome === 'claimed' && claim.layout === null && needsLayout(needs)) {
    throw internalError('The scheduler gave no CPUs, cells or pages to a server that needs them: it is older than this service. What to do: update it, then start the server again.');
  }
}
