import { readTimeline, type InstanceId } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import { asking, type Call } from '../../../http/call.js';

/**
 * Has this very request been performed on the server already? Asked only for a repeat under an Idempotency-Key whose first
 * try ended before its answer was recorded: the write itself booked the request, so its timeline knows.
 */
export async function isBooked(bus: Bus, { caller, ids }: Pick<Call, 'caller' | 'ids'>, instanceId: InstanceId): Promise<boolean> {
  if (!ids.repeat) return false;
  const { entries } = await asking(bus, caller)(readTimeline, { instanceId, deletedToo: true, requestId: caller.requestId, requestsOnly: true, withLines: false, limit: 1 });
  return entries.length > 0;
}
