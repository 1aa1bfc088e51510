import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import { cutBounded, withinBytes, type Counted } from '../http/bounded-page.js';
import { ListSql } from '../http/list-sql.js';
import { pageSize, type Paged } from '../http/links.js';
import type { UsersQuery } from './users.schema.js';

/** What may be seen of a user: never anything of a password but when it ends. */
export interface UserRow {
  id: string; name: string; domainId: string; enabled: boolean; email: string | null; description: string | null;
  defaultProjectId: string | null; passwordExpiresAt: Date | null; options: Extra; extra: Extra;
}

/** What a change of a password needs to know. */
export interface UserSecret { passwordHash: string | null; passwordHistory: string[]; passwordChangedAt: Date; mustChangePassword: boolean }
export interface LockedUser extends UserRow, UserSecret { domainEnabled: boolean }

const VISIBLE = `u.id, u.name, u.domain_id AS "domainId", u.enabled, u.email, u.description, u.default_project_id AS "defaultProjectId",
  u.password_expires_at AS "passwordExpiresAt", u.options, u.extra`;
const SECRET = 'u.password_hash AS "passwordHash", u.password_history AS "passwordHistory", u.password_changed_at AS "passwordChangedAt", u.must_change_password AS "mustChangePassword"';
const WITH_SECRET = `SELECT ${VISIBLE}, ${SECRET}, d.enabled AS "domainEnabled" FROM identity.users u JOIN identity.domains d ON d.id = u.domain_id WHERE u.id = $1`;
const SORT = { id: 'u.id', name: 'u.name', domain_id: 'u.domain_id', enabled: 'u.enabled' };

export interface NewSecret { hash: string | null; expiresAt: Date | null; mustChange: boolean; history: string[] }

@Injectable()
export class UsersRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** @param only the domain whose users the caller may see; undefined: all. @param groupId of which group; undefined: of any and none. */
  async list(query: UsersQuery, only: string | undefined, groupId?: string): Promise<Paged<UserRow>> {
    const sql = new ListSql().equals('u.domain_id', only).text('u.name', query, 'name').equals('u.domain_id', query.domain_id).equals('u.enabled', query.enabled);
    if (groupId !== undefined) sql.and(`u.id IN (SELECT user_id FROM identity.group_members WHERE group_id = ${sql.value(groupId)})`);
    const expiry = query.password_expires_at;
    if (expiry !== undefined) sql.and(`u.password_expires_at ${expiry.operator} ${sql.value(expiry.at)}::timestamptz`);
    // These tell users apart who come from elsewhere, and there are none.
    if ([query.idp_id, query.protocol_id, query.unique_id].some((wanted) => wanted !== undefined)) sql.and('false');
    const end = sql.end(query, 'u', 'identity.users', SORT);
    const { rows } = await this.db.pool.query<UserRow & Counted>(withinBytes(`SELECT ${VISIBLE} FROM identity.users u ${end}`), sql.values);
    return cutBounded<UserRow>(rows, pageSize(query.limit));
  }

  async get(id: string): Promise<UserRow | null> {
    const { rows } = await this.db.pool.query<UserRow>({ name: 'identity-user', text: `SELECT ${VISIBLE} FROM identity.users u WHERE u.id = $1`, values: [id] });
    return rows[0] ?? null;
  }

  /** With what is known of the password. For operations only, never for a view. */
  async withSecret(id: string): Promise<LockedUser | null> {
    return (await this.db.pool.query<LockedUser>(WITH_SECRET, [id])).rows[0] ?? null;
  }

  /** The same, held until the transaction ends. */
  async lock(client: PoolClient, id: string): Promise<LockedUser | null> {
    return (await client.query<LockedUser>(`${WITH_SECRET} FOR NO KEY UPDATE OF u`, [id])).rows[0] ?? null;
  }

  async insert(client: PoolClient, user: UserRow, secret: NewSecret): Promise<void> {
    await client.query(
      `INSERT INTO identity.users (id, domain_id, name, enabled, email, description, default_project_id, options, extra, password_hash, password_expires_at, must_change_password, password_history)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
      [user.id, user.domainId, user.name, user.enabled, user.email, user.description, user.defaultProjectId, user.options, user.extra, secret.hash, secret.expiresAt, secret.mustChange, secret.history]);
  }

  async update(client: PoolClient, user: UserRow): Promise<void> {
    await client.query(
      `UPDATE identity.users SET name = $2, enabled = $3, email = $4, description = $5, default_project_id = $6, options = $7, extra = $8, generation = generation + 1 WHERE id = $1`,
      [user.id, user.name, user.enabled, user.email, user.description, user.defaultProjectId, user.options, user.extra]);
  }

  async setSecret(client: PoolClient, id: string, secret: NewSecret): Promise<void> {
    await client.query(
      `UPDATE identity.users SET password_hash = $2, password_expires_at = $3, must_change_password = $4, password_history = $5, password_changed_at = clock_timestamp(), generation = generation + 1 WHERE id = $1`,
      [id, secret.hash, secret.expiresAt, secret.mustChange, secret.history]);
  }

  /** With what is the user's. Application credentials first: the access rules that they use may not go before them. */
  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query('DELETE FROM identity.application_credentials WHERE user_id = $1', [id]);
    await client.query('DELETE FROM identity.users WHERE id = $1', [id]);
  }

  async isDomain(client: PoolClient, id: string): Promise<boolean> {
    return (await client.query('SELECT 1 FROM identity.domains WHERE id = $1', [id])).rows.length > 0;
  }
}
