import { describe, expect, it } from '@jest/globals';
import { conditionOf, type Signs } from './condition.js';

const patience = { aliveTimeoutMs: 10_000, suspectMs: 5_000, echoesWhenSilent: 2, echoesWhenHeard: 3 };
const signs = (change: Partial<Signs>): Signs => ({ silentMs: 100, hypervisorUp: true, unanswered: 0, unansweredWhy: null, ...change });

describe('conditionOf', () => {
  it.each<[Partial<Signs>, string]>([
    [{}, 'alive'], [{ silentMs: Infinity }, 'unknown'], [{ silentMs: 10_001 }, 'lost'], [{ silentMs: 9_000 }, 'alive'],
    [{ silentMs: 5_001, unanswered: 2, unansweredWhy: 'nobody answers' }, 'lost'], [{ silentMs: 4_000, unanswered: 2 }, 'alive'],
    [{ unanswered: 3 }, 'unresponsive'], [{ hypervisorUp: false }, 'hypervisor-down'], [{ hypervisorUp: false, silentMs: 11_000 }, 'lost'],
  ])('%j: %s', (change, state) => { expect(conditionOf(signs(change), patience).state).toBe(state); });

  it('says why', () => {
    expect(conditionOf(signs({ silentMs: 6_000, unanswered: 2, unansweredWhy: 'Nobody answers ask.x.echo now.' }), patience).reason).toContain('Nobody answers');
  });
});
