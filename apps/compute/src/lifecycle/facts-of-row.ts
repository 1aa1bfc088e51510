import type { InstanceRow } from '../instances/instance-row.js';
import type { InstanceFacts, PassFacts, StoredStep } from './decide/facts.js';

/** What of a row decisions are made from. */
export type FactColumns = Pick<InstanceRow,
  'intent' | 'generation' | 'spec_generation' | 'reboot_count' | 'step' | 'launched_at' | 'deleted_at' | 'withdrawn' | 'host_id' | 'host_name'
  | 'observed_state' | 'observed_generation' | 'observed_reboot_count' | 'observed' | 'waited_ms' | 'attempts' | 'last_error'
  | 'disk_generation' | 'rebuilding' | 'hold' | 'move_kind' | 'move_phase' | 'elsewhere' | 'attachments'>;

/** The row, and what this pass found out, as the facts that decisions are made from. */
export const factsOf = (row: FactColumns, now: PassFacts = {}): InstanceFacts => ({
  intent: row.intent, generation: Number(row.generation), specGeneration: row.spec_generation, rebootCount: row.reboot_count,
  step: row.step as StoredStep, launched: row.launched_at !== null, finished: row.deleted_at !== null, withdrawn: row.withdrawn,
  diskGeneration: row.disk_generation, rebuilding: row.rebuilding, hold: row.hold,
  move: row.move_kind === null || row.move_phase === null ? null : { kind: row.move_kind, phase: row.move_phase },
  elsewhere: row.elsewhere, attachments: row.attachments,
  host: row.host_id === null ? null : { id: row.host_id, name: row.host_name ?? row.host_id },
  observed: {
    state: row.observed_state, generation: Number(row.observed_generation), rebootCount: row.observed_reboot_count,
    doing: row.observed?.doing ?? null, error: row.observed?.error ?? null,
    built: row.observed?.built, savedMemory: row.observed?.savedMemory, devices: row.observed?.devices,
  },
  waitedMs: Number(row.waited_ms), attempts: row.attempts, lastError: row.last_error, now,
});
