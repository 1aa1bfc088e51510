import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { desired, FILES, FROZEN, layout, observedDomain, world } from '../testing/builders.js';
import { ownDevice, vf } from '../testing/device-builders.js';
import { judgeFailure } from './backoff.js';
import { NO_PROGRESS, type Failure, type InstanceFacts, type ObservedDomain } from './facts.js';
import type { OwnDevice } from './layout.js';
import { devicesSeen, deviceStandings, devicesTidied, isDue, planOwnDevices } from './own-devices.js';
import { observationOf, planInstance } from './plan.js';

const A = ownDevice(vf(0), 0);
const B = ownDevice(vf(1), 1);
const at = (...devices: OwnDevice[]) => devices.map(({ place, identity }) => ({ place, address: `0000:01:10.${identity.at(-1)}` }));
interface Domain { noted?: OwnDevice[]; live?: OwnDevice[]; defined?: OwnDevice[]; power?: ObservedDomain['power']; saved?: boolean }
const domain = ({ noted = [], live = [], defined = live, power = 'running', saved = false }: Domain) => observedDomain(power, { devices: noted }, { live: at(...live), hostdevs: at(...defined), saved });
const trouble = (change: Partial<Failure>): Failure => ({ generation: 1, step: 'attach-device', code: 'x', message: 'It did not work.', attempts: 1, final: false, retryAtMs: 1_000_500, bootId: 'boot-1', ...change });
const progress = { ...NO_PROGRESS, built: 1, configDrive: 'drive', frozen: FROZEN, started: { generation: 1, bootId: 'boot-1' } };
const facts = (wanted: OwnDevice[], has: Domain | null, change: Partial<InstanceFacts> = {}): InstanceFacts => ({
  desired: desired({ layout: wanted.length > 0 ? layout({ devices: wanted }) : null }), listed: true, progress, domain: has && domain(has), files: FILES, configDrive: 'drive', devices: { kind: 'ready', devices: [] }, ...change,
});
const withTrouble = (failure: Failure): Partial<InstanceFacts> => ({ progress: { ...progress, devices: { [A.identity]: failure } } });
const seen = (given: InstanceFacts) => devicesSeen(given)?.map(({ identity, state }) => `${identity.at(-1)} ${state}`);
const plan = (given: InstanceFacts) => planInstance(given, world());

