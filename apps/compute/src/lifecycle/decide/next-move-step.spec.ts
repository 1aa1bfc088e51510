import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Layout, MovePhase } from '#libs/contracts';
import type { InstanceRow, InstanceSpec } from '../../instances/instance-row.js';
import { arrived, confirm, ended, goBack, handOver, stopAtSource, toldToGo, turnBack, type MoveChange } from '../../moves/decide/move-changes.js';
import { NO_OTHER, type MigrationRow } from '../../moves/migration-row.js';
import { tempoOf } from '../../tempo.js';
import { factsOf } from '../facts-of-row.js';
import { wantedOnHost, type InstanceFacts, type PassFacts } from './facts.js';
import type { MoveRows, OpenMove, OtherHost } from './move-rows.js';
import { nextMoveStep } from './next-move-step.js';
import { nextStep } from './next-step.js';

const tempo = tempoOf();
const open: OpenMove = { id: 'm1', kind: 'resize', source: { id: 'A', name: 'a' }, destination: { id: 'B', name: 'b', zone: 'nova' }, error: null };
const left: OtherHost = { moveId: 'm1', open: true, host: { id: 'A', name: 'a' }, wanted: 'stopped', absent: false, gone: false };
const claimed = { outcome: 'claimed', hostId: 'B', hostName: 'b', availabilityZone: 'nova', layout: null } as const;
const gaveUp = { code: 'x', message: 'no', attempts: 3, final: true };

/** Instance at generation 5, spec 2, which its host has not answered yet. */
function at(phase: MovePhase, change: Partial<InstanceFacts> & { rows?: Partial<MoveRows>; kind?: OpenMove['kind']; error?: string; met?: boolean; now?: PassFacts } = {}): InstanceFacts {
  const { rows, kind = 'resize', error = null, met = false, now = {}, ...rest } = change;
  const hold = phase === 'stop' ? 'off' : phase === 'revert' ? 'gone' : null;
  const state = hold === 'off' ? 'stopped' : hold === 'gone' || rest.intent === 'deleted' ? 'absent' : 'running';
  return {
    intent: 'running', generation: 5, specGeneration: 2, rebootCount: 0, step: 'wait-host', launched: true, finished: false, withdrawn: false, diskGeneration: 1, rebuilding: false,
    hold, move: { kind, phase }, elsewhere: rows?.others?.length ?? 0, attachments: [], host: { id: 'B', name: 'b' }, waitedMs: 0, attempts: 0, lastError: null,
    observed: { state: met ? state : 'building', generation: met ? 5 : 4, rebootCount: 0, doing: null, error: null, built: { specGeneration: 2, diskGeneration: 1 } },
    ...rest, now: { moves: { open: { ...open, kind, error }, others: [], hostGone: false, ...rows }, ...now },
  };
}

