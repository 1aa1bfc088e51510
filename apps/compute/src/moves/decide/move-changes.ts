/**
 * What each turn of a move writes: the instance's row and the move's, always together in one commit. Owns: who is told
 * what, and by which numbers. Pure.
 *
 * Numbers: a host refuses a word below the last it heard of an instance. All words take theirs from the instance's one
 * generation, which only rises. A hand-over leaves one number free, for the word `deleted` to the host that is left.
 * Spec generations: what a host has built keeps its number, so a host that gets an instance back has built it already.
 * Only a resize within one host that is taken back needs a number of its own, for the host has both beside each other.
 */
import type { Layout } from '#libs/contracts';
import { attachmentsIn } from '../../attachments/decide/attachment.js';
import type { Change } from '../../instances/change.js';
import type { InstanceRow, InstanceSpec } from '../../instances/instance-row.js';
import type { Claim } from '../../lifecycle/decide/facts.js';
import { NO_OTHER, type MigrationChange, type MigrationRow } from '../migration-row.js';

export interface MoveChange {
  instance: Change;
  migrations: readonly { uuid: string; set: MigrationChange; finished?: boolean; /** This host, its `other`, takes note: the next place in its feed. */ tell?: string }[];
}

type Set = NonNullable<Change['set']>;

const CALM = { attempts: 0, waited_ms: 0, last_error: null } as const;
const UNSEEN = { observed_state: null, observed_generation: 0, observed_reboot_count: 0, observed: null } as const;

const built = (row: InstanceRow, hostId: string | null, spec: InstanceSpec, layout: Layout | null, generation: number): Set => ({
  spec, layout, attachments: attachmentsIn(row.attachments, layout, hostId), flavor_id: spec.flavor.id, vcpus: spec.flavor.vcpus, ram_mib: spec.flavor.ramMib, spec_generation: generation,
});
const next = (row: InstanceRow, by = 1): number => Number(row.generation) + by;
const waitFor = (host: string | null): Set => ({ ...CALM, step: 'wait-host', waiting_for: `host ${host ?? ''}` });

export const staysOnHost = (move: Pick<MigrationRow, 'source_host_id' | 'dest_host_id'>): boolean => move.dest_host_id === move.source_host_id;

/** The destination is known; the guest is switched off where it is. */
export const stopAtSource = (row: InstanceRow, move: MigrationRow, claim: Claim): MoveChange => ({
  instance: {
    set: { ...waitFor(row.host_name), move_phase: 'stop', hold: 'off', generation: next(row) }, feedOf: row.host_id as string,
    events: [{ kind: 'move', message: 'a host was found; the guest is switched off' }],
  },
  migrations: [{ uuid: move.uuid, set: { status: 'pre-migrating', dest_host_id: claim.hostId, dest_host_name: claim.hostName, dest_zone: claim.availabilityZone, new_layout: claim.layout } }],
});

/** One commit makes it the other host's. `key`: with it the destination fetches the disk. */
export function handOver(row: InstanceRow, move: MigrationRow, to: { id: string; name: string; zone: string; layout: Layout | null }, key: string): MoveChange {
  const evacuation = move.kind === 'evacuation';
  const stays = to.id === move.source_host_id;
  const instance: Change = {
    set: {
      ...waitFor(to.name), ...UNSEEN, ...built(row, to.id, move.new_spec, to.layout, move.new_spec_generation), claim_generation: move.new_spec_generation,
      host_id: to.id, host_name: to.name, availability_zone: to.zone, hold: null, move_phase: 'arrive', generation: next(row, stays ? 1 : 2),
      elsewhere: row.elsewhere + (stays ? 0 : 1),
      // Behind a fence the disk is out of reach: a new one is made of the image.
      ...(evacuation && { disk_generation: row.disk_generation + 1, rebuilding: false, fault: null, intent: row.intent === 'stopped' ? 'stopped' : 'running' }),
    },
    feedOf: to.id,
    events: [{ kind: 'moved', message: stays ? 'it is built anew on its host' : `to host ${to.name}` }],
  };
  const status = evacuation ? 'pre-migrating' : 'migrating';
  if (stays) return { instance, migrations: [{ uuid: move.uuid, set: { status } }] };
  const left: MigrationChange = {
    status, dest_host_id: to.id, dest_host_name: to.name, dest_zone: to.zone, new_layout: to.layout,
    other_host_id: row.host_id, other_sequence: row.host_sequence, other_wanted: evacuation ? 'deleted' : 'stopped',
    other_generation: evacuation ? next(row) : row.generation, other_spec_generation: row.spec_generation,
    other_observed_state: row.observed_state, other_observed_generation: row.observed_generation, other_observed: row.observed,
    transfer_key: evacuation ? null : key,
  };
  // Stopped is what the source was told last: only an evacuation has news for it.
  return { instance, migrations: [{ uuid: move.uuid, set: left, ...(evacuation && { tell: row.host_id as string }) }] };
}