describe('devices of a server that is there', () => {
  it('are attached where they lack, asked back where they are over, and else left alone', () => {
    expect(plan(facts([A], { noted: [A], live: [A] }))).toMatchObject({ steps: [], wakeAtMs: null, doing: null });
    expect(plan(facts([A, B], { noted: [A], live: [A] }))).toMatchObject({ steps: ['attach-device'], state: 'running', error: null });
    expect(plan(facts([B], { noted: [A], live: [A] })).steps).toEqual(['detach-device', 'attach-device']);
    expect(plan(facts([], { noted: [A], live: [A] })).steps).toEqual(['detach-device']);
    // Only the running one has it, or only what it will be started as; or there are but the notes of it.
    expect(plan(facts([A], { noted: [A], live: [A], defined: [] })).steps).toEqual(['attach-device']);
    expect(plan(facts([A], { noted: [A], live: [], defined: [A] })).steps).toEqual(['attach-device']);
    expect(plan(facts([], { noted: [A] })).steps).toEqual(['detach-device']);
    expect(plan(facts([A], { noted: [], live: [], power: 'stopped' }, { desired: desired({ intent: 'stopped', layout: layout({ devices: [A] }) }) })).steps).toEqual(['attach-device']);
  });
  it('wait while the guest is halted or its memory is saved, while its host is at them, and while the server itself has something to do', () => {
    const paused = facts([B], { noted: [A], live: [A], power: 'paused' }, { desired: desired({ intent: 'paused', layout: layout({ devices: [B] }) }) });
    expect(plan(paused).steps).toEqual([]);
    expect(devicesSeen(paused)).toMatchObject([{ state: 'attaching', message: expect.stringContaining('halted') }, { state: 'detaching', message: expect.stringContaining('halted') }]);
    const saved = facts([B], { noted: [A], defined: [A], power: 'stopped', saved: true }, { desired: desired({ intent: 'suspended', layout: layout({ devices: [B] }) }) });
    expect(plan(saved).steps).toEqual([]);
    expect(plan(facts([A], {}, { devices: { kind: 'wait', why: 'soon' } })).steps).toEqual([]);
    expect(devicesSeen(facts([A], {}, { devices: { kind: 'wait', why: 'soon' } }))).toMatchObject([{ state: 'attaching', message: 'soon' }]);
    expect(plan(facts([A], {}, { desired: desired({ layout: layout({ devices: [A] }), intent: 'stopped' }) })).steps).toEqual(['press-power-button']);
    expect(plan({ ...facts([A], {}), listed: false }).steps).toEqual([]);
    expect(planInstance(facts([A], {}), world({ reportOnly: true })).steps).toEqual([]);
  });
  it('that fail are tried again later, and given up with their reason: the server is none the worse', () => {
    const failed = facts([A], {}, withTrouble(trouble({})));
    expect(plan(failed)).toMatchObject({ steps: [], wakeAtMs: 1_000_500, doing: null, error: null, state: 'running' });
    expect(planInstance(failed, world({ nowMs: 1_000_500 })).steps).toEqual(['attach-device']);
    expect(planInstance(failed, world({ bootId: 'boot-2' })).steps).not.toEqual([]);
    expect(observationOf(failed, plan(failed))).toMatchObject({ state: 'running', error: null, devices: [{ identity: A.identity, state: 'attaching', message: 'It did not work.' }] });
    const final = facts([A], {}, withTrouble(trouble({ final: true })));
    expect(plan(final)).toMatchObject({ steps: [], wakeAtMs: 1_000_500, error: null });
    expect(devicesSeen(final)).toMatchObject([{ state: 'failed', message: 'It did not work.' }]);
    // Another hold of the same device is another matter.
    expect(plan(facts([{ ...A, generation: 2 }], {}, withTrouble(trouble({ final: true })))).steps).toEqual(['attach-device']);
    // What failed for good is taken back like any other.
    expect(plan(facts([], { noted: [A] }, withTrouble(trouble({ final: true })))).steps).toEqual(['detach-device']);
  });
  it('that the guest does not let go stay, and are asked for again, ever more seldom', () => {
    const asked = (attempts: number): InstanceFacts => facts([], { noted: [A], live: [A], defined: [] }, withTrouble(trouble({ step: 'detach-device', code: 'guest-asked', message: '', attempts })));
    expect(plan(asked(1))).toMatchObject({ steps: [], wakeAtMs: 1_000_500 });
    expect(seen(asked(1))).toEqual(['0 detaching']);
    expect(devicesSeen(asked(2))).toMatchObject([{ state: 'needs-guest-stop', message: expect.stringMatching(/^the guest was asked/) }]);
    expect(JSON.stringify(devicesSeen(asked(2)))).toBe(JSON.stringify(devicesSeen(asked(9))));
    expect(planInstance(asked(2), world({ nowMs: 1_000_500 })).steps).toEqual(['detach-device']);
    // It let go, or ended: that is looked into at once.
    expect(plan(facts([], { noted: [A] }, withTrouble(trouble({ step: 'detach-device', message: '', attempts: 5 })))).steps).toEqual(['detach-device']);
    // Wanted again meanwhile, it is simply there.
    expect(seen(facts([A], { noted: [A], live: [A] }, withTrouble(trouble({ step: 'detach-device', attempts: 5 }))))).toEqual(['0 attached']);
  });
  it('wait for their place in the guest', () => {
    const other = ownDevice(vf(2), 0);
    const given = facts([other], { noted: [A], live: [A] });
    expect(plan(given).steps).toEqual(['detach-device']);
    expect(seen(given)).toEqual(['2 attaching', '0 detaching']);
  });
  it('are told of every server, and not at all where nothing can be said', () => {
    expect(observationOf(facts([], null), plan(facts([], null))).devices).toEqual([]);
    expect(seen(facts([A], null))).toEqual(['0 attaching']);
    const { devices: _none, ...blind } = facts([A], { noted: [A], live: [A] });
    expect(devicesSeen(blind)).toBeNull();
    expect('devices' in observationOf(blind, plan(blind))).toBe(false);
    expect(devicesSeen({ ...facts([], null), domain: observedDomain('running', null) })).toBeNull();
    // Somebody gave it a device under one of our names, or our notes are lost.
    expect(devicesSeen(facts([], { live: [A] }))).toBeNull();
    const deleted = desired({ intent: 'deleted', layout: layout({ devices: [A, B] }) });
    expect(seen(facts([], { noted: [A], live: [A] }, { desired: deleted }))).toEqual(['0 attached']);
  });
  it('have troubles that are forgotten when they are over', () => {
    const failure = trouble({});
    expect(devicesTidied(facts([A], {}, withTrouble(failure)))).toEqual({ [A.identity]: failure });
    expect(devicesTidied(facts([A], { noted: [A], live: [A] }, withTrouble(failure)))).toEqual({});
    expect(devicesTidied(facts([], {}, withTrouble(failure)))).toEqual({});
  });
});

