import type { Layout, MigrationView, MoveKind, ObservedInstance } from '#libs/contracts';
import type { InstanceSpec } from '../instances/instance-row.js';

/** compute.migrations as PostgreSQL gives it (bigint as text). */
export interface MigrationRow {
  id: string; uuid: string; instance_id: string; project_id: string; user_id: string; request_id: string | null;
  kind: MoveKind; status: string;
  old_spec: InstanceSpec; new_spec: InstanceSpec; old_spec_generation: number; new_spec_generation: number;
  /** What of the source is, and what of the destination was claimed; null: it floats there. */
  old_layout: Layout | null; new_layout: Layout | null;
  requested_host: string | null; may_stay: boolean;
  source_host_id: string; source_host_name: string; source_zone: string;
  dest_host_id: string | null; dest_host_name: string | null; dest_zone: string | null;
  /** The host that is not the instance's own and still has something of it; null: none. */
  other_host_id: string | null; other_sequence: string | null; other_wanted: 'stopped' | 'deleted' | null;
  other_generation: string | null; other_spec_generation: number | null;
  other_observed_state: ObservedInstance['state'] | null; other_observed_generation: string | null; other_observed: object | null;
  transfer_key: string | null; error: string | null;
  created_at: Date; updated_at: Date; finished_at: Date | null;
}

/** Columns that change after the row was made. */
export type MigrationChange = Partial<Pick<MigrationRow,
  'status' | 'new_spec_generation' | 'dest_host_id' | 'dest_host_name' | 'dest_zone' | 'new_layout' | 'other_host_id' | 'other_sequence' | 'other_wanted' | 'other_spec_generation'
  | 'other_observed_state' | 'other_observed' | 'transfer_key' | 'error'>> & { other_generation?: string | number | null; other_observed_generation?: string | number | null };

/** No other host has anything of it any more. */
export const NO_OTHER: MigrationChange = {
  other_host_id: null, other_sequence: null, other_wanted: null, other_generation: null, other_spec_generation: null,
  other_observed_state: null, other_observed_generation: null, other_observed: null,
};

export function migrationView(row: MigrationRow): MigrationView {
  const flavor = ({ flavor: { id, name } }: InstanceSpec): MigrationView['oldFlavor'] => ({ id, name });
  return {
    id: Number(row.id), uuid: row.uuid, instanceId: row.instance_id as MigrationView['instanceId'], projectId: row.project_id, userId: row.user_id,
    kind: row.kind, status: row.status,
    sourceHost: { id: row.source_host_id as MigrationView['sourceHost']['id'], name: row.source_host_name },
    destinationHost: row.dest_host_id === null ? null : { id: row.dest_host_id as MigrationView['sourceHost']['id'], name: row.dest_host_name ?? '' },
    oldFlavor: flavor(row.old_spec), newFlavor: flavor(row.new_spec),
    error: row.error, createdAt: row.created_at.toISOString(), updatedAt: row.updated_at.toISOString(),
  };
}
