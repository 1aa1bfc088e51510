import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PlacementExplanation } from '#libs/contracts';
import { tempoOf } from '../../tempo.js';
import { isMet, wantedOnHost, type Claim, type InstanceFacts, type StoredStep } from './facts.js';
import { nextStep, type Step } from './next-step.js';

const tempo = tempoOf();
const host = { id: 'h1', name: 'host-1' };
const claimed: Claim = { outcome: 'claimed', hostId: 'h1', hostName: 'host-1', availabilityZone: 'nova', layout: null };
const nobody = { state: null, generation: 0, rebootCount: 0, doing: null, error: null } as const;
const seen = (state: 'running' | 'stopped' | 'absent' | 'crashed' | 'building' | 'failed', generation = 1): InstanceFacts['observed'] => ({ ...nobody, state, generation });
const fresh: InstanceFacts = {
  intent: 'running', generation: 1, specGeneration: 1, rebootCount: 0, step: 'claim-host', launched: false, finished: false, withdrawn: false, diskGeneration: 1, rebuilding: false, hold: null, move: null, elsewhere: 0, attachments: [],
  host: null, observed: nobody, waitedMs: 0, attempts: 0, lastError: null, now: {},
};
const facts = (change: Partial<InstanceFacts>): InstanceFacts => ({ ...fresh, ...change });
const explanation: PlacementExplanation = {
  hostsConsidered: 3, snapshotAt: '2026-01-01T00:00:00.000Z',
  filters: [
    { name: 'enabled', refused: 0, reason: '', hosts: [] },
    { name: 'ram', refused: 3, reason: '3 hosts have less than 4096 MiB free (most: 1024)', hosts: [{ name: 'secret-host', needed: 4096, free: 1024 }] },
  ],
};

describe('nextStep', () => {
  const placed = { host, step: 'wait-host' } as const;
  it.each<[string, InstanceFacts, Partial<Step>]>([
    ['a new one needs a host', fresh, { do: 'claim-host' }],
    ['a claim is handed over', facts({ now: { claim: claimed } }), { do: 'hand-to-host', claim: claimed }],
    ['a claim below a tombstone is renewed', facts({ now: { claim: { outcome: 'stale' } } }), { do: 'renew-claim' }],
    ['errors of placement for too long', facts({ waitedMs: tempo.claimDeadlineMs }), { do: 'fail' }],
    ['looks whether the host lives', facts(placed), { do: 'look-at-host' }],
    ['waits for a host', facts({ ...placed, now: { hostAlive: true } }), { do: 'wait-host', wind: true, nudge: false }],
    ['a dead host winds no clock', facts({ ...placed, now: { hostAlive: false } }), { do: 'wait-host', wind: false, waitingFor: 'host host-1, which does not answer' }],
    ['a dead host past the deadline is waited for', facts({ ...placed, waitedMs: tempo.buildDeadlineMs, now: { hostAlive: false } }), { do: 'wait-host', wind: false }],
    ['a living host past the deadline is not', facts({ ...placed, waitedMs: tempo.buildDeadlineMs, now: { hostAlive: true } }), { do: 'fail' }],
    ['a host that does not settle is told anew', facts({ ...placed, waitedMs: tempo.nudgeAfterMs - tempo.waitTickMs, now: { hostAlive: true } }), { do: 'wait-host', nudge: true }],
    ['it runs', facts({ ...placed, observed: seen('running') }), { do: 'settle' }],
    ['an answer to an older wish is none', facts({ ...placed, generation: 2, observed: seen('running'), now: { hostAlive: true } }), { do: 'wait-host' }],
    ['done', facts({ ...placed, step: 'settled', launched: true, observed: seen('running') }), { do: 'rest' }],
    ['switched itself off', facts({ ...placed, step: 'settled', launched: true, observed: seen('stopped') }), { do: 'accept-power-off', crashed: false }],
    ['crashed', facts({ ...placed, step: 'settled', launched: true, observed: seen('crashed') }), { do: 'accept-power-off', crashed: true }],
    ['off, but perhaps about to be started', facts({ ...placed, launched: true, observed: seen('stopped'), now: { hostAlive: true } }), { do: 'wait-host' }],
    ['off for long', facts({ ...placed, launched: true, observed: seen('stopped'), waitedMs: tempo.powerOffGraceMs }), { do: 'accept-power-off' }],
    ['the host gave up', facts({ ...placed, observed: { ...seen('failed'), error: { code: 'x', message: 'no', attempts: 3, final: true } } }), { do: 'fail' }],
    ['a failed build goes back', facts({ ...placed, step: 'failed' }), { do: 'withdraw' }],
    ['a failed start stays', facts({ ...placed, step: 'failed', launched: true }), { do: 'rest' }],
    ['failed without a host: a claim may be held whose answer never came', facts({ step: 'failed' }), { do: 'release-claim' }],
    ['the same of what has run once, and lost its host', facts({ step: 'failed', launched: true }), { do: 'release-claim' }],
    ['failed without a host, released', facts({ step: 'failed', now: { claimReleased: true } }), { do: 'rest' }],
    ['what came right by itself is right', facts({ ...placed, step: 'failed', launched: true, observed: seen('running') }), { do: 'settle' }],
    ['withdrawn: first the proof', facts({ ...placed, step: 'failed', withdrawn: true, now: { hostAlive: true } }), { do: 'wait-host' }],
    ['withdrawn: then the claim', facts({ ...placed, step: 'failed', withdrawn: true, observed: seen('absent') }), { do: 'release-claim' }],
    ['withdrawn: then no host', facts({ ...placed, step: 'failed', withdrawn: true, observed: seen('absent'), now: { claimReleased: true } }), { do: 'unassign' }],
    ['deleted without a host: a claim may be under way', facts({ intent: 'deleted', step: 'release-claim' }), { do: 'release-claim' }],
    ['deleted, released', facts({ intent: 'deleted', now: { claimReleased: true } }), { do: 'finish-delete' }],
    ['deleted: an older absence proves nothing', facts({ ...placed, intent: 'deleted', generation: 2, observed: seen('absent'), now: { hostAlive: true } }), { do: 'wait-host' }],
    ['deleted: no deadline ever', facts({ ...placed, intent: 'deleted', waitedMs: 10 ** 9, now: { hostAlive: true } }), { do: 'wait-host', againMs: tempo.deleteTickMaxMs }],
    ['finished', facts({ intent: 'deleted', finished: true, step: 'finished' }), { do: 'rest' }],
  ])('%s', (_name, given, expected) => expect(nextStep(given, tempo)).toMatchObject(expected));

  it('tells a host anew now and then, however seldom it looks', () => {
    let [waitedMs, sinceNudge] = [0, 0];
    for (let ticks = 0; ticks < 50; ticks += 1) {
      const step = nextStep(facts({ ...placed, intent: 'deleted', generation: 2, waitedMs, now: { hostAlive: true } }), tempo);
      if (step.do !== 'wait-host') throw new Error(step.do);
      sinceNudge = step.nudge ? 0 : sinceNudge + step.againMs;
      expect(sinceNudge).toBeLessThanOrEqual(tempo.nudgeAfterMs);
      waitedMs += step.againMs;
    }
  });

  it('explains a refusal: counts and reasons to everyone, hosts to administrators', () => {
    const step = nextStep(facts({ now: { claim: { outcome: 'refused', explanation } } }), tempo);
    if (step.do !== 'fail') throw new Error(step.do);
    expect(step.fault.message).toBe('No valid host was found. 3 hosts were considered. ram refused 3: 3 hosts have less than 4096 MiB free (most: 1024).');
    expect(step.fault.message).not.toContain('secret-host');
    expect(step.fault.details).toContain('secret-host: ram needs 4096, free 1024');
    expect(step.fault.placement).toBe(explanation);
  });
});

