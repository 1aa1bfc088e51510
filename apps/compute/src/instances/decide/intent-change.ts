/**
 * What an operation changes in an instance's row: the new level that is wanted, and where the loop goes on. Pure.
 * An instance that has a host takes a new place in the host's feed in the same write, so it needs no pass of the loop;
 * the loop only watches over it.
 */
import type { InstanceView } from '#libs/contracts';
import type { Change, ChangeEvent } from '../change.js';
import type { InstanceRow } from '../instance-row.js';

export interface Who { requestId: string; userId: string; userName?: string; address?: string | undefined }

/** The level that is wanted now. */
export interface Wish {
  intent?: InstanceView['intent']; reboot?: 'soft' | 'hard';
  /** What else changes in the same write. */
  set?: Change['set'];
}

export function intentChange(row: InstanceRow, wish: Wish, event: Pick<ChangeEvent, 'kind' | 'message'>, who: Who, tempo: { waitTickMs: number }): Change {
  const set = {
    ...wish.set,
    ...(wish.intent !== undefined && { intent: wish.intent }),
    ...(wish.reboot !== undefined && { reboot_count: row.reboot_count + 1, reboot_type: wish.reboot }),
    generation: Number(row.generation) + 1,
    attempts: 0, waited_ms: 0, last_error: null, last_request_id: who.requestId,
  };
  const events = [{ ...event, requestId: who.requestId, userId: who.userId, by: who }];
  // A deletion keeps the fault it may have: it tells afterwards why the server was deleted.
  const fault = wish.intent === 'deleted' ? {} : { fault: null };
  if (row.host_id !== null) {
    const where = row.host_name ?? row.host_id;
    // Other hosts have something of it, and are told by the loop: at once.
    const elsewhere = wish.intent === 'deleted' && row.elsewhere > 0;
    return {
      set: { ...set, ...fault, step: 'wait-host', waiting_for: `host ${where}` }, feedOf: row.host_id, reconcileInMs: elsewhere ? 0 : tempo.waitTickMs,
      // A host that is gone proves nothing: the loop ends it without.
      ...(wish.intent === 'deleted' && { atOnceBehindFence: true }), events,
    };
  }
  if (wish.intent === 'deleted') return { set: { ...set, step: 'release-claim', waiting_for: null }, reconcileInMs: 0, events };
  return { set: { ...set, ...fault, placement: null, step: 'claim-host', waiting_for: 'a host that can take it' }, reconcileInMs: 0, events };
}
