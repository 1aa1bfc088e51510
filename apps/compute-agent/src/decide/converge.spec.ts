// From any state of a host, towards any wish, cut off at any step: it converges, and destroys only on an explicit word.
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DesiredInstance } from '#libs/contracts';
import type { PciAddress } from '#libs/pci';
import { desired, FROZEN, layout as layoutOf, observedDomain, world } from '../testing/builders.js';
import { ownDevice, vf } from '../testing/device-builders.js';
import { isKept } from './build.js';
import { NO_FILES, type InstanceFacts, type ObservedDomain, type Progress, type Shape, type Step, type World } from './facts.js';
import { devicesIn, layoutKey, type OwnDevice } from './layout.js';
import { deviceStandings, isDue } from './own-devices.js';
import { observationOf, planInstance, tidied } from './plan.js';
import { builtOf, isMemoryUsed } from './state.js';

const shapeOf = ({ vcpus, memoryMib, diskGib, layout }: DesiredInstance): Shape => ({ vcpus, memoryMib, diskGib, layout: layoutKey(layout) });
const without = (numbers: readonly number[], test: (each: number) => boolean): number[] => numbers.filter((each) => !test(each));
const withOne = (numbers: readonly number[], one: number): number[] => [...new Set([...numbers, one])].sort((a, b) => a - b);

/** What each step does to a host, in the smallest model. */
function apply(at: InstanceFacts, step: Step, { nowMs, bootId }: World, obeys: boolean): InstanceFacts {
  const { domain: was, progress, desired: want, files } = at;
  const set = (change: Partial<InstanceFacts>): InstanceFacts => ({ ...at, ...change });
  const book = (change: Partial<Progress>): Progress => ({ ...progress, ...change });
  const power = (to: ObservedDomain['power'], change: Partial<ObservedDomain> = {}): Partial<InstanceFacts> => ({ domain: was && { ...was, power: to, pausedBy: to === 'paused' ? 'word' : null, ...(to === 'stopped' && { live: [] }), ...change } });
  const put = (change: Partial<typeof files>): Partial<InstanceFacts> => ({ files: { ...files, any: true, ...change } });
  const started = { generation: want.generation, bootId };
  const wanted = devicesIn(want.layout);
  const defined = { devices: wanted, generation: want.generation, specGeneration: want.specGeneration, diskGeneration: want.diskGeneration, shape: shapeOf(want) };
  switch (step) {
    case 'adopt': {
      const notes = was!.notes!;
      return set({ progress: book({ built: progress.built ?? notes.specGeneration, diskGeneration: progress.built === null ? notes.diskGeneration : progress.diskGeneration, frozen: progress.frozen ?? FROZEN, rebootCount: Math.max(progress.rebootCount, notes.rebootCount) }) });
    }
    case 'fetch-image': case 'grow-disk': case 'prepare-devices': return at;
    case 'make-disk': case 'receive-disk': case 'restore-disk': return set(put({ disks: withOne(files.disks, want.diskGeneration) }));
    case 'keep-disk': return set(put({ previous: files.disks.length > 0 ? withOne(files.previous, want.previous!.specGeneration) : files.previous }));
    case 'drop-disks': return set(put({ disks: files.disks.includes(want.diskGeneration) ? without(files.disks, (each) => each < want.diskGeneration) : files.disks }));
    case 'drop-previous': return set(put({ previous: without(files.previous, (each) => !isKept(want, each)) }));
    case 'make-config-drive': return set({ ...put({ configDrive: true }), progress: book({ configDrive: at.configDrive }) });
    case 'define': {
      const rebootCount = progress.built === null ? want.rebootCount : progress.rebootCount;
      return set({
        domain: observedDomain(was?.power ?? 'stopped', { ...defined, rebootCount }, { saved: was?.saved ?? false, hostdevs: placed(wanted), live: was?.live ?? [] }),
        progress: book({ built: want.specGeneration, diskGeneration: want.diskGeneration, frozen: progress.frozen ?? FROZEN, rebootCount }),
      });
    }
    case 'book-spec': return set({ domain: { ...was!, notes: { ...was!.notes!, ...defined, devices: was!.notes!.devices } }, progress: book({ built: want.specGeneration, diskGeneration: want.diskGeneration }) });
    case 'book-reboot': return set({ domain: { ...was!, notes: { ...was!.notes!, rebootCount: want.rebootCount } }, progress: book({ rebootCount: want.rebootCount, started: null }) });
    case 'start': return set({ ...(was!.power === 'paused' ? {} : power('running', { saved: false, ...(was!.power !== 'running' && { live: was!.hostdevs ?? [] }) })), progress: book({ started, powerButton: null }) });
    case 'book-wake': return set({ progress: book({ woken: { atMs: nowMs, bootId } }) });
    case 'book-start': return set({ progress: book({ started, powerButton: null }) });
    case 'pause': return set(power('paused'));
    case 'resume': return set(was?.pausedBy === 'fault' ? {} : power('running'));
    case 'save': return set({ ...power('stopped', { saved: true }), progress: book({ started, powerButton: null }) });
    case 'drop-saved': return set({ domain: was && { ...was, saved: false } });
    case 'press-power-button': {
      const firstMs = progress.powerButton?.bootId === bootId ? progress.powerButton.firstMs : nowMs;
      return set({ progress: book({ powerButton: { firstMs, lastMs: nowMs, bootId } }), ...(obeys && was?.power === 'running' ? power('stopped') : {}) });
    }
    case 'destroy': return set({ ...power('stopped'), progress: book({ powerButton: null }) });
    case 'attach-device': case 'detach-device': {
      const due = deviceStandings(at).filter((each) => each.does === step && isDue(each, { nowMs, bootId })).map(({ device }) => device);
      const without_ = (list: ObservedDomain['live'] = []) => list.filter(({ place }) => !due.some((device) => device.place === place));
      const with_ = (list: ObservedDomain['live'] = []) => [...without_(list), ...(step === 'attach-device' ? placed(due) : [])].sort((a, b) => a.place! - b.place!);
      const devices = [...was!.notes!.devices.filter((device) => !due.includes(device)), ...(step === 'attach-device' ? due : [])];
      return set({ domain: { ...was!, hostdevs: with_(was!.hostdevs), live: was!.power === 'running' ? with_(was!.live) : [], notes: { ...was!.notes!, devices } } });
    }
    case 'undefine': return set({ domain: null });
    case 'remove-files': return set({ files: NO_FILES });
  }
}

