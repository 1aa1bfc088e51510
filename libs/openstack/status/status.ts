/**
 * OpenStack's status, vm_state, task_state and power_state of an instance, derived from (intent, step, observed) and
 * never stored. Owns the one rule table, read both as TypeScript and as SQL. Pure; a crash cannot touch it.
 */
import type { MovePhase } from '#libs/contracts';
import { all, isOneOf, isSet, isTrue, not, rebootPending, type Condition, type StatusFacts } from './condition.js';

export type ServerStatus =
  | 'BUILD' | 'ACTIVE' | 'SHUTOFF' | 'PAUSED' | 'SUSPENDED' | 'REBOOT' | 'HARD_REBOOT' | 'REBUILD' | 'RESIZE' | 'VERIFY_RESIZE' | 'REVERT_RESIZE' | 'ERROR' | 'DELETED';
export type VmState = 'building' | 'active' | 'stopped' | 'paused' | 'suspended' | 'resized' | 'error' | 'deleted';
export type TaskState =
  | 'scheduling' | 'spawning' | 'powering-off' | 'powering-on' | 'rebooting' | 'rebooting_hard' | 'pausing' | 'unpausing' | 'suspending' | 'resuming'
  | 'rebuilding' | 'resize_prep' | 'resize_migrating' | 'resize_finish' | 'resize_reverting' | 'deleting';
/** Nova's numbers. */
export const POWER_STATE = { NOSTATE: 0, RUNNING: 1, PAUSED: 3, SHUTDOWN: 4, CRASHED: 6 } as const;
export type PowerState = (typeof POWER_STATE)[keyof typeof POWER_STATE];

export interface DerivedStatus {
  status: ServerStatus; vmState: VmState; taskState: TaskState | null; powerState: PowerState;
  /** Percent; only in the states in which Nova shows one. */
  progress?: number;
}

interface Rule { when: Condition; status: ServerStatus; vmState: VmState; taskState: TaskState | null }

const deleted = isOneOf('intent', 'deleted');
const failed = isOneOf('step', 'failed');
const settled = isOneOf('step', 'settled');
const wantsRunning = isOneOf('intent', 'running');
const wantsPaused = isOneOf('intent', 'paused');
const wantsSuspended = isOneOf('intent', 'suspended');
const launched = isSet('launchedAt');
const up = isOneOf('observedState', 'running', 'paused');
const paused = isOneOf('observedState', 'paused');
const suspended = isOneOf('observedState', 'suspended');
const rebooting = all(wantsRunning, rebootPending);
const evacuating = isOneOf('moveKind', 'evacuation');
const rebuilding = isTrue('rebuilding');
const inPhase = (...phases: MovePhase[]): Condition => isOneOf('movePhase', ...phases);

/** The first rule that holds gives the words; the last one always does. */
const RULES: readonly Rule[] = [
  { when: isSet('terminatedAt'), status: 'DELETED', vmState: 'deleted', taskState: null },
  // Being deleted: what it was, with Nova's task. Tenants see it no more; admins' lists do.
  { when: all(deleted, not(launched)), status: 'BUILD', vmState: 'building', taskState: 'deleting' },
  { when: all(deleted, up), status: 'ACTIVE', vmState: 'active', taskState: 'deleting' },
  { when: deleted, status: 'SHUTOFF', vmState: 'stopped', taskState: 'deleting' },

  { when: failed, status: 'ERROR', vmState: 'error', taskState: null },

  { when: all(not(launched), not(isSet('hostId'))), status: 'BUILD', vmState: 'building', taskState: 'scheduling' },
  { when: not(launched), status: 'BUILD', vmState: 'building', taskState: 'spawning' },

  { when: all(evacuating, wantsRunning), status: 'REBUILD', vmState: 'active', taskState: 'rebuilding' },
  { when: evacuating, status: 'REBUILD', vmState: 'stopped', taskState: 'rebuilding' },
  { when: all(inPhase('claim'), wantsRunning), status: 'RESIZE', vmState: 'active', taskState: 'resize_prep' },
  { when: inPhase('claim'), status: 'RESIZE', vmState: 'stopped', taskState: 'resize_prep' },
  { when: all(inPhase('stop'), wantsRunning), status: 'RESIZE', vmState: 'active', taskState: 'resize_migrating' },
  { when: inPhase('stop'), status: 'RESIZE', vmState: 'stopped', taskState: 'resize_migrating' },
  { when: all(inPhase('arrive'), wantsRunning), status: 'RESIZE', vmState: 'active', taskState: 'resize_finish' },
  { when: inPhase('arrive'), status: 'RESIZE', vmState: 'stopped', taskState: 'resize_finish' },
  { when: inPhase('verify', 'confirm'), status: 'VERIFY_RESIZE', vmState: 'resized', taskState: null },
  { when: inPhase('revert', 'return'), status: 'REVERT_RESIZE', vmState: 'resized', taskState: 'resize_reverting' },
  { when: all(rebuilding, wantsRunning), status: 'REBUILD', vmState: 'active', taskState: 'rebuilding' },
  { when: rebuilding, status: 'REBUILD', vmState: 'stopped', taskState: 'rebuilding' },

  { when: all(rebooting, isOneOf('rebootType', 'soft')), status: 'REBOOT', vmState: 'active', taskState: 'rebooting' },
  { when: all(rebooting, up), status: 'HARD_REBOOT', vmState: 'active', taskState: 'rebooting_hard' },
  { when: rebooting, status: 'HARD_REBOOT', vmState: 'stopped', taskState: 'rebooting_hard' },

  // Paused behind our back while all else is done: it still counts as active, its power state tells.
  { when: all(wantsRunning, paused, not(settled)), status: 'PAUSED', vmState: 'paused', taskState: 'unpausing' },
  { when: all(wantsRunning, suspended), status: 'SUSPENDED', vmState: 'suspended', taskState: 'resuming' },
  { when: all(wantsRunning, up), status: 'ACTIVE', vmState: 'active', taskState: null },
  // It was running, and switched itself off: the loop is about to take note.
  { when: all(wantsRunning, settled), status: 'SHUTOFF', vmState: 'stopped', taskState: null },
  { when: wantsRunning, status: 'SHUTOFF', vmState: 'stopped', taskState: 'powering-on' },

  { when: all(wantsPaused, paused), status: 'PAUSED', vmState: 'paused', taskState: null },
  { when: all(wantsPaused, up), status: 'ACTIVE', vmState: 'active', taskState: 'pausing' },
  // Its host has just come back, and brings it up first.
  { when: wantsPaused, status: 'PAUSED', vmState: 'paused', taskState: 'powering-on' },

  { when: all(wantsSuspended, suspended), status: 'SUSPENDED', vmState: 'suspended', taskState: null },
  { when: all(wantsSuspended, up), status: 'ACTIVE', vmState: 'active', taskState: 'suspending' },
  { when: wantsSuspended, status: 'SHUTOFF', vmState: 'stopped', taskState: 'suspending' },

  { when: up, status: 'ACTIVE', vmState: 'active', taskState: 'powering-off' },
  { when: all(), status: 'SHUTOFF', vmState: 'stopped', taskState: null },
];

