/**
 * The devices of a claim that stands: its layout gets longer or shorter. Owns the order of locks (the host's row, then the claim, as
 * every claim) and the tombstones of attachments. Each call is one transaction; a crash leaves it done or not done, and a repeat finds it done.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { ClaimedDevice, Layout } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { devicesOfAttachment, withDevices, withoutAttachment } from '#libs/openstack';
import { codeOf } from '../database-error.js';
import { LIMITS } from '../limits.js';

/** The claim by which a server runs. */
export interface Held { hostId: string; layout: Layout | null; memoryMib: number; fenced: boolean }
export interface Attached { instanceId: string; hostId: string; attachment: string }

/** gone: the claim is not the one that is meant (any more). released: the attachment is over, and this question comes late. lost: somebody was faster. */
export type Extended = { is: 'there'; layout: Layout } | { is: 'gone' } | { is: 'released' } | { is: 'lost' };

const FIND = `
  SELECT c.host_id AS "hostId", c.layout, c.memory_mib AS "memoryMib", h.fenced_at IS NOT NULL AS fenced
  FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id WHERE c.instance_id = $1 AND c.purpose = 'run'`;
const RELEASED = 'SELECT FROM scheduler.released_attachments WHERE attachment = $1';

@Injectable()
export class AttachedDevicesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** undefined: no claim is held on this host. */
  async find({ instanceId, hostId }: Attached): Promise<Held | undefined> {
    const [held] = (await this.db.pool.query<Held>(FIND, [instanceId])).rows;
    return held?.hostId === hostId ? held : undefined;
  }

  async isReleased({ attachment }: Attached): Promise<boolean> { return (await this.db.pool.query(RELEASED, [attachment])).rowCount !== 0; }

  /** Only as long as the layout is the one that these devices were chosen for. What the database's triggers refuse is `lost`. */
  async extend(attached: Attached, before: Layout | null, devices: readonly ClaimedDevice[]): Promise<Extended> {
    try {
      return await this.db.transaction(async (client): Promise<Extended> => {
        const held = await this.#lock(client, attached.instanceId);
        if (held?.hostId !== attached.hostId || held.fenced) return { is: 'gone' };
        if ((await client.query(RELEASED, [attached.attachment])).rowCount !== 0) return { is: 'released' };
        if (held.layout !== null && devicesOfAttachment(held.layout, attached.attachment).length > 0) return { is: 'there', layout: held.layout };
        // Chosen by a reading of before they were its own.
        if (before?.devices?.some(({ deviceId }) => devices.some((device) => device.deviceId === deviceId)) === true) return { is: 'lost' };
        const layout = withDevices(before, devices);
        const { rowCount } = await client.query("UPDATE scheduler.claims SET layout = $3 WHERE instance_id = $1 AND purpose = 'run' AND layout IS NOT DISTINCT FROM $2::jsonb", [attached.instanceId, json(before), json(layout)]);
        return rowCount === 1 ? { is: 'there', layout } : { is: 'lost' };
      });
    } catch (error) {
      if (await this.#isContention(error)) return { is: 'lost' };
      throw error;
    }
  }

  /** undefined: no claim is held on this host. `freed`: this very call took devices out of it. */
  async release({ instanceId, hostId, attachment }: Attached): Promise<{ hostId: string; layout: Layout | null; freed: boolean } | undefined> {
    return this.db.transaction(async (client) => {
      const held = await this.#lock(client, instanceId);
      await client.query('INSERT INTO scheduler.released_attachments (attachment, instance_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [attachment, instanceId]);
      if (held?.hostId !== hostId) return undefined;
      const layout = withoutAttachment(held.layout, attachment);
      const freed = layout !== held.layout;
      if (freed) await client.query("UPDATE scheduler.claims SET layout = $2 WHERE instance_id = $1 AND purpose = 'run'", [instanceId, json(layout)]);
      return { hostId: held.hostId, layout, freed };
    });
  }

  /** Drops tombstones that no late message can meet any more. */
  async sweep(): Promise<number> {
    return (await this.db.pool.query(`
      DELETE FROM scheduler.released_attachments WHERE attachment IN (
        SELECT attachment FROM scheduler.released_attachments WHERE released_at < now() - make_interval(days => $1) LIMIT $2 FOR UPDATE SKIP LOCKED)`, [LIMITS.tombstoneDays, LIMITS.sweepBatch])).rowCount ?? 0;
  }

  async #lock(client: PoolClient, instanceId: string): Promise<Held | undefined> {
    await client.query(`
      SELECT FROM scheduler.host_capacity WHERE host_id IN (SELECT host_id FROM scheduler.claims WHERE instance_id = $1 AND purpose = 'run') FOR NO KEY UPDATE`, [instanceId]);
    return (await client.query<Held>(`${FIND} FOR UPDATE OF c`, [instanceId])).rows[0];
  }

  /** By the database's own list of what is lost to others. */
  async #isContention(error: unknown): Promise<boolean> {
    if (codeOf(error) !== '23514' && codeOf(error) !== '23505') return false;
    const { constraint } = error as { constraint?: string };
    return (await this.db.pool.query<{ is: boolean }>('SELECT scheduler.is_contention($1) AS is', [constraint ?? ''])).rows[0]?.is === true;
  }
}

const json = (layout: Layout | null): string | null => (layout === null ? null : JSON.stringify(layout));
