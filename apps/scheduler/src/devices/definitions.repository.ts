import { Injectable } from '@nestjs/common';
import type { PoolClient } from '#libs/db';
import { book, type By } from '../hosts/hosts.repository.js';
import type { Change } from './decide/plan.js';
import { FENCED_SQL } from './decide/state.js';
import { LEFT_BEHIND } from './decide/stock.js';
import { VERSION } from './devices.repository.js';

/** scheduler.device_classes and device_pools, within the transaction of a change. */
@Injectable()
export class DefinitionsRepository {
  /** Changes one after the other: what one finds stays so until it ends. Aggregates too, whose metadata matches ask for. */
  async turn(client: PoolClient): Promise<void> {
    await client.query('SELECT FROM scheduler.aggregate_changes FOR SHARE');
    await client.query('UPDATE scheduler.device_changes SET version = version + 1');
  }

  /** Of definitions, as it was before this transaction took its turn. */
  async versionBefore(client: PoolClient): Promise<number> {
    return (await client.query<{ version: number }>(`SELECT ${VERSION} - 1 AS version`)).rows[0]!.version;
  }

  /** The turn is given back: nothing has changed. */
  async undo(client: PoolClient): Promise<false> {
    await client.query('UPDATE scheduler.device_changes SET version = version - 1');
    return false;
  }

  async hostsOf(client: PoolClient, poolId: string): Promise<string[]> {
    return (await client.query<{ host_id: string }>('SELECT DISTINCT host_id FROM scheduler.devices WHERE pool_id = $1', [poolId])).rows.map(({ host_id: id }) => id);
  }

  /** Does anybody hold one of these, or one of this pool? What an evacuation left behind on a fenced host is given up. */
  async anyHeld(client: PoolClient, deviceIds: readonly string[], poolId: string | null): Promise<boolean> {
    const held = `SELECT FROM scheduler.device_claims c JOIN scheduler.devices d ON d.id = c.device_id WHERE NOT (starts_with(c.purpose, $3) AND ${FENCED_SQL})`;
    // Apart: each by an index of its own, for everybody waits for the answer.
    const { rows } = await client.query<{ held: boolean }>(`SELECT EXISTS (${held} AND d.id = ANY ($1::uuid[])) OR EXISTS (${held} AND d.pool_id = $2) AS held`, [deviceIds, poolId, LEFT_BEHIND]);
    return rows[0]!.held;
  }

  /** Nobody gets them from now on; where they belong then is the placer's to say. */
  async takeOut(client: PoolClient, leaving: readonly string[], withheld: readonly string[]): Promise<void> {
    if (leaving.length > 0) await client.query('UPDATE scheduler.devices SET pool_id = NULL WHERE id = ANY ($1::uuid[]) AND pool_id IS NOT NULL', [leaving]);
    if (withheld.length > 0) {
      await client.query(`UPDATE scheduler.devices SET pool_role = 'withheld', pool_note = 'Its pool or class was changed, and it is not placed anew yet.' WHERE id = ANY ($1::uuid[]) AND pool_id IS NOT NULL AND pool_role = 'offered'`, [withheld]);
    }
  }

  async write(client: PoolClient, change: Change, by: By): Promise<void> {
    const { before, after } = 'pool' in change ? change.pool : change.class;
    if ('pool' in change) await writePool(client, change.pool);
    else await writeClass(client, change.class);
    const did = after === null ? 'deleted' : before === null ? 'created' : 'updated';
    await book(client, { hostId: null, kind: `device-${'pool' in change ? 'pool' : 'class'}-${did}`, message: JSON.stringify(after ?? { name: before?.name }).slice(0, 1_000), ...by });
  }
}

async function writePool(client: PoolClient, { before, after }: Extract<Change, { pool: unknown }>['pool']): Promise<void> {
  if (after === null) {
    await client.query('DELETE FROM scheduler.device_pools WHERE id = $1', [before?.id]);
    return;
  }
  await client.query(`
    INSERT INTO scheduler.device_pools AS p (id, name, class_name, mode, match, vf_count, driver, policy, physical_network, group_together) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, match = excluded.match, vf_count = excluded.vf_count, driver = excluded.driver, policy = excluded.policy,
      physical_network = excluded.physical_network, group_together = excluded.group_together, updated_at = now()`,
  [after.id, after.name, after.className, after.mode, JSON.stringify(after.match), after.vfCount, after.driver, JSON.stringify(after.policy), after.physicalNetwork, after.groupTogether]);
}

async function writeClass(client: PoolClient, { before, after }: Extract<Change, { class: unknown }>['class']): Promise<void> {
  if (after === null) {
    await client.query('DELETE FROM scheduler.device_classes WHERE name = $1', [before?.name]);
    return;
  }
  await client.query(`
    INSERT INTO scheduler.device_classes AS c (name, description, match, numa_policy, attach, sanitizer) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (name) DO UPDATE SET description = excluded.description, match = excluded.match, numa_policy = excluded.numa_policy, attach = excluded.attach, sanitizer = excluded.sanitizer, updated_at = now()`,
  [after.name, after.description, JSON.stringify(after.match), after.numaPolicy, after.attach, after.sanitizer]);
}
