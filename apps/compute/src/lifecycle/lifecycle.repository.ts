import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, HOT, type Database } from '#libs/db';
import type { ReconcileSource } from '#libs/reconcile';
import { DeparturesRepository } from '../hosts/departures.repository.js';
import { MigrationsRepository } from '../moves/migrations.repository.js';
import { ServerGroupsRepository } from '../server-groups/server-groups.repository.js';
import { LoopBell } from './loop-bell.js';

/**
 * What the instance loop works on: rows that are due, leased by columns on the database's clock. Leases that came with
 * a commit of this process are taken from memory, without another write.
 */
@Injectable()
export class LifecycleRepository implements ReconcileSource {
  constructor(
    @Inject(DATABASE) private readonly db: Database, private readonly bell: LoopBell,
    readonly departures: DeparturesRepository, readonly moves: MigrationsRepository, readonly groups: ServerGroupsRepository,
  ) {}

  async lease(limit: number, owner: string, leaseMs: number, only?: string[]): Promise<string[]> {
    const held = only === undefined ? [] : this.bell.takeHeld(only);
    const asked = only?.filter((id) => !held.includes(id));
    if (asked !== undefined && asked.length === 0) return held;
    // Two texts, for each has a plan of its own: by key (and by nothing else: much may be due), and by what is due longest.
    // A key that was woken is not being worked on here: a lease of our own that a failed pass left behind does not hold it back.
    const { rows } = await this.db.pool.query<{ id: string }>(`${HOT}
      UPDATE compute.instances SET lease_owner = $1, lease_until = now() + $2 * interval '1 millisecond'
      WHERE id IN (
        SELECT id FROM compute.instances
        WHERE ${asked === undefined ? 'reconcile_at <= now()' : 'id = ANY($4::uuid[]) AND (reconcile_at <= now()) IS TRUE'} AND (lease_until IS NULL OR lease_until < now()${asked === undefined ? '' : ' OR lease_owner = $1'})
        ORDER BY reconcile_at LIMIT $3 FOR UPDATE SKIP LOCKED)
      RETURNING id`, [owner, leaseMs, limit, ...(asked === undefined ? [] : [asked])]);
    return [...held, ...rows.map(({ id }) => id)];
  }

  /** At an orderly stop: others need not wait for the leases to end. */
  async releaseAll(owner: string): Promise<void> {
    await this.db.pool.query('UPDATE compute.instances SET lease_owner = NULL, lease_until = NULL WHERE reconcile_at IS NOT NULL AND lease_owner = $1', [owner]);
  }

  get reachable(): boolean { return this.db.reachable; }
}
