import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DesiredInstance } from '#libs/contracts';
import { CLOUD_ID, desired, FROZEN, world } from '../testing/builders.js';
import { judgeFailure } from './backoff.js';
import { NO_FILES, NO_PROGRESS, type InstanceFacts, type Progress, type Step, type World } from './facts.js';
import { observationOf, planInstance, tidied } from './plan.js';

const facts = (change: Partial<InstanceFacts> = {}): InstanceFacts => ({ desired: desired(), listed: true, progress: NO_PROGRESS, domain: null, files: NO_FILES, ...change });
const FILES = { disk: true, configDrive: true, any: true };
type Power = 'running' | 'paused' | 'stopped' | 'crashed';
const domain = (power: Power, notes: { generation?: number; specGeneration?: number; rebootCount?: number } | null = {}): InstanceFacts['domain'] => ({
  id: desired().id, name: 'instance-0c1d2e3f-4a5b', power, notes: notes && { cloudId: CLOUD_ID, generation: 1, specGeneration: 1, rebootCount: 0, frozen: FROZEN, ...notes },
});
const built: Progress = { ...NO_PROGRESS, built: 1, frozen: FROZEN };
const started: Progress = { ...built, started: { generation: 1, bootId: 'boot-1' }, startedAtMs: 5 };
const plan = (change: Partial<InstanceFacts>, at: Partial<World> = {}) => planInstance(facts(change), world(at));