/** Everything around an instance, playing along; `fails`: what it refuses. */
interface World { refuses: boolean; hostGivesUp: boolean; claimHeld: boolean; tombstone: number; onHost: boolean }

/** Performs one step on the facts, as the step files do on the row. */
function perform(world: World, before: InstanceFacts, step: Step): InstanceFacts {
  const written = (change: Partial<InstanceFacts>): InstanceFacts => ({ ...before, now: {}, ...change });
  switch (step.do) {
    case 'claim-host':
      if (before.specGeneration <= world.tombstone) return { ...before, now: { claim: { outcome: 'stale' } } };
      if (world.refuses && !world.claimHeld) return { ...before, now: { claim: { outcome: 'refused', explanation } } };
      world.claimHeld = true;
      return { ...before, now: { claim: claimed } };
    case 'renew-claim': return written({ specGeneration: before.specGeneration + 1 });
    case 'hand-to-host': return written({ host, step: 'wait-host', waitedMs: 0 });
    case 'look-at-host': return { ...before, now: { ...before.now, hostAlive: true } };
    case 'wait-host': return hostActs(world, written({ waitedMs: before.waitedMs + (step.wind ? step.againMs : 0) }));
    case 'withdraw': return written({ withdrawn: true, generation: before.generation + 1, waitedMs: 0 });
    case 'release-claim':
      // The law: only when nothing of it is left.
      expect(world.onHost).toBe(false);
      world.claimHeld = false;
      world.tombstone = Math.max(world.tombstone, before.specGeneration);
      return { ...before, now: { ...before.now, claimReleased: true } };
    case 'unassign': return written({ host: null, withdrawn: false, specGeneration: before.specGeneration + 1, generation: before.generation + 1, observed: nobody, waitedMs: 0, step: before.step === 'failed' ? 'failed' : 'claim-host' });
    case 'finish-delete': return written({ finished: true, step: 'finished' });
    case 'accept-power-off': return written({ intent: 'stopped', generation: before.generation + 1, step: 'wait-host', launched: true, waitedMs: 0 });
    case 'settle': return written({ step: 'settled', launched: true, waitedMs: 0 });
    case 'fail': return written({ step: 'failed' });
    case 'rest': return before;
    default: throw new Error(`${step.do} without a move`);
  }
}