const POWER: Readonly<Record<string, PowerState>> = {
  running: POWER_STATE.RUNNING, paused: POWER_STATE.PAUSED, stopped: POWER_STATE.SHUTDOWN, suspended: POWER_STATE.SHUTDOWN, crashed: POWER_STATE.CRASHED,
};

const SHOWS_PROGRESS: ReadonlySet<ServerStatus> = new Set(['ACTIVE', 'BUILD', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE']);

/** Every state there is, each once or more. */
export const STATES: ReadonlyArray<Pick<DerivedStatus, 'status' | 'vmState' | 'taskState'>> = RULES.map(({ status, vmState, taskState }) => ({ status, vmState, taskState }));

/** The words for one instance. */
export function deriveStatus(facts: StatusFacts): DerivedStatus {
  const rule = RULES.find(({ when }) => when.holds(facts)) as Rule;
  const powerState = facts.terminatedAt !== null || facts.observedState === null ? POWER_STATE.NOSTATE : POWER[facts.observedState] ?? POWER_STATE.NOSTATE;
  return {
    status: rule.status, vmState: rule.vmState, taskState: rule.taskState, powerState,
    ...(SHOWS_PROGRESS.has(rule.status) && { progress: 0 }),
  };
}

const words = (alias: string, of: (rule: Rule) => string | null): string =>
  `(CASE ${RULES.map((rule) => { const word = of(rule); return `WHEN ${rule.when.sql(alias)} THEN ${word === null ? 'NULL' : `'${word}'`}`; }).join(' ')} END)`;

/** True where the word is one of `wanted`: the rules in their order, up to the last one that says yes. Never null. */
function among(alias: string, of: (rule: Rule) => string | null, wanted: readonly string[]): string {
  const says = RULES.map((rule) => wanted.includes(of(rule) ?? ''));
  const last = says.lastIndexOf(true);
  if (last === -1) return 'false';
  return `(CASE ${RULES.slice(0, last + 1).map((rule, index) => `WHEN ${rule.when.sql(alias)} THEN ${says[index]}`).join(' ')} ELSE false END)`;
}

/** SQL conditions for lists that are filtered by words: cheaper than comparing the word, and planners do not take them for rare. */
export const statusAmongSql = (alias: string, wanted: readonly string[]): string => among(alias, (rule) => rule.status, wanted);
export const vmStateAmongSql = (alias: string, wanted: readonly string[]): string => among(alias, (rule) => rule.vmState, wanted);
export const taskStateAmongSql = (alias: string, wanted: readonly string[]): string => among(alias, (rule) => rule.taskState, wanted);

/** SQL expressions that give the same words for a row of compute.instances named `alias`. */
export const statusSql = (alias: string): string => words(alias, (rule) => rule.status);
export const vmStateSql = (alias: string): string => words(alias, (rule) => rule.vmState);
/** NULL when there is no task. */
export const taskStateSql = (alias: string): string => words(alias, (rule) => rule.taskState);
export const powerStateSql = (alias: string): string =>
  `(CASE WHEN ${alias}.terminated_at IS NOT NULL THEN 0 ${Object.entries(POWER).map(([state, power]) => `WHEN ${alias}.observed_state = '${state}' THEN ${power}`).join(' ')} ELSE 0 END)`;
