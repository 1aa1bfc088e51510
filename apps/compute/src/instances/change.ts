/** One change of one instance, as it is written: see InstancesRepository.change. */
export interface Change {
  /** Columns and their new values. */
  set?: Readonly<Partial<Record<ChangeableColumn, unknown>>>;
  /** When the loop comes again, in milliseconds; null: not before something happens. Left out: stays. */
  reconcileInMs?: number | null;
  /** Is the host of `feedOf` fenced, and gone by that: then the loop comes at once, whatever `reconcileInMs` says. */
  atOnceBehindFence?: boolean;
  /** The loop's lease is given back in the same write. */
  release?: boolean;
  /** Winds the deadline's clock by the time since it was wound last, by at most this much. */
  wind?: { atMostMs: number };
  /** The instance takes the next place in this host's feed, so the host pulls it anew. */
  feedOf?: string;
  /** It has run: never a build again. */
  launched?: boolean;
  /** The row is finished: nothing of the instance is left anywhere. */
  finished?: boolean;
  /** Nobody outside would see a difference: `updated` stays. */
  quiet?: boolean;
  events?: readonly ChangeEvent[];
}

/** `requestId`: left out by the loop, which works for the request that asked last. `detail`: for admins only. */
export interface ChangeEvent { kind: string; message: string; requestId?: string | null; userId?: string | null; detail?: string | null; by?: ChangeBy | undefined }

/** Whoever asked, as the audit trail knows them besides. */
export interface ChangeBy { userName?: string | undefined; address?: string | undefined }

export type ChangeableColumn =
  | 'name' | 'description' | 'intent' | 'generation' | 'spec_generation' | 'reboot_count' | 'reboot_type'
  | 'host_id' | 'host_name' | 'availability_zone' | 'claim_generation' | 'host_sequence' | 'withdrawn' | 'layout' | 'attachments'
  | 'step' | 'waiting_for' | 'attempts' | 'waited_ms' | 'last_error' | 'fault' | 'placement'
  | 'metadata' | 'tags' | 'locked' | 'locked_reason' | 'locked_by' | 'hostname' | 'key_name' | 'user_data' | 'flavor_id' | 'image_id' | 'spec' | 'vcpus' | 'ram_mib'
  | 'disk_generation' | 'launched_disk_generation' | 'rebuilding' | 'hold' | 'move_id' | 'move_kind' | 'move_phase' | 'elsewhere'
  | 'observed_state' | 'observed_generation' | 'observed_reboot_count' | 'observed' | 'last_request_id';

const JSON_COLUMNS: ReadonlySet<string> = new Set(['fault', 'placement', 'observed', 'metadata', 'spec', 'layout', 'attachments']);

/**
 * The change as ONE statement, so that it costs one round trip and one commit: the row if its version is still
 * `version`, its place in the host's feed, and its events. Gives the row as it is then; no row: somebody was faster.
 * Locks are taken in one order everywhere (instance, then feed), and the feed's row lock until commit makes the order
 * of sequences the order of commits.
 */
export function changeStatement(id: string, version: string, change: Change): { text: string; values: unknown[] } {
  const values: unknown[] = [id, version];
  const param = (value: unknown): string => `$${values.push(value)}`;
  const set: string[] = ['version = i.version + 1'];
  for (const [column, value] of Object.entries(change.set ?? {})) {
    set.push(`${column} = ${param(JSON_COLUMNS.has(column) && value !== null ? JSON.stringify(value) : value)}`);
  }
  if (change.quiet !== true) set.push('updated_at = now()');
  if (change.reconcileInMs === null) set.push('reconcile_at = NULL');
  else if (change.reconcileInMs !== undefined) {
    const later = `now() + ${param(change.reconcileInMs)} * interval '1 millisecond'`;
    set.push(`reconcile_at = ${change.atOnceBehindFence === true && change.feedOf !== undefined ? `CASE WHEN feed.gone THEN now() ELSE ${later} END` : later}`);
  }
  if (change.release === true) set.push('lease_owner = NULL', 'lease_until = NULL');
  if (change.wind !== undefined) {
    set.push(`waited_ms = i.waited_ms + least(extract(epoch FROM now() - coalesce(i.checked_at, now())) * 1000, ${param(change.wind.atMostMs)}::numeric)::bigint`);
  }
  if (change.wind !== undefined || change.set?.waited_ms !== undefined) set.push('checked_at = now()');
  if (change.launched === true) set.push('launched_at = coalesce(i.launched_at, now())', 'launched_disk_generation = i.disk_generation');
  if (change.finished === true) set.push('terminated_at = now()', 'deleted_at = now()');
  const feed = change.feedOf === undefined ? '' : `
    feed AS (
      INSERT INTO compute.host_feeds AS f (host_id, sequence) SELECT ${param(change.feedOf)}::uuid, 1 FROM target
      ON CONFLICT (host_id) DO UPDATE SET sequence = f.sequence + 1 RETURNING f.sequence, f.fenced_at IS NOT NULL AND f.returned_at IS NULL AS gone),`;
  if (change.feedOf !== undefined) set.push('host_sequence = feed.sequence');
  const events = (change.events ?? []).length === 0 ? '' : `,
    told AS (
      INSERT INTO compute.instance_events (instance_id, project_id, host_id, host_name, step, phase, kind, message, request_id, user_id, detail, user_name, address)
      SELECT changed.id, changed.project_id, coalesce(changed.host_id, target.host_id), coalesce(changed.host_name, target.host_name), changed.step, changed.move_phase,
        e.kind, e.message, coalesce(e.request_id, CASE WHEN e.user_id IS NULL THEN changed.last_request_id END), e.user_id, e.detail, e.user_name, e.address
      FROM changed JOIN target ON target.id = changed.id, unnest(${['kind', 'message', 'requestId', 'userId', 'detail'].map((field) =>
    `${param((change.events ?? []).map((event) => event[field as 'kind' | 'message' | 'requestId' | 'userId' | 'detail'] ?? null))}::text[]`).join(', ')}, ${(['userName', 'address'] as const).map((field) =>
    `${param((change.events ?? []).map(({ by }) => by?.[field] ?? null))}::text[]`).join(', ')}) AS e (kind, message, request_id, user_id, detail, user_name, address))`;
  return {
    text: `
    WITH target AS (SELECT id, host_id, host_name FROM compute.instances WHERE id = $1 AND version = $2 FOR UPDATE),${feed}
    changed AS (
      UPDATE compute.instances i SET ${set.join(', ')}
      FROM target${feed === '' ? '' : ', feed'} WHERE i.id = target.id RETURNING i.*)${events}
    SELECT * FROM changed`,
    values,
  };
}
