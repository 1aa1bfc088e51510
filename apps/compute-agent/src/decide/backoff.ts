/**
 * How a failed step is judged: how often, whether for good, when again. Pure. Never decides what the next step is.
 */
import { GIVING_UP } from './plan.js';
import type { Failure, Step } from './facts.js';

/** free: something else was unreachable, which is not this instance's fault; never: it cannot succeed by itself. */
export type Retry = 'counted' | 'free' | 'never';

export interface FailedStep {
  readonly generation: number;
  readonly step: Step;
  readonly code: string;
  readonly message: string;
  readonly retry: Retry;
}

export interface BackoffRules {
  readonly attempts: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

/** @param random 0 ≤ random < 1: spreads retries over half of their interval */
export function judgeFailure(before: Failure | null, failed: FailedStep, now: { nowMs: number; bootId: string; random: number }, rules: BackoffRules, mayGiveUp = GIVING_UP.has(failed.step)): Failure {
  const same = before?.generation === failed.generation && before.step === failed.step ? before : null;
  const attempts = (same?.attempts ?? 0) + (failed.retry === 'free' ? 0 : 1);
  const final = mayGiveUp && (failed.retry === 'never' || (failed.retry === 'counted' && attempts >= rules.attempts));
  const full = Math.min(rules.backoffMaxMs, rules.backoffMinMs * 2 ** Math.min(20, Math.max(0, attempts - 1)));
  const { generation, step, code, message } = failed;
  return { generation, step, code, message, attempts, final, retryAtMs: now.nowMs + Math.round(full * (0.5 + now.random / 2)), bootId: now.bootId };
}