/** A server's devices as control plane, agent, hypervisor and guest each see them; the agent may be killed between any two of its writes. */
class World {
  claim: (OwnDevice & { wanted: boolean })[] = [];
  noted: OwnDevice[] = [];
  live: OwnDevice[] = [];
  defined: OwnDevice[] = [];
  power: 'running' | 'paused' | 'stopped' = 'running';
  deaf = false;
  nowMs = 0;
  troubles: Record<string, Failure> = {};
  generation = 0;

  facts(): InstanceFacts {
    return facts(this.claim.filter(({ wanted }) => wanted), { noted: this.noted, live: this.live, defined: this.defined, power: this.power }, { progress: { ...progress, devices: this.troubles } });
  }

  want(): void {
    const identity = [0, 1, 2, 3].map(vf).find((each) => !this.claim.some((device) => device.identity === each));
    const place = [0, 1, 2, 3].find((each) => !this.claim.some((device) => device.place === each))!;
    if (identity) this.claim.push({ ...ownDevice(identity, place), generation: (this.generation += 1), wanted: true });
  }

  /** Half of them first, so that the others stay. */
  unwant(nth: number): void {
    const device = this.claim.filter(({ wanted }) => wanted)[nth];
    if (device) this.claim = this.claim.map((each) => (each === device ? { ...each, wanted: false } : each));
  }

  /** What is not said to be there any more is given to others. */
  report(): void {
    const said = new Set(devicesSeen(this.facts())!.map(({ identity }) => identity));
    for (const { identity } of this.claim.filter((each) => !each.wanted && !said.has(each.identity))) expect([...this.live, ...this.defined].map((each) => each.identity)).not.toContain(identity);
    this.claim = this.claim.filter(({ wanted, identity }) => wanted || said.has(identity));
  }

  stop(): void { [this.power, this.live] = ['stopped', []]; }
  start(): void {
    if (this.power !== 'stopped') return;
    const { claim } = this;
    // A definition that is another one is made anew, with its notes.
    if (JSON.stringify(claim.filter(({ wanted }) => wanted).map(({ place }) => place).sort()) !== JSON.stringify(this.defined.map(({ place }) => place).sort())) this.noted = this.defined = claim.filter(({ wanted }) => wanted);
    [this.power, this.live] = ['running', this.defined];
  }

