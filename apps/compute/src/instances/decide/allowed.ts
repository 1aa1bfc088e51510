/**
 * Which operation is allowed in which state: one table, Nova's answers. Owns nothing; pure.
 * DELETE stands here too: it works in every state, a lock alone holds it back.
 */
import type { DerivedStatus, TaskState, VmState } from '#libs/openstack';

export type Operation = 'start' | 'stop' | 'reboot-soft' | 'reboot-hard' | 'update' | 'delete';

interface Allowed {
  /** Nova's name in its message. */
  action: string;
  vmStates: readonly VmState[] | 'any';
  taskStates: readonly (TaskState | null)[] | 'any';
  /** A lock does not hold it back. */
  evenLocked?: boolean;
  /** Only for what has run: there is no disk to go on with otherwise. */
  launched?: boolean;
}

export const ALLOWED: Readonly<Record<Operation, Allowed>> = {
  // An errored server is armed again by a start (Nova would want its state reset first).
  start: { action: 'start', vmStates: ['stopped', 'error'], taskStates: [null] },
  stop: { action: 'stop', vmStates: ['active', 'error'], taskStates: [null], launched: true },
  'reboot-soft': { action: 'reboot', vmStates: ['active'], taskStates: [null] },
  'reboot-hard': { action: 'reboot', vmStates: ['active', 'stopped', 'error'], taskStates: [null, 'rebooting', 'rebooting_hard'], launched: true },
  update: { action: 'update', vmStates: 'any', taskStates: 'any', evenLocked: true },
  delete: { action: 'delete', vmStates: 'any', taskStates: 'any' },
};

export interface Subject { id: string; locked: boolean; launched: boolean; state: DerivedStatus }

/** Nova's 409 text, or undefined when the operation may go on. */
export function whyNotAllowed(operation: Operation, subject: Subject, isAdmin: boolean): string | undefined {
  const rule = ALLOWED[operation];
  if (subject.locked && !isAdmin && rule.evenLocked !== true) return `Instance ${subject.id} is locked`;
  if (rule.vmStates !== 'any' && !rule.vmStates.includes(subject.state.vmState)) {
    return `Cannot '${rule.action}' instance ${subject.id} while it is in vm_state ${subject.state.vmState}`;
  }
  if (rule.taskStates !== 'any' && !rule.taskStates.includes(subject.state.taskState)) {
    return `Cannot '${rule.action}' instance ${subject.id} while it is in task_state ${subject.state.taskState ?? 'None'}`;
  }
  if (rule.launched === true && !subject.launched) return `Instance ${subject.id} is not ready`;
  return undefined;
}
