/**
 * A plan under the host's lease: without one nothing is begun that starts a guest, or that takes one down only to start it
 * again. What runs goes on; deleting, stopping and taking note are free. Pure.
 */
import type { InstanceFacts } from './facts.js';
import type { InstancePlan } from './plan.js';

/** The same for a host that only reports: what is off is held off, it did not go off by itself. */
export function underSilence(facts: Pick<InstanceFacts, 'desired' | 'domain'>, plan: InstancePlan, reportOnly: boolean): InstancePlan {
  const wantedOn = facts.desired.intent !== 'deleted' && facts.desired.intent !== 'stopped';
  return reportOnly && wantedOn && facts.domain?.power !== 'running' && plan.doing === null ? { ...plan, doing: 'report-only' } : plan;
}

export function underLease(facts: Pick<InstanceFacts, 'desired' | 'domain'>, plan: InstancePlan, mayStart: boolean): InstancePlan {
  if (mayStart || plan.steps.length === 0) return plan;
  const isOn = facts.domain?.power === 'running' || facts.domain?.power === 'paused';
  const wantedOn = facts.desired.intent !== 'deleted' && facts.desired.intent !== 'stopped';
  const starts = plan.steps.includes('start') || (wantedOn && (!isOn || plan.steps.includes('press-power-button') || plan.steps.includes('destroy')));
  return starts ? { ...plan, steps: [], wakeAtMs: null, doing: 'await-lease' } : plan;
}