const addressOf = ({ identity }: { identity: string }): string => `0000:01:10.${identity.at(-1)}`;
const placed = (devices: readonly OwnDevice[]) => devices.map(({ place, identity }) => ({ place, address: addressOf({ identity }) }));
const ready = (devices: readonly OwnDevice[]): NonNullable<InstanceFacts['devices']> => ({ kind: 'ready', devices: devices.map((claimed) => ({ claimed, address: addressOf(claimed) as PciAddress })) });
/** Each at a place of its own. */
const someDevices: fc.Arbitrary<OwnDevice[]> = fc.subarray([0, 1, 2]).map((places) => places.map((place) => ownDevice(vf(place), place)));

const INTENTS = ['running', 'stopped', 'paused', 'suspended', 'deleted'] as const;
const small = fc.integer({ min: 1, max: 3 });
const anyDesired: fc.Arbitrary<DesiredInstance> = fc.record({
  generation: fc.integer({ min: 2, max: 6 }), intent: fc.constantFrom(...INTENTS), rebootCount: fc.integer({ min: 0, max: 3 }), rebootType: fc.constantFrom('soft', 'hard'),
  specGeneration: fc.integer({ min: 2, max: 4 }), diskGeneration: small, memoryMib: fc.constantFrom(128, 256),
  powerOffTimeoutS: fc.constantFrom(null, 0, 5), layout: fc.oneof(fc.constant(null), someDevices.map((devices) => layoutOf(devices.length > 0 ? { devices } : {}))),
  previous: fc.option(fc.record({ specGeneration: small, then: fc.constantFrom('keep', 'restore') })),
}).map((change) => desired(change as Partial<DesiredInstance>));
const bootId = fc.constantFrom('boot-0', 'boot-1');
const anyProgress: fc.Arbitrary<Progress> = fc.record({
  built: fc.option(small), diskGeneration: small, configDrive: fc.constantFrom(null, 'drive', 'other'), frozen: fc.constantFrom(null, FROZEN), definition: fc.constant(null), rebootCount: fc.integer({ min: 0, max: 3 }),
  started: fc.option(fc.record({ generation: fc.integer({ min: 1, max: 6 }), bootId })), startedAtMs: fc.constant(null),
  powerButton: fc.option(fc.record({ firstMs: fc.integer({ min: 900_000, max: 1_000_000 }), lastMs: fc.integer({ min: 1_000_000, max: 1_000_000 }), bootId })),
  woken: fc.option(fc.record({ atMs: fc.integer({ min: 900_000, max: 1_000_000 }), bootId })),
  failure: fc.option(fc.record({ generation: fc.integer({ min: 1, max: 6 }), step: fc.constantFrom<Step>('start', 'destroy'), code: fc.constant('x'), message: fc.constant('x'), attempts: fc.integer({ min: 1, max: 4 }), final: fc.constant(false), retryAtMs: fc.integer({ min: 900_000, max: 1_020_000 }), bootId })), devices: fc.constant({}),
});
const anyDomain = fc.record({ power: fc.constantFrom('running', 'paused', 'stopped', 'crashed'), rebootCount: fc.integer({ min: 0, max: 3 }), spec: small, disk: small, saved: fc.boolean(), fault: fc.boolean(), shape: fc.boolean(), devices: someDevices, defined: fc.subarray([0, 1, 2]), live: fc.subarray([0, 1, 2]) })
  .map(({ power, rebootCount, spec, disk, saved, fault, shape, devices, defined, live }) => observedDomain(power as ObservedDomain['power'], { rebootCount, specGeneration: spec, diskGeneration: disk, devices, ...(!shape && { shape: null }) }, {
    // Never more than the notes name.
    hostdevs: placed(devices.filter(({ place }) => defined.includes(place))), live: power === 'running' || power === 'paused' ? placed(devices.filter(({ place }) => live.includes(place))) : [],
    saved: saved && power !== 'crashed', ...(power === 'paused' && fault && { pausedBy: 'fault', reason: 'ioerror' }),
  }));
