/**
 * A host's feed is shut by a fence and opened again. Owns the fence's columns in compute.host_feeds. Each is one
 * transaction that a repeat finds done; the scheduler's loop repeats it until it was answered.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { hostFenced, hostServers, OutputOf, readmitHost, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden, stale } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { HostDirectory } from './host-directory.js';
import { KNOWS_OF, lockServers } from './lock-servers.js';

type Nothing = Record<string, never>;

@Injectable()
export class FencedHosts {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly hosts: HostDirectory, @Inject(LOGGER) private readonly logger: Logger) {}

  /**
   * `epoch` is over. Told anew after it was heard again: it is gone again. The same telling once more changes nothing: a host that was
   * heard since is not gone. `stale`: that fence is over, too.
   */
  async fence({ hostId, epoch, telling }: ReceivedBy<typeof hostFenced>): Promise<Nothing> {
    const isNew = await this.db.transaction(async (client) => {
      await lockServers(client, hostId);
      // A word that was held up until its fence was over shuts no host: nobody would open it again.
      const { rows: [known] } = await client.query<{ over: boolean }>(
        'SELECT fenced_epoch > $2 OR (fenced_epoch = $2 AND fenced_at IS NULL) AS over FROM compute.host_feeds WHERE host_id = $1 FOR UPDATE', [hostId, epoch]);
      if (known?.over === true) throw stale(`The fence of epoch ${epoch} is over.`);
      const { rowCount } = await client.query(`
        INSERT INTO compute.host_feeds AS f (host_id, epoch, fenced_at, fenced_epoch, fenced_telling) VALUES ($1, $2 + 1, now(), $2, coalesce($3::integer, 1))
        ON CONFLICT (host_id) DO UPDATE SET epoch = greatest(f.epoch, $2 + 1), fenced_at = coalesce(f.fenced_at, now()), fenced_epoch = $2, fenced_telling = excluded.fenced_telling, returned_at = NULL
        WHERE f.fenced_at IS NULL OR f.fenced_epoch <> $2 OR CASE WHEN $3::integer IS NULL THEN f.returned_at IS NOT NULL ELSE f.fenced_telling < $3 END`, [hostId, epoch, telling ?? null]);
      // What waits for this host's proof need not wait any more.
      if (rowCount === 1) await client.query(`UPDATE compute.instances SET reconcile_at = now() WHERE id IN (${KNOWS_OF}) AND reconcile_at IS NOT NULL`, [hostId]);
      return rowCount === 1;
    });
    // One that is there after all pulls at once, and is known to be: it rests for up to a minute when nobody rings.
    if (isNew) this.hosts.hint(hostId);
    return {};
  }

  /** The fence of `epoch` is over: the host gets its feed again, and whoever held it for gone decides anew. */
  async readmit({ hostId, epoch }: ReceivedBy<typeof readmitHost>): Promise<Nothing> {
    await this.db.transaction(async (client) => {
      await lockServers(client, hostId);
      const { rowCount } = await client.query(
        'UPDATE compute.host_feeds SET fenced_at = NULL, returned_at = NULL WHERE host_id = $1 AND fenced_at IS NOT NULL AND fenced_epoch = $2', [hostId, epoch]);
      if (rowCount === 1) await client.query(`UPDATE compute.instances SET version = version + 1, reconcile_at = now() WHERE id IN (${KNOWS_OF}) AND deleted_at IS NULL`, [hostId]);
    });
    this.hosts.hint(hostId);
    return {};
  }

  /** A fenced host was heard: it proves nothing any more, and whoever is about to act on its being gone decides anew. */
  async returned(hostId: string): Promise<void> {
    const isNew = await this.db.transaction(async (client) => {
      await lockServers(client, hostId);
      const { rowCount } = await client.query('UPDATE compute.host_feeds SET returned_at = now() WHERE host_id = $1 AND fenced_at IS NOT NULL AND returned_at IS NULL', [hostId]);
      if (rowCount === 1) await client.query(`UPDATE compute.instances SET version = version + 1 WHERE id IN (${KNOWS_OF}) AND deleted_at IS NULL AND reconcile_at IS NOT NULL`, [hostId]);
      return rowCount === 1;
    });
    if (isNew) this.logger.warn({ hostId }, 'a fenced host was heard again: it only reports; nothing more leaves it without its own word');
  }

  async servers({ caller, hostId }: ReceivedBy<typeof hostServers>): Promise<OutputOf<typeof hostServers>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may look at hosts.');
    const query = async <T extends object>(text: string): Promise<T[]> => (await this.db.pool.query<T>(text, [hostId])).rows;
    const [servers, leftovers, orphans, feeds] = await Promise.all([
      query<{ id: string; name: string; intent: string; observed_state: string | null }>('SELECT id, name, intent, observed_state FROM compute.instances WHERE host_id = $1 AND deleted_at IS NULL ORDER BY name, id LIMIT 1000'),
      query<{ id: string; name: string; state: string | null }>(`
        SELECT instance_id AS id, desired ->> 'name' AS name, observed_state AS state FROM compute.departures WHERE host_id = $1
        UNION ALL SELECT m.instance_id, i.name, CASE WHEN f.fenced_at IS NULL THEN m.other_observed_state ELSE substring(o.name FROM '[(]([a-z]+) here[)]$') END
        FROM compute.migrations m JOIN compute.instances i ON i.id = m.instance_id JOIN compute.host_feeds f ON f.host_id = m.other_host_id
          LEFT JOIN compute.orphans o ON o.host_id = m.other_host_id AND o.domain_uuid = m.instance_id AND o.last_seen_at > f.fenced_at
        WHERE m.other_host_id = $1 AND m.finished_at IS NOT NULL
        ORDER BY 2, 1 LIMIT 1000`),
      query<{ id: string; name: string; at: Date }>("SELECT domain_uuid AS id, name, last_seen_at AS at FROM compute.orphans WHERE host_id = $1 AND last_seen_at > now() - interval '15 minutes' ORDER BY name LIMIT 1000"),
      query<{ returned_at: Date | null }>('SELECT returned_at FROM compute.host_feeds WHERE host_id = $1'),
    ]);
    return {
      servers: servers.map(({ id, name, intent, observed_state: observedState }) => ({ id: id as never, name, intent, observedState })),
      leftovers: leftovers.map(({ id, name, state }) => ({ id: id as never, name, observedState: state })),
      orphans: orphans.filter(({ id }) => !leftovers.some((left) => left.id === id)).map(({ id, name, at }) => ({ id, name, lastSeenAt: at.toISOString() })), returnedAt: feeds[0]?.returned_at?.toISOString() ?? null,
    };
  }
}