function hostActs(world: World, facts: InstanceFacts): InstanceFacts {
  const wanted = wantedOnHost(facts);
  if (wanted !== 'deleted' && world.hostGivesUp) {
    return { ...facts, observed: { ...nobody, state: 'failed', generation: facts.generation, error: { code: 'x', message: 'cannot', attempts: 5, final: true } } };
  }
  world.onHost = wanted !== 'deleted';
  return { ...facts, observed: { ...nobody, state: wanted === 'deleted' ? 'absent' : wanted, generation: facts.generation, rebootCount: facts.rebootCount } };
}

const anyFacts = fc.record({
  intent: fc.constantFrom('running', 'stopped', 'deleted'), generation: fc.integer({ min: 1, max: 5 }), specGeneration: fc.integer({ min: 1, max: 3 }),
  rebootCount: fc.integer({ min: 0, max: 2 }), step: fc.constantFrom<StoredStep>('claim-host', 'wait-host', 'settled', 'failed'), launched: fc.boolean(),
  withdrawn: fc.boolean(), placed: fc.boolean(), waitedMs: fc.integer({ min: 0, max: 700_000 }),
  state: fc.constantFrom(null, 'absent', 'building', 'running', 'stopped', 'paused', 'crashed', 'failed'), observedGeneration: fc.integer({ min: 0, max: 5 }),
  observedReboots: fc.integer({ min: 0, max: 2 }), final: fc.boolean(), tombstone: fc.integer({ min: 0, max: 3 }),
}).map(({ placed, state, observedGeneration, observedReboots, final, tombstone, ...rest }): { facts: InstanceFacts; tombstone: number } => ({
  tombstone,
  facts: {
    ...rest, host: placed ? host : null, withdrawn: rest.withdrawn && placed && !rest.launched, launched: rest.launched && placed,
    step: placed ? (rest.step === 'claim-host' ? 'wait-host' : rest.step) : (rest.step === 'failed' ? 'failed' : 'claim-host'),
    finished: false, attempts: 0, lastError: null, now: {}, diskGeneration: 1, rebuilding: false, hold: null, move: null, elsewhere: 0, attachments: [],
    observed: !placed || state === null ? nobody : {
      state, generation: Math.min(observedGeneration, rest.generation), rebootCount: observedReboots, doing: null,
      error: final && state === 'failed' ? { code: 'x', message: 'm', attempts: 1, final: true } : null,
    },
  },
}));

describe('nextStep in a world that plays along', () => {
  it('comes to rest in what is wanted, or in an explained failure, from any state, in few steps', () => {
    fc.assert(fc.property(anyFacts, fc.boolean(), fc.boolean(), fc.boolean(), ({ facts: start, tombstone }, refuses, hostGivesUp, answerLost) => {
      const world: World = { refuses, hostGivesUp, claimHeld: start.host !== null || (answerLost && start.specGeneration > tombstone), tombstone, onHost: start.host !== null && !(wantedOnHost(start) === 'deleted' && isMet(start)) };
      let now = start;
      const taken = new Map<string, number>();
      for (let i = 0; ; i += 1) {
        const step = nextStep(now, tempo);
        taken.set(step.do, (taken.get(step.do) ?? 0) + 1);
        expect({ i, step: step.do, tooOften: i > 40 }).toMatchObject({ tooOften: false });
        const next = perform(world, now, step);
        if (step.do === 'rest') break;
        now = next;
      }
      for (const [step, times] of taken) expect({ step, times, tooOften: times > 4 }).toMatchObject({ tooOften: false });
      if (now.intent === 'deleted') expect({ finished: now.finished, claim: world.claimHeld, onHost: world.onHost }).toEqual({ finished: true, claim: false, onHost: false });
      else if (now.step === 'failed') expect((now.launched && now.host !== null) || (now.host === null && !world.claimHeld && !world.onHost)).toBe(true);
      else expect({ met: isMet(now), step: now.step }).toEqual({ met: true, step: 'settled' });
    }), { numRuns: 2_000 });
  });

  it('never does something to an instance that is where it shall be', () => {
    fc.assert(fc.property(anyFacts, ({ facts: given }) => {
      if (given.intent === 'deleted' || given.withdrawn || given.host === null || given.step !== 'settled' || !isMet(given)) return;
      expect(nextStep(given, tempo)).toEqual({ do: 'rest' });
    }));
  });
});
