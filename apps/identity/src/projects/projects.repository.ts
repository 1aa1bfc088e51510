import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import type { Extra } from '../http/body.js';
import { cutBounded, withinBytes, type Counted } from '../http/bounded-page.js';
import { ListSql } from '../http/list-sql.js';
import { pageSize, type Paged } from '../http/links.js';
import { LIMITS } from '../limits.js';
import { PROJECT_IDS_OF_USER } from '../role-assignments/user-scopes.repository.js';
import type { Ancestor, TreeNode } from './decide/project-tree.js';
import type { ProjectsQuery } from './projects.schema.js';

/** A project, or a domain that is looked at as one (`isDomain`: then without a domain and a parent). */
export interface ProjectRow {
  id: string; name: string; domainId: string | null; description: string; enabled: boolean; parentId: string | null; isDomain: boolean; tags: string[]; options: Extra; extra: Extra;
}
export type OwnProjectRow = ProjectRow & { domainId: string; parentId: string };

const COLUMNS = 'p.id, p.name, p.domain_id AS "domainId", p.description, p.enabled, p.parent_id AS "parentId", p.is_domain AS "isDomain", p.tags, p.options, p.extra';
/** Domains in the form of projects. */
const DOMAINS = `(SELECT id, name, NULL::text AS domain_id, description, enabled, NULL::text AS parent_id, true AS is_domain, tags, options, '{}'::jsonb AS extra FROM identity.domains)`;
/** Deeper than any tree may grow: a circle, which nobody can make, would end here. */
const DEEPEST = LIMITS.projectDepth * 4;
const SORT = { id: 'p.id', name: 'p.name', enabled: 'p.enabled' };