const anyFacts: fc.Arbitrary<InstanceFacts> = fc.record({
  desired: anyDesired, listed: fc.constant(true), progress: anyProgress, domain: fc.option(anyDomain), configDrive: fc.constant('drive'),
  files: fc.record({ disks: fc.uniqueArray(small), previous: fc.uniqueArray(small, { maxLength: 2 }), configDrive: fc.boolean() })
    .map((files) => ({ ...files, disks: files.disks.sort(), any: files.disks.length > 0 || files.previous.length > 0 || files.configDrive })),
}).map((facts) => ({ ...facts, devices: ready(devicesIn(facts.desired.layout)) }));

/** Said another way than the plan says it: gone, off after its patience, a hard reboot, or no patience at all for what must be off. */
function isReasonToDestroy({ desired: want, domain: at, progress }: InstanceFacts, { nowMs, bootId: boot, powerOffMs }: World): boolean {
  const patienceMs = want.powerOffTimeoutS === null ? powerOffMs : want.powerOffTimeoutS * 1000;
  const outOfPatience = progress.powerButton?.bootId === boot && nowMs - progress.powerButton.firstMs >= patienceMs;
  const rebootDue = want.intent === 'running' && at?.notes?.rebootCount !== undefined && at.notes.rebootCount < want.rebootCount;
  const built = builtOf({ domain: at, progress });
  const mustBeOff = want.intent === 'stopped' || rebootDue || (built !== null && (built.specGeneration < want.specGeneration || built.diskGeneration < want.diskGeneration));
  return want.intent === 'deleted' || outOfPatience || (rebootDue && want.rebootType === 'hard') || (patienceMs === 0 && mustBeOff);
}

