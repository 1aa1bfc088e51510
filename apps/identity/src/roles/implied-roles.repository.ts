import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';

/** Whoever holds the prior role holds the implied one too. */
export interface ImplicationRow { priorId: string; priorName: string; impliedId: string; impliedName: string }

@Injectable()
export class ImpliedRolesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Of one prior role, or all; with `impliedId` at most one. */
  async list(priorId?: string, impliedId?: string): Promise<ImplicationRow[]> {
    const { rows } = await this.db.pool.query<ImplicationRow>(
      `SELECT p.id AS "priorId", p.name AS "priorName", r.id AS "impliedId", r.name AS "impliedName"
         FROM identity.implied_roles i JOIN identity.roles p ON p.id = i.prior_role_id JOIN identity.roles r ON r.id = i.implied_role_id
        WHERE ($1::text IS NULL OR p.id = $1) AND ($2::text IS NULL OR r.id = $2) ORDER BY p.name, p.id, r.name, r.id`, [priorId ?? null, impliedId ?? null]);
    return rows;
  }

  async insert(client: PoolClient, priorId: string, impliedId: string): Promise<void> {
    await client.query('INSERT INTO identity.implied_roles (prior_role_id, implied_role_id) VALUES ($1, $2)', [priorId, impliedId]);
  }

  /** @returns whether there was one. */
  async remove(client: PoolClient, priorId: string, impliedId: string): Promise<boolean> {
    return (await client.query('DELETE FROM identity.implied_roles WHERE prior_role_id = $1 AND implied_role_id = $2', [priorId, impliedId])).rowCount === 1;
  }
}