describe('nextMoveStep', () => {
  const failed = { observed: { state: 'failed', generation: 5, rebootCount: 0, doing: null, error: gaveUp } } as const;
  const late = { waitedMs: tempo.operateDeadlineMs, now: { hostAlive: true } };
  const other = { others: [left] };
  const going = { ...left, wanted: 'deleted' } as const;
  /** Started as wanted, and off since by its own doing. */
  const ended = { observed: { state: 'stopped', generation: 5, rebootCount: 0, doing: null, error: null, built: { specGeneration: 2, diskGeneration: 1 } } } as const;
  const endedLong = { ...ended, waitedMs: tempo.powerOffGraceMs, now: { hostAlive: true } } as const;
  it.each<[string, InstanceFacts, object | undefined]>([
    ['no move, nothing elsewhere', { ...at('verify'), move: null, now: {} }, undefined],
    ['first reads the rows', at('claim', { now: { moves: undefined as never } }), { do: 'read-moves' }],
    ['claim: asks', at('claim'), { do: 'claim-destination' }],
    ['claim: renews', at('claim', { now: { claim: { outcome: 'stale' } } }), { do: 'renew-destination' }],
    ['claim: found', at('claim', { now: { claim: claimed } }), { do: 'stop-at-source', claim: claimed }],
    ['claim: found a host that cannot', at('claim', { now: { claim: { ...claimed, cannot: 'old' } } }), { do: 'give-up-move', why: { details: 'old' } }],
    ['claim: refused', at('claim', { now: { claim: { outcome: 'refused', explanation: { hostsConsidered: 0, snapshotAt: '', filters: [] } } } }), { do: 'give-up-move' }],
    ['claim: errors for too long', at('claim', { waitedMs: tempo.claimDeadlineMs }), { do: 'give-up-move' }],
    ['claim: an evacuation needs no stop', at('claim', { kind: 'evacuation', rows: { hostGone: true }, now: { claim: claimed } }), { do: 'hand-over', claim: claimed }],
    ['claim: an evacuation only behind the fence', at('claim', { kind: 'evacuation', now: { claim: claimed } }), { do: 'give-up-move' }],
    ['stop: looks', at('stop'), { do: 'look-at-host' }],
    ['stop: waits', at('stop', { now: { hostAlive: true } }), { do: 'wait-host', wind: true }],
    ['stop: a dead host winds no clock', at('stop', { waitedMs: tempo.operateDeadlineMs, now: { hostAlive: false } }), { do: 'wait-host', wind: false }],
    ['stop: off', at('stop', { met: true }), { do: 'hand-over', claim: null }],
    ['stop: off, with memory that would be lost', at('stop', { observed: { ...at('stop', { met: true }).observed, savedMemory: true } }), { do: 'give-up-move', why: { message: expect.stringContaining('memory'), details: expect.stringContaining('managedsave-remove') } }],
    ['stop: does not go off', at('stop', failed), { do: 'give-up-move' }],
    ['stop: too long', at('stop', late), { do: 'give-up-move' }],
    ['stop: its host is lost', at('stop', { met: true, rows: { hostGone: true } }), { do: 'give-up-move' }],
    ['arrive: there', at('arrive', { met: true, rows: other }), { do: 'arrived' }],
    ['arrive: an older answer is none', at('arrive', { rows: other, now: { hostAlive: true } }), { do: 'wait-host' }],
    ['arrive: cannot', at('arrive', { ...failed, rows: other }), { do: 'give-up-move' }],
    ['arrive: lost', at('arrive', { rows: { ...other, hostGone: true } }), { do: 'give-up-move' }],
    ['arrive: evacuated', at('arrive', { kind: 'evacuation', met: true, rows: other }), { do: 'end-move', claims: 'settle-and-keep-old', status: 'done', fault: null }],
    ['arrive: an evacuation never goes back', at('arrive', { ...failed, kind: 'evacuation', rows: other }), { do: 'end-move', claims: 'settle-and-keep-old', status: 'error' }],
    ['arrive: off, perhaps not started yet', at('arrive', { ...ended, rows: other, now: { hostAlive: true } }), { do: 'wait-host' }],
    ['arrive: the guest switched itself off', at('arrive', { ...endedLong, rows: other }), { do: 'arrived' }],
    ['verify: rests', at('verify', { met: true, rows: other }), undefined],
    ['confirm: the source has not let go', at('confirm', { met: true, rows: { others: [going] } }), { do: 'wait-other' }],
    ['confirm: no deadline', at('confirm', { met: true, waitedMs: 10 ** 9, rows: { others: [going] } }), { do: 'wait-other', againMs: tempo.deleteTickMaxMs }],
    ['confirm: it has', at('confirm', { met: true, rows: { others: [{ ...going, absent: true }] } }), { do: 'end-move', claims: 'settle', status: 'confirmed' }],
    ['confirm: it has, and its own host has not answered a later word', at('confirm', { rows: { others: [{ ...going, absent: true }] } }), { do: 'end-move', claims: 'settle', status: 'confirmed', unmet: true }],
    ['confirm: it is fenced', at('confirm', { met: true, rows: { others: [{ ...going, gone: true }] } }), { do: 'end-move', claims: 'settle-and-keep-old', status: 'confirmed' }],
    ['confirm on one host: the guest switched itself off meanwhile', at('confirm', endedLong), { do: 'end-move', claims: 'settle', status: 'confirmed' }],
    ['return: the guest switched itself off', at('return', endedLong), { do: 'end-move', claims: 'release', status: 'reverted' }],
    ['confirm on one host', at('confirm', { met: true }), { do: 'end-move', claims: 'settle', status: 'confirmed' }],
    ['revert: the destination has not let go', at('revert', { rows: other, now: { hostAlive: true } }), { do: 'wait-host' }],
    ['revert: an older absence proves nothing', at('revert', { rows: other, observed: { state: 'absent', generation: 4, rebootCount: 0, doing: null, error: null }, now: { hostAlive: true } }), { do: 'wait-host' }],
    ['revert: no deadline', at('revert', { ...late, rows: other }), { do: 'wait-host' }],
    ['revert: it has', at('revert', { met: true, rows: other }), { do: 'go-back' }],
    ['revert: it is fenced', at('revert', { rows: { ...other, hostGone: true } }), { do: 'go-back' }],
    ['return: as it was', at('return', { met: true }), { do: 'end-move', claims: 'release', status: 'reverted', fault: null }],
    ['return: by itself', at('return', { met: true, error: 'no room' }), { do: 'end-move', status: 'error', fault: null }],
    ['return: cannot', at('return', failed), { do: 'end-move', claims: 'release', status: 'error', fault: { code: 500 } }],
    ['left behind, and still there', { ...at('verify', { rows: { open: null, others: [{ ...going, open: false }] } }), move: null }, undefined],
    ['left behind, and gone', { ...at('verify', { rows: { open: null, others: [{ ...going, open: false, absent: true }] } }), move: null }, { do: 'forget-other' }],
    ['deleted: tells everyone', at('arrive', { intent: 'deleted', rows: other }), { do: 'tell-others' }],
    ['deleted: its own host as always', at('arrive', { intent: 'deleted', rows: { others: [going] } }), undefined],
    ['deleted: then the other', at('arrive', { intent: 'deleted', met: true, rows: { others: [going] } }), { do: 'wait-other' }],
    ['deleted: a fence is as good', at('arrive', { intent: 'deleted', met: true, rows: { others: [{ ...going, gone: true }] } }), { do: 'end-moves-of-deleted' }],
    ['deleted: gone from everywhere', at('arrive', { intent: 'deleted', met: true, rows: { others: [{ ...going, absent: true }] } }), { do: 'end-moves-of-deleted' }],
    ['taken back for good while it moved: nothing of it is no arrival', at('arrive', { withdrawn: true, observed: { state: 'absent', generation: 5, rebootCount: 0, doing: null, error: null }, rows: other }), { do: 'tell-others' }],
    ['taken back for good, and gone from everywhere', at('arrive', { withdrawn: true, observed: { state: 'absent', generation: 5, rebootCount: 0, doing: null, error: null }, rows: { others: [{ ...going, absent: true }] } }), { do: 'end-moves-of-deleted' }],
  ])('%s', (_name, facts, expected) => {
    const step = nextMoveStep(facts, tempo);
    if (expected === undefined) expect(step).toBeUndefined();
    else expect(step).toMatchObject(expected);
  });
});

