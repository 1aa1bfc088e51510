import type { PoolClient } from '#libs/db';

/** Servers of this host ($1), and those that are elsewhere and left something on it. */
export const KNOWS_OF = 'SELECT id FROM compute.instances WHERE host_id = $1 UNION SELECT instance_id FROM compute.migrations WHERE other_host_id = $1';

/** Instances first, in one order, then the feed: as everybody locks them. `more`: ids beside those that the host knows of. */
export async function lockServers(client: PoolClient, hostId: string, more: readonly string[] = []): Promise<void> {
  await client.query(`SELECT FROM compute.instances WHERE id IN (${KNOWS_OF} UNION SELECT unnest($2::uuid[])) AND deleted_at IS NULL ORDER BY id FOR UPDATE`, [hostId, more]);
}
