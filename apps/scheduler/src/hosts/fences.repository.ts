import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { FenceView } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { LIMITS } from '../limits.js';
import { book, openOrShut, type By } from './hosts.repository.js';

export interface FenceRow {
  id: string; host_id: string; epoch: number; method: 'statement' | 'machine'; phase: 'power-off' | 'tell' | 'done' | 'readmit' | 'over' | 'failed';
  statement: string; proof: string | null; user_id: string; request_id: string | null; attempts: number; last_error: string | null; created_at: Date; done_at: Date | null;
  /** How often it was told anew, counted from 1. */
  told: number;
}

export const fenceView = (row: FenceRow): FenceView => ({
  id: row.id, hostId: row.host_id as FenceView['hostId'], epoch: row.epoch, method: row.method, phase: row.phase, statement: row.statement, proof: row.proof,
  userId: row.user_id, lastError: row.last_error, createdAt: row.created_at.toISOString(), doneAt: row.done_at?.toISOString() ?? null,
});

const OPEN = "phase NOT IN ('over', 'failed')";

/** scheduler.fences, and what a fence changes of its host, in the same transaction. */
@Injectable()
export class FencesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async open(hostId: string): Promise<FenceRow | undefined> {
    return (await this.db.pool.query<FenceRow>(`SELECT * FROM scheduler.fences WHERE host_id = $1 AND ${OPEN}`, [hostId])).rows[0];
  }

  /** The open fence, or the last one. */
  async latest(hostId: string): Promise<FenceRow | undefined> {
    return (await this.db.pool.query<FenceRow>(`SELECT * FROM scheduler.fences WHERE host_id = $1 ORDER BY ${OPEN} DESC, created_at DESC LIMIT 1`, [hostId])).rows[0];
  }

  /** Begins a fence: from this commit on the host takes nothing new. One is open already: that one. */
  async begin(hostId: string, by: By & { method: FenceRow['method']; statement: string }): Promise<FenceRow | undefined> {
    return this.db.transaction(async (client) => {
      const host = await client.query<{ epoch: number }>('SELECT epoch FROM scheduler.hosts WHERE id = $1 FOR NO KEY UPDATE', [hostId]);
      if (!host.rows[0]) return undefined;
      const known = await client.query<FenceRow>(`SELECT * FROM scheduler.fences WHERE host_id = $1 AND ${OPEN}`, [hostId]);
      if (known.rows[0]) return known.rows[0];
      const { rows } = await client.query<FenceRow>(
        'INSERT INTO scheduler.fences (id, host_id, epoch, method, phase, statement, user_id, request_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *',
        [randomUUID(), hostId, host.rows[0].epoch, by.method, by.method === 'machine' ? 'power-off' : 'tell', by.statement, by.userId, by.requestId]);
      await client.query('UPDATE scheduler.hosts SET fenced_at = now() WHERE id = $1', [hostId]);
      await openOrShut(client, hostId, this.db.incarnation);
      await book(client, { hostId, kind: 'fence', message: `by ${by.method}: ${by.statement}`, userId: by.userId, requestId: by.requestId, userName: by.userName, address: by.address });
      return rows[0];
    });
  }

  /** The host was heard again while it was fenced, and is off once more: the fence is told anew. */
  async again(fence: FenceRow, by: By & { statement: string }): Promise<void> {
    await this.db.transaction(async (client) => {
      const { rowCount } = await client.query("UPDATE scheduler.fences SET phase = 'tell', told = told + 1, attempts = 0, next_at = now() WHERE id = $1 AND phase = 'done'", [fence.id]);
      if (rowCount === 1) await book(client, { hostId: fence.host_id, kind: 'fence', message: `once more: ${by.statement}`, userId: by.userId, requestId: by.requestId, userName: by.userName, address: by.address });
    });
  }

  /** Asks for the host to be taken back. Answers the fence, undefined when none is open. */
  async askReadmission(hostId: string, by: By): Promise<FenceRow | undefined> {
    return this.db.transaction(async (client) => {
      await client.query('SELECT FROM scheduler.hosts WHERE id = $1 FOR NO KEY UPDATE', [hostId]);
      const { rows } = await client.query<FenceRow>(`UPDATE scheduler.fences SET phase = 'readmit', attempts = 0, last_error = NULL, next_at = now() WHERE host_id = $1 AND phase = 'done' RETURNING *`, [hostId]);
      if (rows[0]) await book(client, { hostId, kind: 'unfence', message: 'asked for', ...by });
      return rows[0] ?? (await client.query<FenceRow>(`SELECT * FROM scheduler.fences WHERE host_id = $1 AND ${OPEN}`, [hostId])).rows[0];
    });
  }

  /** Takes up fences that wait for their next step, for a while: who dies with one in hand is followed by another. */
  async take(limit: number): Promise<FenceRow[]> {
    const { rows } = await this.db.pool.query<FenceRow>(`
      UPDATE scheduler.fences SET attempts = attempts + 1, next_at = now() + $2 * interval '1 millisecond'
      WHERE id IN (SELECT id FROM scheduler.fences WHERE phase IN ('power-off', 'tell', 'readmit') AND next_at <= now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
      RETURNING *`, [limit, LIMITS.fenceStepMs]);
    return rows;
  }

  async postpone(fence: FenceRow, error: string): Promise<void> {
    await this.db.pool.query(`UPDATE scheduler.fences SET last_error = $2, next_at = now() + $3 * interval '1 millisecond' WHERE id = $1 AND phase = $4`, [fence.id, error, LIMITS.fenceAgainMs, fence.phase]);
  }

  /** The power is off: from here on the fence goes on to its end. */
  powerIsOff(fence: FenceRow, proof: string): Promise<void> {
    return this.#move(fence, 'tell', { proof }, async (client) => { await book(client, { hostId: fence.host_id, kind: 'power-off', message: proof }); });
  }

  /** Compute has shut the host's feed: the epoch is raised, the fence stands. */
  raised(fence: FenceRow): Promise<void> {
    return this.#move(fence, 'done', {}, async (client) => {
      await client.query('UPDATE scheduler.hosts SET epoch = greatest(epoch, $2) WHERE id = $1', [fence.host_id, fence.epoch + 1]);
      await book(client, { hostId: fence.host_id, kind: 'fenced', message: `epoch ${fence.epoch} is over; its servers may be rebuilt elsewhere or deleted`, userId: fence.user_id, requestId: fence.request_id ?? undefined });
    });
  }

  /** Compute feeds the host again. */
  readmitted(fence: FenceRow): Promise<void> {
    return this.#move(fence, 'over', {}, async (client) => {
      await this.#takeBack(client, fence.host_id);
      await book(client, { hostId: fence.host_id, kind: 'readmitted', message: `in epoch ${fence.epoch + 1}` });
    });
  }

  /** The power could not be cut: nothing was raised, the host is what it was. */
  failed(fence: FenceRow, error: string): Promise<void> {
    return this.#move(fence, 'failed', { error }, async (client) => {
      await this.#takeBack(client, fence.host_id);
      await book(client, { hostId: fence.host_id, kind: 'fence-failed', message: error, userId: fence.user_id, requestId: fence.request_id ?? undefined });
    });
  }

  async #takeBack(client: PoolClient, hostId: string): Promise<void> {
    await client.query('UPDATE scheduler.hosts SET fenced_at = NULL WHERE id = $1', [hostId]);
    await openOrShut(client, hostId, this.db.incarnation);
  }

  /** Nothing happens when another took the step already. Host first, then fence: everybody locks in this order. */
  async #move(fence: FenceRow, phase: FenceRow['phase'], said: { proof?: string; error?: string }, also: (client: PoolClient) => Promise<void>): Promise<void> {
    await this.db.transaction(async (client) => {
      await client.query('SELECT FROM scheduler.hosts WHERE id = $1 FOR NO KEY UPDATE', [fence.host_id]);
      const { rowCount } = await client.query(`
        UPDATE scheduler.fences SET phase = $2, attempts = 0, last_error = $4, next_at = now(), proof = coalesce($5, proof),
          done_at = CASE WHEN $2 = 'done' THEN now() ELSE done_at END, over_at = CASE WHEN $2 IN ('over', 'failed') THEN now() END
        WHERE id = $1 AND phase = $3`, [fence.id, phase, fence.phase, said.error ?? null, said.proof ?? null]);
      if (rowCount === 1) await also(client);
    });
  }
}