/** A host as it is: the last word it heard, and whether it has the guest, and runs it. */
interface Local { heard: number; guest: 'running' | 'stopped' | null; broken: boolean }
type Act = 'pass' | 'A' | 'B' | 'break-A' | 'break-B' | 'confirm' | 'revert' | 'delete';
const spec = (vcpus: number): InstanceSpec => ({ flavor: { id: `f${vcpus}`, vcpus, ramMib: 1 } }) as InstanceSpec;
/** What a host gave for a spec: told apart by its name. */
const layout = (host: string, flavor: string): Layout => `${host} for ${flavor}` as unknown as Layout;

/** Two hosts, one instance with a move that just began, all writes as they are really made; no time, no bus. */
class Model {
  readonly hosts: Record<string, Local> = { A: { heard: 1, guest: 'running', broken: false }, B: { heard: 0, guest: null, broken: false } };
  row = {
    id: 'i', intent: 'running', generation: '1', spec_generation: 1, spec: spec(1), vcpus: 1, ram_mib: 1, flavor_id: 'f1', reboot_count: 0, step: 'claim-host', launched_at: new Date(0), deleted_at: null, withdrawn: false, attachments: [],
    host_id: 'A', host_name: 'A', layout: layout('A', 'f1'), host_sequence: '1', availability_zone: 'nova', observed_state: 'running', observed_generation: '1', observed_reboot_count: 0, observed: { built: { specGeneration: 1, diskGeneration: 1 } },
    waited_ms: '0', attempts: 0, last_error: null, disk_generation: 1, rebuilding: false, hold: null, move_id: 'm', move_kind: 'resize', move_phase: 'claim', elsewhere: 0,
  } as unknown as InstanceRow;
  move = { uuid: 'm', kind: 'resize', old_spec: spec(1), new_spec: spec(2), old_spec_generation: 1, new_spec_generation: 2, source_host_id: 'A', source_host_name: 'A', source_zone: 'nova', old_layout: layout('A', 'f1'), new_layout: null, dest_host_id: null, error: null, finished_at: null, transfer_key: null, ...NO_OTHER } as unknown as MigrationRow;
  claims = new Set(['run']);