/** Nothing of a guest goes without its word. */
function expectAWordFor(step: Step, at: InstanceFacts, clock: World): void {
  const { desired: want, files } = at;
  const built = builtOf(at);
  if (step === 'undefine' || step === 'remove-files') expect(want.intent).toBe('deleted');
  if (step === 'destroy') expect(isReasonToDestroy(at, clock)).toBe(true);
  if (step === 'make-disk') expect(built === null || built.diskGeneration < want.diskGeneration).toBe(true);
  if (step === 'drop-disks') expect(files.disks.filter((each) => each < want.diskGeneration).length).toBeGreaterThan(0);
  if (step === 'restore-disk') expect(want.previous).toEqual({ specGeneration: expect.any(Number), then: 'restore' });
  if (step === 'drop-saved') expect(isMemoryUsed(at, clock) || want.rebootType === 'hard' || (built !== null && built.diskGeneration < want.diskGeneration)).toBe(true);
  if (step === 'start') expect(['running', 'paused', 'suspended']).toContain(want.intent);
  // Memory is used once: what it is used for is on disk first.
  if (step === 'start' && at.domain?.saved && at.domain.power === 'stopped') expect(at.progress.woken?.bootId).toBe(clock.bootId);
  if (step === 'grow-disk' || step === 'keep-disk' || step === 'define') expect(['running', 'paused']).not.toContain(at.domain?.power);
}

const EXCUSES = ['disk-lost', 'newer-built', 'previous-lost', 'memory-saved', 'guest-halted'];

describe('from any observed state', () => {
  it('converges, whatever happens between steps, and destroys only on a reason', () => {
    fc.assert(fc.property(anyFacts, fc.boolean(), fc.infiniteStream(fc.boolean()), (from, obeys, cuts) => {
      let at = from;
      let clock = world();
      for (let round = 0; round < 80; round += 1) {
        const decided = planInstance(at, clock);
        expect(planInstance(at, clock)).toEqual(decided);
        if (decided.steps.length === 0 && decided.wakeAtMs === null) break;
        at = { ...at, progress: tidied(at, decided, clock) };
        for (const step of decided.steps) {
          expectAWordFor(step, at, clock);
          const before = at.files.disks;
          at = apply(at, step, clock, obeys);
          // A disk goes with a delete, or when its successor is there and defined.
          for (const lost of without(before, (each) => at.files.disks.includes(each))) {
            if (at.desired.intent === 'deleted') continue;
            expect(lost).toBeLessThan(at.desired.diskGeneration);
            expect(at.files.disks).toContain(at.desired.diskGeneration);
            expect(at.domain?.notes?.diskGeneration).toBe(at.desired.diskGeneration);
          }
          if (cuts.next().value) break; // killed here: the next plan goes on
        }
        clock = { ...clock, nowMs: Math.max(clock.nowMs + 10, decided.wakeAtMs ?? 0) };
      }
      const end = planInstance(at, clock);
      expect(end).toMatchObject({ steps: [], wakeAtMs: null, doing: null });
      const seen = observationOf(at, end);
      const { intent } = at.desired;
      if (intent === 'deleted') {
        expect(seen.state).toBe('absent');
        return;
      }
      if (end.error !== null) {
        expect(EXCUSES).toContain(end.error.code);
        return;
      }
      expect(seen.built).toEqual({ specGeneration: at.desired.specGeneration, diskGeneration: at.desired.diskGeneration });
      expect(at.files.previous.filter((each) => !isKept(at.desired, each))).toEqual([]);
      // A guest that is halted, or sleeps, waits with its devices; every other has what it shall have, and nothing else.
      const wanted = devicesIn(at.desired.layout).map(({ identity }) => identity);
      if ((seen.state === 'running' || seen.state === 'stopped' || seen.state === 'crashed') && !at.domain?.saved) {
        expect(seen.devices?.map(({ identity, state }) => [identity, state])).toEqual(wanted.map((identity) => [identity, 'attached']));
        expect((seen.state === 'running' ? at.domain?.live : at.domain?.hostdevs)?.map(({ place }) => place)).toEqual(devicesIn(at.desired.layout).map(({ place }) => place));
      } else for (const identity of wanted) expect(seen.devices?.map((each) => each.identity)).toContain(identity);
      if (intent === 'stopped') expect(seen.state).toBe('stopped');
      if (intent === 'stopped' || intent === 'running') expect(seen.rebootCount).toBeGreaterThanOrEqual(at.desired.rebootCount);
      // Only a guest that had been started for this very generation in this very boot may stay off.
      else if (seen.state !== intent) expect(from.progress.started).toEqual({ generation: at.desired.generation, bootId: 'boot-1' });
      if (intent === 'running' && seen.state !== 'running') expect(from.progress.started).toEqual({ generation: at.desired.generation, bootId: 'boot-1' });
    }), { numRuns: 5_000 });
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
