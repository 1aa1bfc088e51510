import type { Caller } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { deriveStatus } from '#libs/openstack';
import { whyNotAllowed, type Operation } from './decide/allowed.js';
import { viewOf, type InstanceRow } from './instance-row.js';

/** Throws Nova's 409 when the operation is not allowed in the instance's state, or its lock holds this caller back. */
export function demandAllowed(operation: Operation, row: InstanceRow, caller: Caller): void {
  const problem = whyNotAllowed(operation, { id: row.id, locked: row.locked, launched: row.launched_at !== null, state: deriveStatus(viewOf(row)) }, caller.isAdmin);
  if (problem !== undefined) throw conflict(problem);
  // What a device of the host holds no file can hold.
  if (operation === 'suspend' && ((row.layout?.devices ?? []).length > 0 || row.attachments.length > 0)) {
    throw conflict(`Cannot 'suspend' instance ${row.id}: it has devices of its host, whose state can not be saved. What to do: pause it, or stop it.`);
  }
}
