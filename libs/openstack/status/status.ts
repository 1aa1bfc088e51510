/**
 * OpenStack's status, vm_state, task_state and power_state of an instance, derived from (intent, step, observed) and
 * never stored. Owns the one rule table, read both as TypeScript and as SQL. Pure; a crash cannot touch it.
 */
import { all, isOneOf, isSet, not, rebootPending, type Condition, type StatusFacts } from './condition.js';

export type ServerStatus = 'BUILD' | 'ACTIVE' | 'SHUTOFF' | 'REBOOT' | 'HARD_REBOOT' | 'ERROR' | 'DELETED';
export type VmState = 'building' | 'active' | 'stopped' | 'error' | 'deleted';
export type TaskState = 'scheduling' | 'spawning' | 'powering-off' | 'powering-on' | 'rebooting' | 'rebooting_hard' | 'deleting';
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
const launched = isSet('launchedAt');
const up = isOneOf('observedState', 'running', 'paused');
const rebooting = all(wantsRunning, rebootPending);

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

  { when: all(rebooting, isOneOf('rebootType', 'soft')), status: 'REBOOT', vmState: 'active', taskState: 'rebooting' },
  { when: all(rebooting, up), status: 'HARD_REBOOT', vmState: 'active', taskState: 'rebooting_hard' },
  { when: rebooting, status: 'HARD_REBOOT', vmState: 'stopped', taskState: 'rebooting_hard' },

  { when: all(wantsRunning, up), status: 'ACTIVE', vmState: 'active', taskState: null },
  // It was running, and switched itself off: the loop is about to take note.
  { when: all(wantsRunning, settled), status: 'SHUTOFF', vmState: 'stopped', taskState: null },
  { when: wantsRunning, status: 'SHUTOFF', vmState: 'stopped', taskState: 'powering-on' },

  { when: up, status: 'ACTIVE', vmState: 'active', taskState: 'powering-off' },
  { when: all(), status: 'SHUTOFF', vmState: 'stopped', taskState: null },
];

const POWER: Readonly<Record<string, PowerState>> = {
  running: POWER_STATE.RUNNING, paused: POWER_STATE.PAUSED, stopped: POWER_STATE.SHUTDOWN, crashed: POWER_STATE.CRASHED,
};

const SHOWS_PROGRESS: ReadonlySet<ServerStatus> = new Set(['ACTIVE', 'BUILD']);

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

/** SQL expressions that give the same words for a row of compute.instances named `alias`. */
export const statusSql = (alias: string): string => words(alias, (rule) => rule.status);
export const vmStateSql = (alias: string): string => words(alias, (rule) => rule.vmState);
/** NULL when there is no task. */
export const taskStateSql = (alias: string): string => words(alias, (rule) => rule.taskState);
export const powerStateSql = (alias: string): string =>
  `(CASE WHEN ${alias}.terminated_at IS NOT NULL THEN 0 ${Object.entries(POWER).map(([state, power]) => `WHEN ${alias}.observed_state = '${state}' THEN ${power}`).join(' ')} ELSE 0 END)`;