describe('planInstance', () => {
  it('builds from nothing in one chain', () => {
    expect(plan({})).toMatchObject({ steps: ['fetch-image', 'make-disk', 'make-config-drive', 'define', 'start'], state: 'building' });
  });
  it('builds without starting what shall be stopped', () => {
    expect(plan({ desired: desired({ intent: 'stopped' }) }).steps).toEqual(['fetch-image', 'make-disk', 'make-config-drive', 'define']);
  });
  it('is settled when it runs as asked', () => {
    expect(plan({ domain: domain('running'), files: FILES, progress: started })).toEqual({ steps: [], wakeAtMs: null, state: 'running', doing: null, error: null });
  });
  it('reports a guest that ended by itself and leaves it', () => {
    expect(plan({ domain: domain('stopped'), files: FILES, progress: started })).toMatchObject({ steps: [], state: 'stopped', doing: null });
    expect(plan({ domain: domain('crashed'), files: FILES, progress: started })).toMatchObject({ steps: [], state: 'crashed', doing: null });
  });
  it('calls off what shall be off, however it came to be', () => {
    expect(plan({ desired: desired({ intent: 'stopped' }), domain: domain('crashed'), files: FILES, progress: built })).toMatchObject({ steps: [], state: 'stopped' });
  });
  it('starts it again after the host rebooted, and when it is asked for anew', () => {
    expect(plan({ domain: domain('crashed'), files: FILES, progress: started }, { bootId: 'boot-2' }).steps).toEqual(['start']);
    expect(plan({ desired: desired({ generation: 2 }), domain: domain('crashed'), files: FILES, progress: started }).steps).toEqual(['start']);
  });
  it('reboots softly: button, patience, again, then the plug', () => {
    const asked = { desired: desired({ generation: 2, rebootCount: 1 }), domain: domain('running'), files: FILES };
    expect(plan({ ...asked, progress: started })).toMatchObject({ steps: ['press-power-button'], doing: 'power-off' });
    const pressed = { ...started, powerButton: { firstMs: 1_000_000, lastMs: 1_000_000, bootId: 'boot-1' } };
    expect(plan({ ...asked, progress: pressed }, { nowMs: 1_009_999 })).toMatchObject({ steps: [], wakeAtMs: 1_010_000, doing: 'power-off' });
    expect(plan({ ...asked, progress: pressed }, { nowMs: 1_010_000 }).steps).toEqual(['press-power-button']);
    expect(plan({ ...asked, progress: pressed }, { nowMs: 1_060_000 }).steps).toEqual(['destroy', 'book-reboot', 'start']);
    expect(plan({ ...asked, progress: pressed, domain: domain('stopped') }, { nowMs: 1_020_000 }).steps).toEqual(['book-reboot', 'start']);
  });
  it('reboots hard at once', () => {
    expect(plan({ desired: desired({ generation: 2, rebootCount: 1, rebootType: 'hard' }), domain: domain('running'), files: FILES, progress: started }).steps).toEqual(['destroy', 'book-reboot', 'start']);
  });
  it('brings a guest back whose stop was taken back after the button', () => {
    const progress = { ...started, powerButton: { firstMs: 1_000_000, lastMs: 1_000_000, bootId: 'boot-1' } };
    expect(plan({ desired: desired({ generation: 3 }), domain: domain('running'), files: FILES, progress })).toMatchObject({ steps: [], doing: 'power-off' });
    expect(plan({ desired: desired({ generation: 3 }), domain: domain('stopped'), files: FILES, progress }).steps).toEqual(['start']);
  });
  it('never makes an empty disk in place of a lost one', () => {
    expect(plan({ domain: domain('stopped'), files: { ...FILES, disk: false }, progress: started })).toMatchObject({ steps: [], state: 'failed', error: { code: 'disk-lost', final: true } });
    expect(plan({ progress: built })).toMatchObject({ steps: [], state: 'failed', error: { code: 'disk-lost' } });
  });
  it('defines again what somebody undefined, without starting a guest that was started', () => {
    expect(plan({ files: FILES, progress: started }).steps).toEqual(['define']);
    expect(plan({ files: { ...FILES, configDrive: false }, progress: built }).steps).toEqual(['make-config-drive', 'define', 'start']);
  });
  it('takes a domain over whose ledger was lost', () => {
    expect(plan({ domain: domain('running'), files: FILES })).toMatchObject({ steps: ['adopt'], state: 'running' });
  });
  it('deletes everything, and says absent only when nothing is left', () => {
    const gone = desired({ intent: 'deleted', generation: 2 });
    expect(plan({ desired: gone, domain: domain('running'), files: FILES }).steps).toEqual(['destroy', 'undefine', 'remove-files']);
    expect(plan({ desired: gone, domain: domain('stopped'), files: FILES }).steps).toEqual(['undefine', 'remove-files']);
    expect(plan({ desired: gone, files: { ...NO_FILES, any: true } })).toMatchObject({ steps: ['remove-files'], state: 'stopped' });
    expect(plan({ desired: gone })).toMatchObject({ steps: [], state: 'absent', doing: null });
  });
  it('does not touch a domain that is not ours, whatever is asked', () => {
    for (const intent of ['running', 'stopped', 'deleted'] as const) {
      expect(plan({ desired: desired({ intent }), domain: domain('running', null), files: FILES })).toMatchObject({ steps: [], error: { code: 'foreign-domain' } });
    }
  });
  it('only watches what was not named and when told to report only', () => {
    expect(plan({ listed: false, desired: desired({ intent: 'deleted' }), domain: domain('running'), files: FILES })).toMatchObject({ steps: [], state: 'running' });
    expect(plan({ desired: desired({ intent: 'deleted' }), domain: domain('running'), files: FILES }, { reportOnly: true }).steps).toEqual([]);
  });
  it('says that it does not know a newer control plane\'s intent, and touches nothing', () => {
    expect(plan({ desired: desired({ intent: 'shelved' }), domain: domain('running'), files: FILES, progress: started })).toMatchObject({ steps: [], state: 'running', error: { code: 'unsupported', final: true } });
  });
  it('says that it cannot change a built instance', () => {
    expect(plan({ desired: desired({ generation: 2, specGeneration: 2 }), domain: domain('running'), files: FILES, progress: started })).toMatchObject({ steps: [], state: 'running', error: { code: 'unsupported', final: true } });
  });
  it('holds back after a failure, gives up for a generation, tries again for the next', () => {
    const now = { nowMs: 1_000_000, bootId: 'boot-1', random: 1 };
    const rules = { attempts: 3, backoffMinMs: 500, backoffMaxMs: 30_000 };
    const failed = { generation: 1, step: 'start' as const, code: 'x', message: 'no', retry: 'counted' as const };
    let failure = judgeFailure(null, failed, now, rules);
    expect(plan({ progress: { ...built, failure } })).toMatchObject({ steps: [], doing: 'start', wakeAtMs: 1_000_500, error: { attempts: 1, final: false } });
    expect(plan({ progress: { ...built, failure }, files: FILES }, { nowMs: 1_000_500 }).steps).toEqual(['define', 'start']);
    failure = judgeFailure(judgeFailure(failure, failed, now, rules), failed, now, rules);
    expect(failure).toMatchObject({ attempts: 3, final: true });
    expect(plan({ progress: { ...built, failure }, files: FILES }, { nowMs: 2_000_000 })).toMatchObject({ steps: [], state: 'failed', doing: null });
    expect(plan({ desired: desired({ generation: 2 }), progress: { ...built, failure }, files: FILES }).steps).toEqual(['define', 'start']);
    expect(plan({ desired: desired({ intent: 'deleted' }), progress: { ...built, failure }, files: FILES }, { nowMs: 2_000_000 }).steps).toEqual(['remove-files']);
    expect(judgeFailure(failure, { ...failed, retry: 'free' }, now, rules)).toMatchObject({ attempts: 3, final: false });
    expect(judgeFailure(null, { ...failed, step: 'fetch-image', retry: 'never' }, now, rules)).toMatchObject({ final: true });
    expect(judgeFailure(null, { ...failed, step: 'destroy', retry: 'never' }, now, rules)).toMatchObject({ final: false });
  });
});

