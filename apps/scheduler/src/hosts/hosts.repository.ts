import { Inject, Injectable } from '@nestjs/common';
import type { Caller, HostInventory } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Limits, Ratios } from '../decide/capacity.js';
import { setLimits } from './host-limits.repository.js';

/** A host's three rows as one. */
export interface HostRecord {
  id: string; number: number; name: string; availability_zone: string; only_when_asked: boolean; simulated: boolean;
  enabled: boolean; disabled_reason: string | null; epoch: number; boot_id: string | null; agent_version: string | null;
  capabilities: string[]; inventory: HostInventory | null;
  used_vcpus: number; used_memory_mib: number; used_disk_gib: number; used_instances: number;
  cpu_ratio: number; ram_ratio: number; disk_ratio: number; last_seen_at: Date | null; updated_at: Date;
  fenced_at: Date | null; adopted_incarnation: number; knows: Knows | null; restart: 'alone' | 'leased';
}

/** What the host has on disk of the control plane's words. */
export interface Knows { incarnation: number; epoch: number; upTo: number }

export interface Session {
  epoch: number; simulated: boolean; bootId: string | null; inventoryGeneration: number; incomplete: boolean; generation: number; ratios: Ratios; knows: Knows | null;
  /** Since the stored beat, by the database's clock; null: never. A session that begins is stored as heard. */
  storedSilentMs: number | null;
}

export interface SessionReport {
  bootId: string; protocol: number; agentVersion: string; capabilities: string[]; inventory: HostInventory;
  limits: Limits; knows: Knows | null;
}

/** Who asked: a caller, or as much of one. With a user it is in the audit trail too (by a trigger). */
export interface By { requestId: string; userId: string; userName?: string | undefined; address?: string | undefined }
export const byOf = ({ requestId, userId, userName, address }: Caller): By => ({ requestId, userId, userName, address });
export interface HostEvent extends Partial<{ [K in keyof By]: By[K] | undefined }> { hostId: string | null; kind: string; message: string }

const SELECT_HOST = `SELECT h.id, h.number, h.name, h.availability_zone, h.only_when_asked, h.simulated, h.open AS enabled, h.disabled_reason, h.epoch, h.boot_id,
    h.agent_version, h.capabilities, h.inventory, c.used_vcpus, c.used_memory_mib, c.used_disk_gib, c.used_instances,
    h.cpu_ratio, h.ram_ratio, h.disk_ratio, b.last_seen_at, h.updated_at, h.fenced_at, h.adopted_incarnation, h.knows,
    CASE WHEN h.restart <> 'auto' THEN h.restart WHEN EXISTS (SELECT FROM scheduler.hosts o WHERE o.id <> h.id AND o.simulated = h.simulated) THEN 'leased' ELSE 'alone' END AS restart
  FROM scheduler.hosts h JOIN scheduler.host_capacity c ON c.host_id = h.id LEFT JOIN scheduler.host_beats b ON b.host_id = h.id`;

const SELECT_SESSION = `SELECT h.epoch, h.simulated, h.boot_id AS "bootId", h.inventory_generation::float8 AS "inventoryGeneration", NOT coalesce(h.inventory ? 'dedicatedCpus', false) AS incomplete, h.generation::float8 AS generation, h.knows,
    json_build_object('cpu', h.cpu_ratio, 'ram', h.ram_ratio, 'disk', h.disk_ratio) AS ratios,
    (extract(epoch FROM clock_timestamp() - b.last_seen_at) * 1000)::float8 AS "storedSilentMs"
  FROM scheduler.hosts h LEFT JOIN scheduler.host_beats b ON b.host_id = h.id WHERE h.id = $1`;

