import { describe, expect, it } from '@jest/globals';
import { desired } from '../testing/builders.js';
import type { InstanceFacts, Step } from './facts.js';
import { underLease } from './lease.js';
import type { InstancePlan } from './plan.js';

const plan = (...steps: Step[]): InstancePlan => ({ steps, wakeAtMs: 5, state: 'stopped', doing: steps[0] ?? null, error: null });
const facts = (intent: string, power: 'running' | 'stopped' | null): Pick<InstanceFacts, 'desired' | 'domain'> => ({
  desired: desired({ intent }), domain: power === null ? null : ({ power } as InstanceFacts['domain']),
});

describe('underLease', () => {
  it.each<[string, 'running' | 'stopped' | null, Step[]]>([
    ['running', 'stopped', ['start']], ['running', null, ['fetch-image', 'make-disk']], ['running', 'running', ['destroy', 'book-reboot', 'start']],
    ['running', 'running', ['press-power-button']], ['paused', 'stopped', ['start', 'pause']],
  ])('holds back %s, %s: %j', (intent, power, steps) => {
    expect(underLease(facts(intent, power), plan(...steps), false)).toMatchObject({ steps: [], wakeAtMs: null, doing: 'await-lease', state: 'stopped' });
    expect(underLease(facts(intent, power), plan(...steps), true).steps).toEqual(steps);
  });
  it.each<[string, 'running' | 'stopped' | null, Step[]]>([
    ['running', 'running', []], ['running', 'running', ['book-start']], ['running', 'running', ['adopt']], ['stopped', 'running', ['press-power-button']], ['stopped', 'running', ['destroy']],
    ['stopped', null, ['fetch-image', 'make-disk']], ['deleted', 'running', ['destroy', 'undefine', 'remove-files']],
  ])('lets go on %s, %s: %j', (intent, power, steps) => {
    expect(underLease(facts(intent, power), plan(...steps), false).steps).toEqual(steps);
  });
});