/** What each step does to a host, in the smallest model. */
function apply(at: InstanceFacts, step: Step, { nowMs, bootId }: World, obeys: boolean): InstanceFacts {
  const { domain: was, progress, desired: want } = at;
  const set = (change: Partial<InstanceFacts>): InstanceFacts => ({ ...at, ...change });
  const book = (change: Partial<Progress>): Progress => ({ ...progress, ...change });
  const here = { disk: at.files.disk, configDrive: at.files.configDrive, any: true };
  switch (step) {
    case 'adopt': return set({ progress: book({ built: progress.built ?? was!.notes!.specGeneration, frozen: progress.frozen ?? FROZEN, rebootCount: Math.max(progress.rebootCount, was!.notes!.rebootCount) }) });
    case 'fetch-image': return at;
    case 'make-disk': return set({ files: { ...here, disk: true } });
    case 'make-config-drive': return set({ files: { ...here, configDrive: true } });
    case 'define': {
      const rebootCount = progress.built === null ? want.rebootCount : progress.rebootCount;
      return set({ domain: { ...domain('stopped', { generation: want.generation, specGeneration: want.specGeneration, rebootCount })! }, progress: book({ built: want.specGeneration, frozen: progress.frozen ?? FROZEN, rebootCount }) });
    }
    case 'book-reboot': return set({ domain: { ...was!, notes: { ...was!.notes!, rebootCount: want.rebootCount } }, progress: book({ rebootCount: want.rebootCount }) });
    case 'start': return set({ domain: { ...was!, power: was!.power === 'paused' ? 'paused' : 'running' }, progress: book({ started: { generation: want.generation, bootId }, powerButton: null }) });
    case 'book-start': return set({ progress: book({ started: { generation: want.generation, bootId }, powerButton: null }) });
    case 'press-power-button': {
      const firstMs = progress.powerButton?.bootId === bootId ? progress.powerButton.firstMs : nowMs;
      return set({ progress: book({ powerButton: { firstMs, lastMs: nowMs, bootId } }), domain: obeys && was ? { ...was, power: 'stopped' } : was });
    }
    case 'destroy': return set({ domain: was && { ...was, power: 'stopped' }, progress: book({ powerButton: null }) });
    case 'undefine': return set({ domain: null });
    case 'remove-files': return set({ files: NO_FILES });
  }
}

const anyDesired: fc.Arbitrary<DesiredInstance> = fc.record({
  generation: fc.integer({ min: 2, max: 6 }), intent: fc.constantFrom('running', 'stopped', 'deleted'), rebootCount: fc.integer({ min: 0, max: 3 }), rebootType: fc.constantFrom('soft', 'hard'),
}).map((change) => desired(change as Partial<DesiredInstance>));
const bootId = fc.constantFrom('boot-0', 'boot-1');
const anyProgress: fc.Arbitrary<Progress> = fc.record({
  built: fc.constantFrom(null, 1), frozen: fc.constantFrom(null, FROZEN), rebootCount: fc.integer({ min: 0, max: 3 }),
  started: fc.option(fc.record({ generation: fc.integer({ min: 1, max: 6 }), bootId })), startedAtMs: fc.constant(null),
  powerButton: fc.option(fc.record({ firstMs: fc.integer({ min: 900_000, max: 1_000_000 }), lastMs: fc.integer({ min: 1_000_000, max: 1_000_000 }), bootId })),
  failure: fc.option(fc.record({ generation: fc.integer({ min: 1, max: 6 }), step: fc.constantFrom<Step>('start', 'destroy'), code: fc.constant('x'), message: fc.constant('x'), attempts: fc.integer({ min: 1, max: 4 }), final: fc.constant(false), retryAtMs: fc.integer({ min: 900_000, max: 1_020_000 }), bootId })),
});
const anyFacts: fc.Arbitrary<InstanceFacts> = fc.record({
  desired: anyDesired, listed: fc.constant(true), progress: anyProgress,
  domain: fc.option(fc.record({ power: fc.constantFrom<Power>('running', 'paused', 'stopped', 'crashed'), rebootCount: fc.integer({ min: 0, max: 3 }) }).map(({ power, rebootCount }) => domain(power, { rebootCount }))),
  files: fc.record({ disk: fc.boolean(), configDrive: fc.boolean() }).map((files) => ({ ...files, any: files.disk || files.configDrive })),
});

