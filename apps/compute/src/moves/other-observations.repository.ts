import { Inject, Injectable } from '@nestjs/common';
import type { ObservedInstance } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { stale } from '#libs/errors';
import { LoopBell } from '../lifecycle/loop-bell.js';

/**
 * What a host saw of instances that are not its own (any more), and of which it still has something: the source of a
 * move, or a host that an instance was rebuilt away from.
 */
@Injectable()
export class OtherObservationsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly bell: LoopBell) {}

  /**
   * Books what answers the word the host was told last, under its epoch; proof of absence wakes the instance's loop (its version
   * rises, so that a pass under way decides anew). Rows are locked as moves lock them: instances first, in one order.
   * Gives for each that is such an instance whether the host may forget it. What is deleted waits for nobody who is behind a fence
   * (elsewhere = 0), so nobody would look at a proof that comes before its end: the proof itself ends it. Absence may answer a higher word than the move's: when
   * it was adopted after a restore it was told `deleted` by a departure as well.
   * Reports of one boot (`from`) may arrive in another order than they were made: an overtaken one says nothing any more, and nothing but
   * a new word takes a proof of absence back, for the host has forgotten it by then and is never asked again.
   */
  async book(hostId: string, epoch: number, seen: readonly ObservedInstance[], from: { bootId: string; sequence?: number | undefined }): Promise<Map<string, { forget: boolean }>> {
    if (seen.length === 0) return new Map();
    const { rows } = await this.db.pool.query<{ id: string | null; forget: boolean; wake: boolean }>(`
      WITH b AS (SELECT * FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::jsonb[]) AS b (id, state, generation, observed)),
      target AS MATERIALIZED (
        SELECT i.id, i.deleted_at IS NOT NULL OR (i.intent = 'deleted' AND i.elsewhere = 0) AS finished FROM compute.instances i
        WHERE i.id = ANY ($3::uuid[]) AND EXISTS (SELECT 1 FROM compute.migrations m WHERE m.instance_id = i.id AND m.other_host_id = $1)
          AND NOT EXISTS (SELECT 1 FROM compute.host_feeds f WHERE f.host_id = $1 AND f.epoch > $2)
        ORDER BY i.id FOR UPDATE OF i),
      known AS MATERIALIZED (
        SELECT m.uuid, m.instance_id AS id, b.state, answer.generation, b.observed, t.finished, answer.generation = m.other_generation AS answers, proof.gone,
          b.state IS DISTINCT FROM m.other_observed_state OR answer.generation IS DISTINCT FROM m.other_observed_generation AS news,
          coalesce(m.other_observed #>> '{reported,bootId}' = $7 AND (m.other_observed #>> '{reported,sequence}')::bigint > $8, false)
            OR coalesce(m.other_wanted = 'deleted' AND m.other_observed_state = 'absent' AND m.other_observed_generation = m.other_generation, false) AS overtaken
        FROM target t JOIN b ON b.id = t.id JOIN compute.migrations m ON m.instance_id = t.id AND m.other_host_id = $1,
          LATERAL (SELECT b.generation >= m.other_generation AND b.state = 'absent' AND m.other_wanted = 'deleted' AS gone) proof,
          LATERAL (SELECT CASE WHEN proof.gone THEN m.other_generation ELSE b.generation END AS generation) answer FOR UPDATE OF m),
      booked AS (
        UPDATE compute.migrations m SET other_observed_state = k.state, other_observed_generation = k.generation, other_observed = k.observed, version = m.version + 1
        FROM known k WHERE m.uuid = k.uuid AND k.answers AND k.news AND (k.gone OR NOT k.overtaken) AND NOT (k.gone AND k.finished)),
      over AS (
        UPDATE compute.migrations m SET other_host_id = NULL, other_sequence = NULL, other_wanted = NULL, other_generation = NULL, other_spec_generation = NULL,
          other_observed_state = NULL, other_observed_generation = NULL, other_observed = NULL, version = m.version + 1
        FROM known k WHERE m.uuid = k.uuid AND k.gone AND k.finished),
      shown AS (DELETE FROM compute.orphans o USING known k WHERE o.host_id = $1 AND o.domain_uuid = k.id AND k.gone),
      woken AS (
        UPDATE compute.instances i SET reconcile_at = now(), version = i.version + 1 FROM known k WHERE i.id = k.id AND k.gone AND k.news AND NOT k.finished RETURNING i.id)
      SELECT k.id, k.gone AS forget, EXISTS (SELECT 1 FROM woken WHERE woken.id = k.id) AS wake FROM known k
      UNION ALL SELECT NULL, false, false FROM compute.host_feeds f WHERE f.host_id = $1 AND f.epoch > $2`, [
      hostId, epoch, seen.map(({ id }) => id), seen.map(({ state }) => state), seen.map(({ generation }) => generation),
      seen.map(({ doing, error, built }) => JSON.stringify({ doing, error, built, ...(from.sequence !== undefined && { reported: { bootId: from.bootId, sequence: from.sequence } }) })),
      from.bootId, from.sequence ?? null,
    ]);
    const booked = new Map<string, { forget: boolean }>();
    for (const { id, forget, wake } of rows) {
      // Nothing was booked, so nothing may be forgotten: who forgets its proof is never asked for it again.
      if (id === null) throw stale('The host was fenced since it made this report; pull and report again.');
      if (wake) this.bell.ring(id);
      booked.set(id, { forget });
    }
    return booked;
  }
}
