/**
 * How long the loop waits for hosts, and in which words. Pure; what is waited for is decided by its callers.
 */
import type { InstanceFacts } from './facts.js';

/** Milliseconds; see limits.ts for the reasons. */
export interface Deadlines {
  claimDeadlineMs: number; buildDeadlineMs: number; operateDeadlineMs: number;
  waitTickMs: number; nudgeAfterMs: number; deleteTickMaxMs: number; powerOffGraceMs: number;
}

/** Does the clock pass a multiple of the nudge interval with the coming tick? */
export const crosses = (waitedMs: number, tickMs: number, { nudgeAfterMs }: Deadlines): boolean =>
  Math.floor((waitedMs + tickMs) / nudgeAfterMs) > Math.floor(waitedMs / nudgeAfterMs);

/** Who is being waited for, and what of it is known. */
export function describeWait(facts: InstanceFacts, host: { name: string }, alive: boolean | null): string {
  const { doing, error, generation } = facts.observed;
  if (alive === null) return `host ${host.name} (whether it is alive cannot be found out now)`;
  if (!alive) return `host ${host.name}, which does not answer`;
  if (generation !== facts.generation) return `host ${host.name} to take note`;
  const trouble = error === null ? '' : ` (went wrong ${error.attempts} times: ${error.message})`;
  return `host ${host.name}${doing === null ? '' : `: ${doing}`}${trouble}`;
}