/** Said another way than the plan says it: gone, off after its patience, or a reboot, or a stop that the guest was told of already. */
function isReasonToDestroy({ desired: want, domain: at, progress }: InstanceFacts, { nowMs, bootId: boot, powerOffMs }: World): boolean {
  const outOfPatience = progress.powerButton?.bootId === boot && nowMs - progress.powerButton.firstMs >= powerOffMs;
  const rebootDue = want.intent === 'running' && at?.notes?.rebootCount !== undefined && at.notes.rebootCount < want.rebootCount && want.rebootType === 'hard';
  return want.intent === 'deleted' || outOfPatience || rebootDue;
}

describe('from any observed state', () => {
  it('converges, whatever happens between steps, and destroys only on a reason', () => {
    fc.assert(fc.property(anyFacts, fc.boolean(), fc.infiniteStream(fc.boolean()), (from, obeys, cuts) => {
      let at = from;
      let clock = world();
      const bootedOnce = from.progress.built !== null || from.domain !== null;
      for (let round = 0; round < 60; round += 1) {
        const decided = planInstance(at, clock);
        expect(planInstance(at, clock)).toEqual(decided);
        for (const step of decided.steps) {
          if (step === 'undefine' || step === 'remove-files') expect(at.desired.intent).toBe('deleted');
          if (step === 'destroy') expect(isReasonToDestroy(at, clock)).toBe(true);
          if (step === 'make-disk') expect(bootedOnce && from.progress.built !== null).toBe(false);
          if (step === 'start') expect(at.desired.intent).toBe('running');
        }
        if (decided.steps.length === 0 && decided.wakeAtMs === null) break;
        at = { ...at, progress: tidied(at, decided) };
        for (const step of decided.steps) {
          at = apply(at, step, clock, obeys);
          if (cuts.next().value) break; // killed here: the next plan goes on
        }
        clock = { ...clock, nowMs: Math.max(clock.nowMs + 10, decided.wakeAtMs ?? 0) };
      }
      const end = planInstance(at, clock);
      expect(end).toMatchObject({ steps: [], wakeAtMs: null, doing: null });
      const seen = observationOf(at, end);
      if (at.desired.intent === 'deleted') expect(seen.state).toBe('absent');
      if (at.desired.intent === 'stopped' && end.error === null) expect(seen.state).toBe('stopped');
      if (end.error !== null) expect(['disk-lost']).toContain(end.error.code);
      else if (at.desired.intent !== 'deleted') expect(seen.rebootCount).toBeGreaterThanOrEqual(at.desired.rebootCount);
      if (at.desired.intent === 'running' && end.error === null && !['running', 'paused'].includes(seen.state)) {
        // Only a guest that had been started for this very generation in this very boot may stay off.
        expect(from.progress.started).toEqual({ generation: at.desired.generation, bootId: 'boot-1' });
      }
    }), { numRuns: 3_000 });
  });

  it('doing every step twice changes nothing', () => {
    fc.assert(fc.property(anyFacts, (from) => {
      let [once, twice] = [from, from];
      const clock = world();
      for (const step of planInstance(from, clock).steps) {
        once = apply(once, step, clock, false);
        twice = apply(apply(twice, step, clock, false), step, clock, false);
      }
      expect(twice).toEqual(once);
    }));
  });

  it('plans nothing at all for what was not named', () => {
    fc.assert(fc.property(anyFacts, fc.boolean(), (from, reportOnly) => {
      expect(planInstance({ ...from, listed: reportOnly }, world({ reportOnly })).steps).toEqual([]);
    }));
  });
});
