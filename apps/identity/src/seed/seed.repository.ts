import { randomBytes } from 'node:crypto';
import type { Database, PoolClient } from '#libs/db';
import type { CatalogRows } from '../catalog/catalog.js';
import { seedLimits } from '../limits/limits-seed.repository.js';

/** Serializes seeding between processes that start together. */
const SEED_LOCK = 72_707_372;

const newId = (): string => randomBytes(16).toString('hex');

/** Statements that add what is missing and never change what is there. */
export class SeedRepository {
  private constructor(private readonly client: PoolClient) {}

  /** One transaction: a seeding that is cut off leaves nothing behind. */
  static run(db: Database, work: (seed: SeedRepository) => Promise<void>): Promise<void> {
    return db.transaction(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [SEED_LOCK]);
      // Passwords are hashed in it, which a machine that starts everything at once may take its time for.
      await client.query("SET LOCAL idle_in_transaction_session_timeout = '60s'");
      await work(new SeedRepository(client));
    });
  }

  /** What was seeded once is not seeded again, also when somebody deleted it since. */
  async once(what: string, work: () => Promise<void>): Promise<void> {
    const { rowCount } = await this.client.query('INSERT INTO identity.seeded (what) VALUES ($1) ON CONFLICT DO NOTHING', [what]);
    if (rowCount === 1) await work();
  }

  async domain(id: string, name: string, description: string): Promise<void> {
    await this.client.query('INSERT INTO identity.domains (id, name, description) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [id, name, description]);
  }

  /** @returns the role's id. Seeded roles cannot be changed or deleted. */
  async role(name: string): Promise<string> {
    const known = await this.idOf("SELECT id FROM identity.roles WHERE name = $1 AND domain_id IS NULL", [name]);
    return known ?? this.insert("INSERT INTO identity.roles (id, name, options) VALUES ($1, $2, '{\"immutable\": true}')", [name]);
  }

  async project(domainId: string, name: string, description: string): Promise<string> {
    const known = await this.idOf('SELECT id FROM identity.projects WHERE domain_id = $1 AND name = $2', [domainId, name]);
    return known ?? this.insert('INSERT INTO identity.projects (id, domain_id, parent_id, name, description) VALUES ($1, $2, $2, $3, $4)', [domainId, name, description]);
  }

  /** @param passwordHash asked for only when the user is new. */
  async user(domainId: string, name: string, passwordHash: () => Promise<string>): Promise<string> {
    const known = await this.idOf('SELECT id FROM identity.users WHERE domain_id = $1 AND name = $2', [domainId, name]);
    return known ?? this.insert('INSERT INTO identity.users (id, domain_id, name, password_hash) VALUES ($1, $2, $3, $4)', [domainId, name, await passwordHash()]);
  }

  async assign(userId: string, projectId: string, roleIds: string[]): Promise<void> {
    await this.client.query(
      'INSERT INTO identity.role_assignments (user_id, project_id, role_id) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING', [userId, projectId, roleIds]);
  }

  async assignSystem(userId: string, roleId: string): Promise<void> {
    await this.client.query('INSERT INTO identity.role_assignments (user_id, system, role_id) VALUES ($1, true, $2) ON CONFLICT DO NOTHING', [userId, roleId]);
  }

  async implies(priorId: string, impliedId: string): Promise<void> {
    await this.client.query('INSERT INTO identity.implied_roles (prior_role_id, implied_role_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [priorId, impliedId]);
  }

  /** Each a microsecond after the one before: in that order clients see them. */
  async catalog(region: string, { services, endpoints }: CatalogRows): Promise<void> {
    await this.client.query('INSERT INTO identity.regions (id) VALUES ($1) ON CONFLICT DO NOTHING', [region]);
    await this.client.query(
      `INSERT INTO identity.services (id, type, name, created_at) SELECT id, type, name, now() + place * interval '1 microsecond'
         FROM ROWS FROM (jsonb_to_recordset($1) AS (id text, type text, name text)) WITH ORDINALITY AS s(id, type, name, place) ON CONFLICT DO NOTHING`, [JSON.stringify(services)]);
    await this.client.query(
      `INSERT INTO identity.endpoints (id, service_id, region_id, interface, url, created_at) SELECT id, service, region, side, url, now() + place * interval '1 microsecond'
         FROM ROWS FROM (jsonb_to_recordset($1) AS (id text, "serviceId" text, "regionId" text, interface text, url text)) WITH ORDINALITY AS e(id, service, region, side, url, place) ON CONFLICT DO NOTHING`,
      [JSON.stringify(endpoints)]);
  }

  /** After the catalog: limits belong to its services. */
  async limits(): Promise<void> {
    await seedLimits(this.client, (await this.idOf("SELECT id FROM identity.projects WHERE domain_id = 'default' AND name = 'admin'", [])) ?? null);
  }

  private async idOf(sql: string, values: string[]): Promise<string | undefined> {
    return (await this.client.query<{ id: string }>(sql, values)).rows[0]?.id;
  }

  private async insert(sql: string, values: string[]): Promise<string> {
    const id = newId();
    await this.client.query(sql, [id, ...values]);
    return id;
  }
}