/** Hosts: who they are, what they have, and what happened to them. */
@Injectable()
export class HostsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(filter: { id?: string | undefined; name?: string | undefined; adoptedBefore?: number | undefined; limit?: number | undefined } = {}): Promise<HostRecord[]> {
    const { rows } = await this.db.pool.query<HostRecord>(
      `${SELECT_HOST} WHERE ($1::uuid IS NULL OR h.id = $1) AND ($2::text IS NULL OR h.name = $2) AND ($3::integer IS NULL OR (h.adopted_incarnation < $3 AND h.fenced_at IS NULL)) ORDER BY h.number LIMIT $4`,
      [filter.id ?? null, filter.name ?? null, filter.adoptedBefore ?? null, filter.limit ?? null],
    );
    return rows;
  }

  /** What is known of the host's session; null: no such host. */
  async session(hostId: string): Promise<Session | null> {
    const { rows } = await this.db.pool.query<Session>({ name: 'scheduler-session', text: SELECT_SESSION, values: [hostId] });
    return rows[0] ?? null;
  }

  /**
   * Stores a session's report when `admit`, asked while the host's row is held, says so. Answers the host's epoch and
   * the generation of its row.
   */
  async storeReport(hostId: string, admit: (session: Session) => SessionReport | null): Promise<{ epoch: number; generation: number; stored: boolean; began: boolean } | null> {
    return this.db.transaction(async (client) => {
      // The lock first and alone: what is read after it is what the previous holder left.
      await client.query('SELECT FROM scheduler.hosts WHERE id = $1 FOR NO KEY UPDATE', [hostId]);
      const found = await client.query<Session>(SELECT_SESSION, [hostId]);
      const session = found.rows[0];
      if (!session) return null;
      const report = admit(session);
      if (!report) return { epoch: session.epoch, generation: session.generation, stored: false, began: false };
      const began = session.bootId !== report.bootId;
      const updated = await client.query<{ generation: number }>(
        `UPDATE scheduler.hosts SET boot_id = $2, protocol = $3, agent_version = $4, capabilities = $5, inventory = $6, inventory_generation = $7, knows = $8, dedicated_cpus = $9
         WHERE id = $1 RETURNING generation::float8 AS generation`,
        [hostId, report.bootId, report.protocol, report.agentVersion, report.capabilities, JSON.stringify(report.inventory), report.inventory.generation, report.knows && JSON.stringify(report.knows), report.limits.dedicatedCpus],
      );
      await setLimits(client, hostId, report.limits);
      if (began) {
        await client.query('UPDATE scheduler.host_beats SET hypervisor_up = true, last_seen_at = clock_timestamp() WHERE host_id = $1', [hostId]);
        await book(client, { hostId, kind: 'session-began', message: `boot ${report.bootId}, agent ${report.agentVersion}, protocol ${report.protocol}` });
      }
      return { epoch: session.epoch, generation: updated.rows[0]!.generation, stored: true, began };
    });
  }

  /** Newest first. */
  async events(hostId: string, limit: number): Promise<{ at: string; kind: string; message: string; userId: string | null; requestId: string | null }[]> {
    const { rows } = await this.db.pool.query<{ at: Date; kind: string; message: string; user_id: string | null; request_id: string | null }>(
      'SELECT at, kind, message, user_id, request_id FROM scheduler.host_events WHERE host_id = $1 ORDER BY at DESC, id DESC LIMIT $2', [hostId, limit]);
    return rows.map(({ at, kind, message, user_id: userId, request_id: requestId }) => ({ at: at.toISOString(), kind, message, userId, requestId }));
  }

  async quarantinedDevices(hostId: string): Promise<number> {
    return (await this.db.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM scheduler.devices WHERE host_id = $1 AND quarantine_generation IS NOT NULL', [hostId])).rows[0]!.count;
  }

  async setRestart(hostId: string, restart: string, by: By): Promise<HostRecord | null> {
    return this.db.transaction(async (client) => {
      const known = await client.query('UPDATE scheduler.hosts SET restart = $2 WHERE id = $1', [hostId, restart]);
      if (known.rowCount === 0) return null;
      await book(client, { hostId, kind: 'restart-set', message: restart, ...by });
      return (await client.query<HostRecord>(`${SELECT_HOST} WHERE h.id = $1`, [hostId])).rows[0] ?? null;
    });
  }

  /** Opens or closes a host to new claims; what it runs stays. Answers null when there is no such host. */
  async setEnabled(hostId: string, enabled: boolean, reason: string | null, by: By): Promise<HostRecord | null> {
    return this.db.transaction(async (client) => {
      const known = await client.query('UPDATE scheduler.hosts SET disabled_reason = $2, open = $3 WHERE id = $1', [hostId, enabled ? null : reason, enabled]);
      if (known.rowCount === 0) return null;
      await openOrShut(client, hostId, this.db.incarnation);
      await book(client, { hostId, kind: enabled ? 'enabled' : 'disabled', message: (enabled ? null : reason) ?? '', ...by });
      const { rows } = await client.query<HostRecord>(`${SELECT_HOST} WHERE h.id = $1`, [hostId]);
      return rows[0] ?? null;
    });
  }
}

/** Placement takes a host that its operator opened, and that is neither fenced nor waiting to be adopted. */
export async function openOrShut(client: PoolClient, hostId: string, incarnation: number): Promise<void> {
  await client.query(
    `UPDATE scheduler.host_capacity c SET enabled = h.open AND h.fenced_at IS NULL AND h.adopted_incarnation = $2
     FROM scheduler.hosts h WHERE h.id = $1 AND c.host_id = h.id AND c.enabled <> (h.open AND h.fenced_at IS NULL AND h.adopted_incarnation = $2)`, [hostId, incarnation]);
}

/** Books what happened in the transaction in which it happens. */
export async function book(client: PoolClient, event: HostEvent): Promise<void> {
  await client.query('INSERT INTO scheduler.host_events (host_id, kind, message, request_id, user_id, user_name, address) VALUES ($1, $2, $3, $4, $5, $6, $7)', [
    event.hostId, event.kind, event.message, event.requestId ?? null, event.userId ?? null, event.userName ?? null, event.address ?? null,
  ]);
}
