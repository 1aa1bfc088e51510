/**
 * Which operation is allowed in which state: one table, Nova's answers. Owns nothing; pure.
 * DELETE stands here too: it works in every state, a lock alone holds it back.
 */
import type { DerivedStatus, TaskState, VmState } from '#libs/openstack';

export const OPERATIONS = [
  'start', 'stop', 'reboot-soft', 'reboot-hard', 'pause', 'unpause', 'suspend', 'resume', 'rebuild', 'resize', 'migrate', 'confirm-resize', 'revert-resize', 'evacuate',
  'update', 'update-metadata', 'delete-metadata', 'update-tags', 'delete-tags', 'attach-device', 'detach-device', 'lock', 'unlock', 'reset-state', 'delete', 'force-delete',
] as const;
export type Operation = (typeof OPERATIONS)[number];

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

const AT_REST: readonly VmState[] = ['active', 'paused', 'suspended', 'stopped'];

export const ALLOWED: Readonly<Record<Operation, Allowed>> = {
  // An errored server is armed again by a start (Nova would want its state reset first).
  start: { action: 'start', vmStates: ['stopped', 'error'], taskStates: [null] },
  stop: { action: 'stop', vmStates: ['active', 'error'], taskStates: [null], launched: true },
  'reboot-soft': { action: 'reboot', vmStates: ['active'], taskStates: [null], launched: true },
  'reboot-hard': {
    action: 'reboot', vmStates: ['active', 'stopped', 'paused', 'suspended', 'error'], launched: true,
    taskStates: [null, 'rebooting', 'rebooting_hard', 'pausing', 'unpausing', 'suspending', 'resuming'],
  },
  pause: { action: 'pause', vmStates: ['active'], taskStates: [null], launched: true },
  unpause: { action: 'unpause', vmStates: ['paused'], taskStates: [null], launched: true },
  suspend: { action: 'suspend', vmStates: ['active'], taskStates: [null], launched: true },
  resume: { action: 'resume', vmStates: ['suspended'], taskStates: [null], launched: true },
  // Also what never ran: a build that failed of one image may succeed of another.
  rebuild: { action: 'rebuild', vmStates: ['active', 'stopped', 'error'], taskStates: [null] },
  resize: { action: 'resize', vmStates: ['active', 'stopped'], taskStates: [null], launched: true },
  migrate: { action: 'migrate', vmStates: ['active', 'stopped'], taskStates: [null], launched: true },
  'confirm-resize': { action: 'confirmResize', vmStates: ['resized'], taskStates: [null], launched: true },
  'revert-resize': { action: 'revertResize', vmStates: ['resized'], taskStates: [null], launched: true },
  evacuate: { action: 'evacuate', vmStates: ['active', 'stopped', 'paused', 'suspended', 'error'], taskStates: 'any', evenLocked: true, launched: true },
  update: { action: 'update', vmStates: 'any', taskStates: 'any', evenLocked: true },
  'update-metadata': { action: 'update metadata', vmStates: AT_REST, taskStates: 'any' },
  'delete-metadata': { action: 'delete metadata', vmStates: AT_REST, taskStates: 'any' },
  'update-tags': { action: 'update tags', vmStates: AT_REST, taskStates: 'any', evenLocked: true },
  'delete-tags': { action: 'delete tags', vmStates: AT_REST, taskStates: 'any', evenLocked: true },
  'attach-device': { action: 'attach device', vmStates: ['active', 'stopped'], taskStates: [null], launched: true },
  // Also in ERROR: a device that no host has may be what it comes from, and what an evacuation fails for.
  'detach-device': { action: 'detach device', vmStates: ['active', 'stopped', 'error'], taskStates: [null], launched: true },
  lock: { action: 'lock', vmStates: 'any', taskStates: 'any', evenLocked: true },
  unlock: { action: 'unlock', vmStates: 'any', taskStates: 'any', evenLocked: true },
  'reset-state': { action: 'os-resetState', vmStates: 'any', taskStates: 'any', evenLocked: true },
  delete: { action: 'delete', vmStates: 'any', taskStates: 'any' },
  'force-delete': { action: 'forceDelete', vmStates: 'any', taskStates: 'any' },
};

/** What the agent of a server's host must be able to do for it; agents of an older landing cannot. */
export const NEEDED_OF_HOST: Readonly<Partial<Record<Operation, string>>> = { pause: 'PAUSE', suspend: 'SUSPEND', rebuild: 'REBUILD' };

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