@Injectable()
export class ProjectsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** @param only the domain whose projects the caller may see; undefined: all. */
  list(query: ProjectsQuery, only: string | undefined): Promise<Paged<ProjectRow>> {
    return this.page(filtered(new ListSql(), query).equals('p.domain_id', only), query, query.is_domain === true ? DOMAINS : 'identity.projects');
  }

  /** Enabled projects for which the user could have a token. @param only the domain whose projects the caller may see; undefined: all. */
  listOfUser(userId: string, query: ProjectsQuery, only?: string): Promise<Paged<ProjectRow>> {
    const sql = new ListSql();
    sql.value(userId);
    filtered(sql, query).equals('p.domain_id', only).and(`p.id IN (${PROJECT_IDS_OF_USER})`).and('p.enabled').and('EXISTS (SELECT 1 FROM identity.domains d WHERE d.id = p.domain_id AND d.enabled)');
    return this.page(sql, query, 'identity.projects');
  }

  private async page(sql: ListSql, query: ProjectsQuery, table: string): Promise<Paged<ProjectRow>> {
    const { rows } = await this.db.pool.query<ProjectRow & Counted>(withinBytes(`SELECT ${COLUMNS} FROM ${table} p ${sql.end(query, 'p', table, SORT)}`), sql.values);
    return cutBounded<ProjectRow>(rows, pageSize(query.limit));
  }

  async get(id: string): Promise<ProjectRow | null> {
    const { rows } = await this.db.pool.query<ProjectRow>({
      name: 'identity-project',
      text: `SELECT ${COLUMNS} FROM identity.projects p WHERE p.id = $1 UNION ALL SELECT ${COLUMNS} FROM ${DOMAINS} p WHERE p.id = $1`, values: [id],
    });
    return rows[0] ?? null;
  }

  /** The project itself, no domain, held until the transaction ends. Its domain must be held before. */
  async lock(client: PoolClient, id: string): Promise<OwnProjectRow | null> {
    const { rows } = await client.query<OwnProjectRow>(`SELECT ${COLUMNS} FROM identity.projects p WHERE p.id = $1 FOR NO KEY UPDATE`, [id]);
    return rows[0] ?? null;
  }

  async domainOf(id: string): Promise<string | undefined> {
    return (await this.db.pool.query<{ domain_id: string }>({ name: 'identity-project-domain', text: 'SELECT domain_id FROM identity.projects WHERE id = $1', values: [id] })).rows[0]?.domain_id;
  }

  /** The project and those above it, from itself upwards, without the domain; empty: no such project. */
  async andAbove(by: PoolClient | Database['pool'], id: string): Promise<Ancestor[]> {
    const { rows } = await by.query<Ancestor>(
      `WITH RECURSIVE up AS (
         SELECT id, domain_id, enabled, parent_id, 0 AS steps FROM identity.projects WHERE id = $1
         UNION ALL SELECT p.id, p.domain_id, p.enabled, p.parent_id, up.steps + 1 FROM up JOIN identity.projects p ON p.id = up.parent_id AND p.domain_id = up.domain_id WHERE up.steps < ${DEEPEST})
       SELECT id, domain_id AS "domainId", enabled FROM up ORDER BY steps`, [id]);
    return rows;
  }

  /** Every project below one (or below a domain), whoever may see it. */
  async below(by: PoolClient | Database['pool'], id: string): Promise<(TreeNode & { enabled: boolean })[]> {
    const { rows } = await by.query<TreeNode & { enabled: boolean }>(
      `WITH RECURSIVE down AS (
         SELECT id, domain_id, parent_id, enabled, 1 AS steps FROM identity.projects
          WHERE parent_id = $1 AND domain_id = coalesce((SELECT domain_id FROM identity.projects WHERE id = $1), $1)
         UNION ALL SELECT p.id, p.domain_id, p.parent_id, p.enabled, down.steps + 1 FROM down JOIN identity.projects p ON p.parent_id = down.id AND p.domain_id = down.domain_id WHERE down.steps < ${DEEPEST})
       SELECT id, parent_id AS "parentId", enabled FROM down ORDER BY steps, id`, [id]);
    return rows;
  }

  /** Of these, the ones for which the user could have a token, in the order given. */
  async ofUserAmong(userId: string, ids: readonly string[]): Promise<ProjectRow[]> {
    const { rows } = await this.db.pool.query<ProjectRow>(
      `SELECT ${COLUMNS} FROM identity.projects p WHERE p.id = ANY($2) AND p.id IN (${PROJECT_IDS_OF_USER}) ORDER BY array_position($2::text[], p.id)`, [userId, ids]);
    return rows;
  }

  /** No project has a domain's id: each stands for itself in the tree. */
  async isDomain(client: PoolClient, id: string): Promise<boolean> {
    return (await client.query('SELECT 1 FROM identity.domains WHERE id = $1', [id])).rows.length > 0;
  }

  async insert(client: PoolClient, row: OwnProjectRow): Promise<void> {
    await client.query(
      'INSERT INTO identity.projects (id, domain_id, parent_id, name, description, enabled, tags, options, extra) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      [row.id, row.domainId, row.parentId, row.name, row.description, row.enabled, row.tags, row.options, row.extra]);
  }

  async update(client: PoolClient, row: OwnProjectRow): Promise<void> {
    await client.query(
      'UPDATE identity.projects SET name = $2, description = $3, enabled = $4, tags = $5, options = $6, extra = $7, generation = generation + 1 WHERE id = $1',
      [row.id, row.name, row.description, row.enabled, row.tags, row.options, row.extra]);
  }

  /** With what is the project's; assignments, limits and application credentials go by themselves. */
  async remove(client: PoolClient, id: string): Promise<void> {
    await client.query('DELETE FROM identity.credentials WHERE project_id = $1', [id]);
    await client.query('UPDATE identity.users SET default_project_id = NULL WHERE default_project_id = $1', [id]);
    await client.query('DELETE FROM identity.projects WHERE id = $1', [id]);
  }
}

function filtered(sql: ListSql, query: ProjectsQuery): ListSql {
  sql.text('p.name', query, 'name').equals('p.domain_id', query.domain_id).equals('p.parent_id', query.parent_id).equals('p.enabled', query.enabled);
  const tags = (wanted: string[] | undefined, operator: '@>' | '&&', not = ''): void => {
    if (wanted !== undefined) sql.and(`${not} p.tags ${operator} ${sql.value(wanted)}::text[]`);
  };
  tags(query.tags, '@>');
  tags(query['tags-any'], '&&');
  tags(query['not-tags'], '@>', 'NOT');
  tags(query['not-tags-any'], '&&', 'NOT');
  return sql;
}
