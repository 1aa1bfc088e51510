import { Inject, Injectable } from '@nestjs/common';
import type { ConsoleKind, ConsoleLogin } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { LIMITS } from '../limits.js';

export interface NewTicket {
  hash: string; instanceId: string; projectId: string; userId: string; requestId: string; kind: ConsoleKind; hostId: string;
  ttlMs: number; sessionEndsAt: string; login: ConsoleLogin | undefined;
}

export interface UsedTicket { instance_id: string; project_id: string; host_id: string; kind: ConsoleKind; session_ends_at: Date }
/** `login`: null for tickets made without. */
export type RedeemedTicket = UsedTicket & { login: ConsoleLogin | null };

/** compute.console_tickets. Single use is one statement's doing. */
@Injectable()
export class ConsoleTicketsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** When it expires; undefined: this server has too many tickets that nobody used. The same digest again changes nothing. */
  async create(ticket: NewTicket): Promise<Date | undefined> {
    const { rows } = await this.db.pool.query<{ expires_at: Date }>(`
      WITH old AS (
        DELETE FROM compute.console_tickets WHERE ctid IN (
          SELECT ctid FROM compute.console_tickets WHERE created_at < now() - $9 * interval '1 millisecond' LIMIT $10)),
      made AS (
        INSERT INTO compute.console_tickets (ticket_hash, instance_id, project_id, user_id, request_id, kind, host_id, expires_at, session_ends_at, login)
        SELECT $1, $2, $3, $4, $5, $6, $7, least(now() + $8 * interval '1 millisecond', $11::timestamptz), $11::timestamptz, $13::jsonb
        WHERE (SELECT count(*) FROM compute.console_tickets WHERE instance_id = $2 AND used_at IS NULL AND expires_at > now()) < $12
        ON CONFLICT (ticket_hash) DO NOTHING RETURNING expires_at)
      SELECT expires_at FROM made UNION ALL SELECT expires_at FROM compute.console_tickets WHERE ticket_hash = $1`, [
      ticket.hash, ticket.instanceId, ticket.projectId, ticket.userId, ticket.requestId, ticket.kind, ticket.hostId, ticket.ttlMs,
      LIMITS.consoleTicketsKeptMs, LIMITS.consoleTicketsSwept, ticket.sessionEndsAt, LIMITS.consoleTicketsUnused, ticket.login ?? null,
    ]);
    return rows[0]?.expires_at;
  }

  /**
   * Uses it up for this session and puts that into the server's history; undefined: there is no such ticket (any more). The
   * ticket's row is locked, so of several at once one wins, and the others see it used.
   */
  async redeem(hash: string, sessionId: string, requestId: string, from: string): Promise<RedeemedTicket | undefined> {
    const { rows } = await this.db.pool.query<RedeemedTicket>(`
      WITH ticket AS (
        SELECT * FROM compute.console_tickets
        WHERE ticket_hash = $1 AND (session_id = $2 OR (used_at IS NULL AND expires_at > now() AND session_ends_at > now())) FOR UPDATE),
      fitting AS (
        SELECT ticket.* FROM ticket JOIN compute.instances i ON i.id = ticket.instance_id AND i.host_id = ticket.host_id AND i.intent <> 'deleted'),
      used AS (
        UPDATE compute.console_tickets t SET used_at = coalesce(t.used_at, now()), session_id = $2, used_from = $4
        FROM fitting WHERE t.ticket_hash = fitting.ticket_hash),
      told AS (
        INSERT INTO compute.instance_events (instance_id, project_id, kind, message, request_id, user_id, address)
        SELECT instance_id, project_id, 'console-open', kind || ' console opened from ' || $4, $3, user_id, left($4, 64) FROM fitting WHERE used_at IS NULL)
      SELECT instance_id, project_id, host_id, kind, session_ends_at, login FROM fitting`, [hash, sessionId, requestId, from]);
    return rows[0];
  }

  /** A redeemed session whose server is still where the ticket was good for. */
  async session(sessionId: string): Promise<UsedTicket | undefined> {
    const { rows } = await this.db.pool.query<UsedTicket>(`
      SELECT t.instance_id, t.project_id, t.host_id, t.kind, t.session_ends_at FROM compute.console_tickets t
      JOIN compute.instances i ON i.id = t.instance_id AND i.host_id = t.host_id AND i.intent <> 'deleted'
      WHERE t.session_id = $1 AND t.ended_at IS NULL AND t.session_ends_at > now()`, [sessionId]);
    return rows[0];
  }

  async end(sessionId: string, reason: string): Promise<void> {
    await this.db.pool.query(`
      WITH ended AS (
        UPDATE compute.console_tickets SET ended_at = now(), end_reason = $2 WHERE session_id = $1 AND ended_at IS NULL
        RETURNING instance_id, project_id, kind, user_id, request_id)
      INSERT INTO compute.instance_events (instance_id, project_id, kind, message, request_id, user_id)
      SELECT instance_id, project_id, 'console-close', kind || ' console closed: ' || $2, request_id, user_id FROM ended`, [sessionId, reason]);
  }
}