  /** @param cut writes until it is killed */
  tick(cut = Infinity): void {
    let left = cut;
    const write = (change: () => void): void => {
      if ((left -= 1) < 0) return;
      change();
      for (const { identity } of [...this.live, ...this.defined]) expect(this.noted.map((each) => each.identity)).toContain(identity);
    };
    this.report();
    const clock = { nowMs: this.nowMs, bootId: 'boot-1' };
    this.troubles = { ...devicesTidied(this.facts()) };
    for (const step of planOwnDevices(this.facts(), clock).steps) {
      for (const each of deviceStandings(this.facts()).filter((one) => one.does === step && isDue(one, clock))) {
        const { device } = each;
        const without = (list: readonly OwnDevice[]): OwnDevice[] => list.filter(({ place }) => place !== device.place);
        if (step === 'attach-device') {
          write(() => { this.noted = [...without(this.noted), device]; });
          if (this.power === 'running') write(() => { this.live = [...without(this.live), device]; });
          write(() => { this.defined = [...without(this.defined), device]; });
          continue;
        }
        write(() => { this.defined = without(this.defined); });
        if (!this.deaf) write(() => { this.live = without(this.live); });
        if (![...this.live, ...this.defined].some(({ place }) => place === device.place)) write(() => { this.noted = without(this.noted); });
        else if (left >= 0) this.troubles = { ...this.troubles, [device.identity]: judgeFailure(each.trouble, { generation: device.generation, step, code: 'guest-asked', message: '', retry: 'counted' }, { ...clock, random: 0 }, { attempts: 5, backoffMinMs: 10, backoffMaxMs: 100 }, false) };
      }
    }
    this.nowMs += 10;
  }
}

const anyEvent = fc.oneof(
  { weight: 3, arbitrary: fc.constant((of: World) => of.want()) },
  { weight: 3, arbitrary: fc.nat({ max: 2 }).map((nth) => (of: World) => of.unwant(nth)) },
  { weight: 6, arbitrary: fc.constant((of: World) => of.tick()) },
  { weight: 4, arbitrary: fc.nat({ max: 8 }).map((cut) => (of: World) => of.tick(cut)) },
  { weight: 1, arbitrary: fc.boolean().map((deaf) => (of: World) => { of.deaf = deaf; }) },
  { weight: 1, arbitrary: fc.constant((of: World) => of.stop()) },
  { weight: 1, arbitrary: fc.constant((of: World) => of.start()) },
  { weight: 1, arbitrary: fc.boolean().map((paused) => (of: World) => { if (of.power !== 'stopped') of.power = paused ? 'paused' : 'running'; }) },
);

describe('whatever happens, and wherever the agent is killed', () => {
  it('nothing is given to others that a domain still has, and in the end each has what it shall have', () => {
    fc.assert(fc.property(fc.array(anyEvent, { maxLength: 40 }), fc.boolean(), (events, deaf) => {
      const of = new World();
      for (const event of events) event(of);
      of.deaf = deaf;
      if (of.power === 'paused') of.power = 'running';
      for (let n = 0; n < 40; n += 1) of.tick();
      // A guest that answers nobody keeps its devices, says what is needed, and the next start is without them.
      if (deaf) {
        expect(deviceStandings(of.facts()).filter(({ state }) => state !== 'attached').every(({ state }) => state === 'needs-guest-stop' || state === 'attaching')).toBe(true);
        of.stop();
        for (let n = 0; n < 4; n += 1) of.tick();
        of.start();
        for (let n = 0; n < 4; n += 1) of.tick();
      }
      expect(of.claim.every(({ wanted }) => wanted)).toBe(true);
      const places = of.claim.map(({ place }) => place).sort();
      for (const list of [of.noted, of.defined, ...(of.power === 'running' ? [of.live] : [])]) expect(list.map(({ place }) => place).sort()).toEqual(places);
      expect(of.troubles).toEqual({});
    }), { numRuns: 500 });
  });
});