  constructor(private readonly claim: 'A' | 'B' | 'refused') {}

  /** One pass; `steps`: the process dies after so many. */
  pass(steps: number): void {
    let now: PassFacts = {};
    for (let count = 0; count < steps; count += 1) {
      const before = this.row;
      const learned = this.#perform(now);
      if (learned === undefined) return;
      now = this.row === before ? { ...now, ...learned } : {};
    }
  }

  /** Gives what was learned, or undefined where the pass ends. */
  #perform(now: PassFacts): PassFacts | undefined {
    const { row, move } = this;
    const step = nextStep(factsOf(row, now), tempo);
    switch (step.do) {
      case 'read-moves': return { moves: this.#rows() };
      case 'claim-destination': {
        if (this.claim === 'refused') return { claim: { outcome: 'refused', explanation: { hostsConsidered: 0, snapshotAt: '', filters: [] } } };
        this.claims.add('move');
        return { claim: { outcome: 'claimed', hostId: this.claim, hostName: this.claim, availabilityZone: 'nova', layout: layout(this.claim, 'f2') } };
      }
      case 'stop-at-source': this.write(stopAtSource(row, move, step.claim)); return undefined;
      case 'hand-over': expect(this.claims).toContain('move'); this.write(handOver(row, move, { id: move.dest_host_id as string, name: '', zone: '', layout: move.new_layout }, 'key')); return undefined;
      case 'arrived': this.write(arrived(move)); return {};
      case 'give-up-move': this.write(turnBack(row, move, step.why)); return {};
      case 'go-back': expect(this.hosts['B']?.guest).toBeNull(); this.claims.delete('move'); this.write(goBack(row, move, false)); return undefined;
      case 'tell-others': this.write({ instance: {}, migrations: [toldToGo(move)] }); return {};
      case 'end-move':
        this.claims.delete('move');
        this.write(ended(row, move, { status: step.status, keepsOther: false, event: '', message: '', error: null }));
        this.write({ instance: { set: { step: step.fault === null ? 'settled' : 'failed' } }, migrations: [] });
        return {};
      case 'end-moves-of-deleted':
        this.claims.delete('move');
        this.write({ instance: { set: { move_id: null, move_kind: null, move_phase: null, hold: null, elsewhere: 0 } }, migrations: [{ uuid: 'm', finished: true, set: NO_OTHER }] });
        return {};
      case 'look-at-host': return { hostAlive: true };
      case 'release-claim': expect(this.#empty()).toBe(true); this.claims.clear(); return { claimReleased: true };
      case 'finish-delete': this.write({ instance: { set: { step: 'finished' }, finished: true }, migrations: [] }); return undefined;
      case 'wait-host': case 'wait-other': case 'rest': return undefined;
      case 'settle': this.write({ instance: { set: { step: 'settled' } }, migrations: [] }); return undefined;
      default: throw new Error(step.do);
    }
  }

  write({ instance, migrations }: MoveChange): void {
    this.row = { ...this.row, ...instance.set, generation: String(instance.set?.generation ?? this.row.generation), ...(instance.finished === true && { deleted_at: new Date(1) }) } as InstanceRow;
    for (const { set, finished } of migrations) this.move = { ...this.move, ...set, ...(finished === true && { finished_at: new Date(1) }) } as MigrationRow;
    expect(this.row.layout).toBe(layout(this.row.host_id as string, this.row.flavor_id));
    expect(this.row.elsewhere).toBe(this.move.other_host_id === null || this.row.deleted_at !== null ? 0 : 1);
  }

  /** The host does the last word for it, and says so. */
  act(name: 'A' | 'B'): void {
    const host = this.hosts[name] as Local;
    const own = this.row.host_id === name && this.row.deleted_at === null;
    const other = this.move.other_host_id === name;
    if (!own && !other) return;
    const generation = Number(own ? this.row.generation : this.move.other_generation);
    // The law of numbers: words only rise.
    expect(generation).toBeGreaterThanOrEqual(host.heard);
    host.heard = generation;
    const wanted = own ? wantedOnHost(factsOf(this.row)) : this.move.other_wanted;
    const breaks = host.broken && wanted !== 'deleted' && host.guest !== (wanted === 'running' ? 'running' : 'stopped');
    if (!breaks) host.guest = wanted === 'deleted' ? null : wanted === 'running' ? 'running' : 'stopped';
    // The law above all.
    expect(Object.values(this.hosts).filter(({ guest }) => guest === 'running').length).toBeLessThan(2);
    const state = host.guest ?? (wanted === 'deleted' ? 'absent' : 'failed');
    if (own) {
      this.row = { ...this.row, observed_state: state, observed_generation: String(generation), observed: { error: breaks ? gaveUp : null, doing: null, built: breaks ? null : { specGeneration: this.row.spec_generation, diskGeneration: 1 } } as never };
    } else this.move = { ...this.move, other_observed_state: state, other_observed_generation: String(generation) };
  }

  ask(what: 'confirm' | 'revert' | 'delete'): void {
    if (this.row.deleted_at !== null || this.row.intent === 'deleted') return;
    if (what === 'delete') this.write({ instance: { set: { intent: 'deleted', generation: Number(this.row.generation) + 1 } }, migrations: [] });
    else if (this.row.move_phase === 'verify') this.write(what === 'confirm' ? confirm(this.row, this.move) : turnBack(this.row, this.move, null));
  }

  #rows(): MoveRows {
    const { move, row } = this;
    const openMove = row.move_id === null ? null : { ...open, error: move.error, destination: move.dest_host_id === null ? null : { id: move.dest_host_id, name: '', zone: '' } };
    const absent = move.other_wanted === 'deleted' && move.other_observed_state === 'absent' && String(move.other_observed_generation) === String(move.other_generation);
    return { open: openMove, hostGone: false, others: move.other_host_id === null ? [] : [{ moveId: 'm', open: row.move_id !== null, host: { id: 'A', name: 'A' }, wanted: move.other_wanted ?? 'stopped', absent, gone: false }] };
  }

