import type { Caller, InstanceId } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import type { InstanceRow } from './instance-row.js';

/** The project a caller acts in. */
export function projectOf(caller: Caller): string {
  if (caller.projectId === null) throw badRequest('This needs a token that is scoped to a project.');
  return caller.projectId;
}

/** The row if this caller may see it. A deleted server is gone for everyone the moment its deletion is accepted. */
export function visible(row: InstanceRow | undefined, caller: Caller, id: InstanceId): InstanceRow {
  if (!row || row.intent === 'deleted' || (!caller.isAdmin && row.project_id !== caller.projectId)) throw notFound(`Instance ${id} could not be found.`);
  return row;
}
