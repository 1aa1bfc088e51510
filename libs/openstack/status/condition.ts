/**
 * Conditions over an instance's facts that can be asked both of an object and of a row: one tree, two readings, so the
 * words people see and the words they filter by cannot drift apart. Pure.
 */
import type { InstanceView } from '#libs/contracts';

/** What OpenStack's words are derived from; an InstanceView has them all. */
export type StatusFacts = Pick<InstanceView,
  'intent' | 'step' | 'rebootCount' | 'rebootType' | 'hostId' | 'observedState' | 'observedRebootCount'
  | 'rebuilding' | 'moveKind' | 'movePhase' | 'launchedAt' | 'terminatedAt'>;

export interface Condition {
  holds(facts: StatusFacts): boolean;
  /** A SQL expression that is true or false, never null; `alias` names compute.instances. */
  sql(alias: string): string;
}

/** Columns of compute.instances behind the facts. */
const COLUMNS = {
  intent: 'intent', step: 'step', rebootType: 'reboot_type', observedState: 'observed_state', hostId: 'host_id',
  moveKind: 'move_kind', movePhase: 'move_phase', rebuilding: 'rebuilding', launchedAt: 'launched_at', terminatedAt: 'terminated_at',
} as const satisfies Partial<Record<keyof StatusFacts, string>>;

type TextFact = 'intent' | 'step' | 'rebootType' | 'observedState' | 'moveKind' | 'movePhase';

/** The fact is one of these words. A fact that is not known (null) is none of them. */
export const isOneOf = <K extends TextFact>(fact: K, ...words: NonNullable<StatusFacts[K]>[]): Condition => ({
  holds: (facts) => words.some((word) => word === facts[fact]),
  sql: (alias) => `coalesce(${alias}.${COLUMNS[fact]} IN (${words.map((word) => `'${word}'`).join(', ')}), false)`,
});

export const isTrue = (fact: 'rebuilding'): Condition => ({
  holds: (facts) => facts[fact],
  sql: (alias) => `${alias}.${COLUMNS[fact]}`,
});

export const isSet = (fact: 'hostId' | 'launchedAt' | 'terminatedAt'): Condition => ({
  holds: (facts) => facts[fact] !== null,
  sql: (alias) => `(${alias}.${COLUMNS[fact]} IS NOT NULL)`,
});

/** More reboots were asked for than the host has performed. */
export const rebootPending: Condition = {
  holds: (facts) => facts.rebootCount > facts.observedRebootCount,
  sql: (alias) => `(${alias}.reboot_count > ${alias}.observed_reboot_count)`,
};

export const not = (condition: Condition): Condition => ({
  holds: (facts) => !condition.holds(facts),
  sql: (alias) => `(NOT ${condition.sql(alias)})`,
});

export const all = (...conditions: Condition[]): Condition => ({
  holds: (facts) => conditions.every((condition) => condition.holds(facts)),
  sql: (alias) => (conditions.length === 0 ? 'true' : `(${conditions.map((condition) => condition.sql(alias)).join(' AND ')})`),
});