/** It runs there as wanted. */
export const arrived = (move: MigrationRow): MoveChange => ({
  instance: { set: { ...CALM, step: 'settled', waiting_for: null, move_phase: 'verify', fault: null }, launched: true, events: [{ kind: 'arrived', message: 'it waits to be confirmed or reverted' }] },
  migrations: [{ uuid: move.uuid, set: { status: 'finished', transfer_key: null } }],
});

/** Back to how it was: from where the move stands, towards the source. `why`: it does so by itself. */
export function turnBack(row: InstanceRow, move: MigrationRow, why: { message: string; details: string } | null): MoveChange {
  const note = why === null ? {} : { error: why.message };
  const events = why === null ? [] : [{ kind: 'move-failed', message: why.message, detail: why.details }];
  if (row.move_phase === 'claim' || row.move_phase === 'stop') {
    const held = row.hold !== null;
    return {
      instance: { set: { ...waitFor(row.host_name), move_phase: 'return', hold: null, ...(held && { generation: next(row) }) }, ...(held && { feedOf: row.host_id as string }), events },
      migrations: [{ uuid: move.uuid, set: { ...note, status: 'reverting' } }],
    };
  }
  if (staysOnHost(move)) {
    return {
      instance: {
        set: { ...waitFor(row.host_name), ...built(row, row.host_id, move.old_spec, move.old_layout, move.new_spec_generation + 1), claim_generation: move.old_spec_generation, move_phase: 'return', hold: null, generation: next(row) },
        feedOf: row.host_id as string, events,
      },
      migrations: [{ uuid: move.uuid, set: { ...note, status: 'reverting' } }],
    };
  }
  return {
    instance: { set: { ...waitFor(row.host_name), move_phase: 'revert', hold: 'gone', generation: next(row) }, feedOf: row.host_id as string, events },
    migrations: [{ uuid: move.uuid, set: { ...note, status: 'reverting', transfer_key: null } }],
  };
}

/** Nothing is left at the destination (or it is fenced: then it is told `deleted` when it is taken back). The source has it again. */
export function goBack(row: InstanceRow, move: MigrationRow, destinationIsGone: boolean): MoveChange {
  const left: MigrationChange = destinationIsGone
    ? {
      other_host_id: row.host_id, other_sequence: row.host_sequence, other_wanted: 'deleted', other_generation: row.generation, other_spec_generation: row.spec_generation,
      other_observed_state: row.observed_state, other_observed_generation: row.observed_generation, other_observed: row.observed,
    }
    : NO_OTHER;
  return {
    instance: {
      set: {
        ...waitFor(move.source_host_name), ...UNSEEN, ...built(row, move.source_host_id, move.old_spec, move.old_layout, move.old_spec_generation), claim_generation: move.old_spec_generation,
        host_id: move.source_host_id, host_name: move.source_host_name, availability_zone: move.source_zone, hold: null, move_phase: 'return', generation: next(row),
        elsewhere: row.elsewhere - (destinationIsGone ? 0 : 1),
      },
      feedOf: move.source_host_id, events: [{ kind: 'moved', message: `back to host ${move.source_host_name}` }],
    },
    migrations: [{ uuid: move.uuid, set: left }],
  };
}

/** What was before may go now. */
export function confirm(row: InstanceRow, move: MigrationRow): MoveChange {
  const set = { ...CALM, step: 'wait-host', move_phase: 'confirm' };
  if (move.other_host_id === null) {
    return { instance: { set: { ...set, waiting_for: `host ${row.host_name ?? ''}`, generation: next(row) }, feedOf: row.host_id as string }, migrations: [{ uuid: move.uuid, set: { status: 'confirming' } }] };
  }
  return { instance: { set: { ...set, waiting_for: `host ${move.source_host_name}` } }, migrations: [{ ...toldToGo(move), set: { ...toldToGo(move).set, status: 'confirming' } }] };
}

/** The host that still has something of it is told to let go. */
export const toldToGo = (move: MigrationRow): { uuid: string; set: MigrationChange; tell: string } =>
  ({ uuid: move.uuid, set: { other_wanted: 'deleted', other_generation: Number(move.other_generation) + 1 }, tell: move.other_host_id as string });

/** The move is history. `keepsOther`: its other host has not let go yet. */
export const ended = (row: InstanceRow, move: MigrationRow, end: { status: string; keepsOther: boolean; event: string; message: string; error: string | null }): MoveChange => {
  const forgets = move.other_host_id !== null && !end.keepsOther;
  return {
    instance: {
      set: { ...CALM, move_id: null, move_kind: null, move_phase: null, hold: null, waiting_for: null, elsewhere: row.elsewhere - (forgets ? 1 : 0) },
      events: [{ kind: end.event, message: end.message }],
    },
    migrations: [{ uuid: move.uuid, finished: true, set: { status: end.status, transfer_key: null, ...(end.error !== null && { error: end.error }), ...(forgets && NO_OTHER) } }],
  };
};
