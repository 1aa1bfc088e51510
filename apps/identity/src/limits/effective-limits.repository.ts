import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller, ResourceLimits } from '#libs/contracts';
import { DATABASE, HOT, type Database, type PoolClient } from '#libs/db';
import { badRequest, notFound } from '#libs/errors';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { builtIn, RESOURCES } from './resources.js';

export interface EffectiveLimits { limits: ResourceLimits; generation: number; incarnation: number; known: boolean }

/**
 * The registered limits that count for a service ($1 its type, $2 this cloud's region): of the region before those of none, of
 * the service registered first before its namesakes.
 */
const COUNTING = `
  SELECT DISTINCT ON (r.resource_name) r.id, r.resource_name, r.default_limit
  FROM identity.registered_limits r JOIN identity.services s ON s.id = r.service_id
  WHERE s.type = $1 AND (r.region_id IS NULL OR r.region_id = $2)
  ORDER BY r.resource_name, r.region_id NULLS LAST, s.created_at, s.id`;

/** A project's limits as they count: its own, or what is registered, or what is built in. One statement, one moment. */
const EFFECTIVE = `${HOT}
  SELECT g.generation, EXISTS (SELECT 1 FROM identity.projects WHERE id = $3) AS known,
    (SELECT coalesce(jsonb_object_agg(c.resource_name, coalesce(l.resource_limit, c.default_limit)), '{}')
     FROM (${COUNTING}) c LEFT JOIN identity.limits l ON l.registered_limit_id = c.id AND l.project_id = $3) AS limits
  FROM identity.limits_generation g`;

/** What services count by, and the classic quota APIs change. */
@Injectable()
export class EffectiveLimitsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig) {}

  /** @param projectId null: what a project has that was given nothing of its own. */
  async of(projectId: string | null, service: string): Promise<EffectiveLimits> {
    const { rows: [row] } = await this.db.pool.query<{ generation: string; known: boolean; limits: ResourceLimits }>(EFFECTIVE, [service, this.config.region, projectId]);
    return { limits: { ...builtIn(service), ...row?.limits }, generation: Number(row?.generation ?? 0), incarnation: this.db.incarnation, known: row?.known ?? false };
  }

  /** @throws SkyError not-found without such a project. */
  async set(caller: Caller, projectId: string, service: string, limits: ResourceLimits): Promise<void> {
    await this.db.transaction(async (client) => {
      await lockLimits(client);
      const { rowCount } = await client.query('SELECT 1 FROM identity.projects WHERE id = $1 FOR KEY SHARE', [projectId]);
      if (rowCount !== 1) throw notFound(`Could not find project: ${projectId}.`);
      for (const [name, value] of Object.entries(limits)) {
        await client.query(
          `INSERT INTO identity.limits (id, project_id, registered_limit_id, resource_limit) VALUES ($1, $2, $3, $4)
           ON CONFLICT (project_id, domain_id, registered_limit_id) DO UPDATE SET resource_limit = excluded.resource_limit`,
          [newId(), projectId, await this.#registered(client, service, name), value]);
      }
      await audit(client, caller, { service: 'identity', action: 'limits:update', target: { kind: 'project', id: projectId }, detail: { limits: { service, ...limits } } });
    });
  }

  /** Without such a project there is nothing to take away, which is what was asked for. */
  async reset(caller: Caller, projectId: string, service: string): Promise<void> {
    await this.db.transaction(async (client) => {
      await lockLimits(client);
      const { rowCount } = await client.query(
        `DELETE FROM identity.limits l USING identity.registered_limits r, identity.services s
         WHERE l.project_id = $1 AND r.id = l.registered_limit_id AND s.id = r.service_id AND s.type = $2`, [projectId, service]);
      if ((rowCount ?? 0) > 0) await audit(client, caller, { service: 'identity', action: 'limits:delete', target: { kind: 'project', id: projectId }, detail: { service, limits: rowCount } });
    });
  }

  async setDefaults(caller: Caller, service: string, limits: ResourceLimits): Promise<void> {
    await this.db.transaction(async (client) => {
      await lockLimits(client);
      for (const [name, value] of Object.entries(limits)) {
        await client.query('UPDATE identity.registered_limits SET default_limit = $2 WHERE id = $1', [await this.#registered(client, service, name), value]);
      }
      await audit(client, caller, { service: 'identity', action: 'registered-limits:update', target: { kind: 'service', id: service }, detail: { limits } });
    });
  }

  /** The registered limit that counts; what somebody deleted, and is built in, is registered again. */
  async #registered(client: PoolClient, service: string, name: string): Promise<string> {
    const { rows } = await client.query<{ id: string; resource_name: string }>(COUNTING, [service, this.config.region]);
    const there = rows.find((row) => row.resource_name === name);
    if (there !== undefined) return there.id;
    const known = RESOURCES[service]?.find((resource) => resource.name === name);
    if (known === undefined) throw badRequest(`There is no limit registered for ${name} of the ${service} service.`);
    const { rows: [made] } = await client.query<{ id: string }>(
      `INSERT INTO identity.registered_limits (id, service_id, resource_name, default_limit, description)
       SELECT $1, s.id, $3, $4, $5 FROM identity.services s WHERE s.type = $2 ORDER BY s.created_at, s.id LIMIT 1 RETURNING id`,
      [newId(), service, name, known.byDefault, known.description]);
    if (made === undefined) throw badRequest(`The catalog has no service of type ${service}: limits belong to one.`);
    return made.id;
  }
}

export const newId = (): string => randomBytes(16).toString('hex');

/** Every change of limits goes through here first: one after another, each a generation of its own. */
export async function lockLimits(client: PoolClient): Promise<void> {
  await client.query('UPDATE identity.limits_generation SET generation = generation + 1');
}