  #empty(): boolean { return Object.values(this.hosts).every(({ guest }) => guest === null); }
}

describe('a move, whatever happens in whatever order', () => {
  const acts = fc.array(fc.oneof(
    ...([['pass', 30], ['A', 20], ['B', 20], ['break-A', 2], ['break-B', 2], ['confirm', 3], ['revert', 6], ['delete', 1]] as const).map(([act, weight]) => ({ weight, arbitrary: fc.constant<Act>(act) })),
  ), { maxLength: 80, size: 'max' });
  it('never runs twice, and ends: in one place, or nowhere when it was deleted', () => {
    fc.assert(fc.property(fc.constantFrom('A', 'B', 'B', 'refused'), acts, fc.infiniteStream(fc.integer({ min: 1, max: 6 })), (claim, list, steps) => {
      const model = new Model(claim);
      for (const act of list) {
        if (act === 'pass') model.pass(steps.next().value as number);
        else if (act === 'A' || act === 'B') model.act(act);
        else if (act === 'break-A' || act === 'break-B') { const host = model.hosts[act.slice(-1)] as Local; host.broken = !host.broken; } else model.ask(act);
      }
      for (const host of Object.values(model.hosts)) host.broken = false;
      for (let round = 0; round < 20; round += 1) {
        model.pass(12);
        model.act('A');
        model.act('B');
        model.ask('confirm');
      }
      expect(model.row.move_id).toBeNull();
      expect(model.move.other_host_id).toBeNull();
      expect(model.claims.has('move')).toBe(false);
      const having = Object.entries(model.hosts).filter(([, { guest }]) => guest !== null).map(([name]) => name);
      if (model.row.intent === 'deleted') expect([model.row.deleted_at !== null, having]).toEqual([true, []]);
      else expect(having).toEqual([model.row.host_id]);
    }), { numRuns: 1_000 });
  });
});
