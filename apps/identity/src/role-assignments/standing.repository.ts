import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { effectiveRoles, type GivenRole, type Holder, type KnownRole, type RoleFacts, type RoleScope } from '../decide/effective-roles.js';

/** By id, or by name within a domain that is known by id or name. */
export interface ScopeRef { id?: string | undefined; name?: string | undefined; domain?: { id?: string | undefined; name?: string | undefined } | undefined }

interface Named { id: string; name: string }
/** A scope as a user stands to it; `roles` are the effective ones, sorted by name. */
export interface OnProject extends Named { enabled: boolean; domain: Named; domainEnabled: boolean; roles: Named[] }
export interface OnDomain extends Named { enabled: boolean; roles: Named[] }

interface FactsRow { given: GivenRole[]; roles: KnownRole[]; implications: RoleFacts['implications']; groups: string[] }
interface ProjectFacts extends FactsRow { id: string; name: string; enabled: boolean; domain_id: string; domain_name: string; domain_enabled: boolean; above: string[] }
interface DomainFacts extends FactsRow { id: string; name: string; enabled: boolean }

/** Deeper than any tree of projects may grow; a circle, which nobody can make, would end here. */
const DEEPEST = 32;

/** What decides about the roles of user $1, as far as it was given `where`: assignments, the roles they name or lead to, implications. */
const facts = (where: string): string => `
  groups AS (SELECT group_id FROM identity.group_members WHERE user_id = $1),
  given AS (SELECT a.role_id, a.user_id, a.group_id, a.project_id, a.domain_id, a.inherited FROM identity.role_assignments a, target t WHERE a.user_id = $1 AND (${where})
            UNION ALL SELECT a.role_id, a.user_id, a.group_id, a.project_id, a.domain_id, a.inherited
                        FROM groups g JOIN identity.role_assignments a ON a.group_id = g.group_id, target t WHERE (${where})),
  reached(role_id) AS (SELECT role_id FROM given UNION SELECT i.implied_role_id FROM reached r JOIN identity.implied_roles i ON i.prior_role_id = r.role_id)`;

const FACT_COLUMNS = `
  coalesce((SELECT jsonb_agg(group_id) FROM groups), '[]') AS groups,
  coalesce((SELECT jsonb_agg(jsonb_build_object('roleId', role_id, 'userId', user_id, 'groupId', group_id, 'inherited', inherited, 'on',
              CASE WHEN project_id IS NOT NULL THEN jsonb_build_object('kind', 'project', 'id', project_id)
                   WHEN domain_id IS NOT NULL THEN jsonb_build_object('kind', 'domain', 'id', domain_id)
                   ELSE jsonb_build_object('kind', 'system') END)) FROM given), '[]') AS given,
  coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name, 'domainId', r.domain_id)) FROM identity.roles r WHERE r.id IN (SELECT role_id FROM reached)), '[]') AS roles,
  coalesce((SELECT jsonb_agg(jsonb_build_object('prior', i.prior_role_id, 'implied', i.implied_role_id))
              FROM identity.implied_roles i WHERE i.prior_role_id IN (SELECT role_id FROM reached)), '[]') AS implications`;

/** A name's domain: its id before its name. */
const valuesOf = ({ id, name, domain }: ScopeRef): (string | null)[] =>
  [id ?? null, name ?? null, domain?.id ?? null, domain?.id === undefined ? (domain?.name ?? null) : null];

/** The roles that a user really has, asked for with every token: one statement gathers the facts, decide/effective-roles decides. */
@Injectable()
export class StandingRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async onProject(userId: string, ref: ScopeRef): Promise<OnProject | null> {
    const row = (await this.projectFacts(userId, ref))[0];
    return row === undefined ? null : {
      id: row.id, name: row.name, enabled: row.enabled, domain: { id: row.domain_id, name: row.domain_name }, domainEnabled: row.domain_enabled,
      roles: named(userId, row, scopeOf(row)),
    };
  }

  async onDomain(userId: string, ref: Omit<ScopeRef, 'domain'>): Promise<OnDomain | null> {
    const row = await this.domainFacts(userId, ref);
    return row === undefined ? null : { id: row.id, name: row.name, enabled: row.enabled, roles: named(userId, row, { kind: 'domain', id: row.id }) };
  }

  private async domainFacts(userId: string, ref: Omit<ScopeRef, 'domain'>): Promise<DomainFacts | undefined> {
    const { rows: [row] } = await this.db.pool.query<DomainFacts>({
      name: 'identity-standing-domain',
      text: `WITH RECURSIVE target AS (SELECT id, name, enabled FROM identity.domains WHERE ($2::text IS NOT NULL AND id = $2) OR ($2::text IS NULL AND name = $3)),
             ${facts('a.domain_id = t.id AND NOT a.inherited')}
             SELECT t.*, ${FACT_COLUMNS} FROM target t`,
      values: [userId, ref.id ?? null, ref.name ?? null],
    });
    return row;
  }

  /** The roles on the system, which is all there is; empty: none. */
  async onSystem(userId: string): Promise<Named[]> {
    const row = await this.systemFacts(userId);
    return row === undefined ? [] : named(userId, row, { kind: 'system' });
  }

  private async systemFacts(userId: string): Promise<FactsRow | undefined> {
    const { rows: [row] } = await this.db.pool.query<FactsRow>({
      name: 'identity-standing-system',
      text: `WITH RECURSIVE target AS (SELECT 1), ${facts('a.system AND NOT a.inherited')} SELECT ${FACT_COLUMNS}`,
      values: [userId],
    });
    return row;
  }

  /** Everything that decides about a user's roles there, for whoever has to say why; null: no such project or domain. */
  async factsOn(userId: string, on: Holder): Promise<{ facts: RoleFacts; scope: RoleScope } | null> {
    if (on.kind === 'project') {
      const row = (await this.projectFacts(userId, { id: on.id }))[0];
      return row === undefined ? null : { facts: factsOf(userId, row), scope: scopeOf(row) };
    }
    const row = await (on.kind === 'domain' ? this.domainFacts(userId, { id: on.id }) : this.systemFacts(userId));
    return row === undefined ? null : { facts: factsOf(userId, row), scope: on.kind === 'domain' ? { kind: 'domain', id: on.id } : { kind: 'system' } };
  }

  private async projectFacts(userId: string, ref: ScopeRef): Promise<ProjectFacts[]> {
    const { rows } = await this.db.pool.query<ProjectFacts>({
      name: 'identity-standing-project',
      text: `WITH RECURSIVE target AS (
               SELECT p.id, p.name, p.enabled, p.parent_id, d.id AS domain_id, d.name AS domain_name, d.enabled AS domain_enabled
                 FROM identity.projects p JOIN identity.domains d ON d.id = p.domain_id
                WHERE ($2::text IS NOT NULL AND p.id = $2) OR ($2::text IS NULL AND p.name = $3 AND (d.id = $4 OR d.name = $5))),
             above(id, parent_id, depth) AS (
               SELECT p.id, p.parent_id, 1 FROM target t JOIN identity.projects p ON p.id = t.parent_id
               UNION ALL SELECT p.id, p.parent_id, a.depth + 1 FROM above a JOIN identity.projects p ON p.id = a.parent_id WHERE a.depth < ${DEEPEST}),
             ${facts('(a.project_id = t.id AND NOT a.inherited) OR (a.inherited AND (a.domain_id = t.domain_id OR a.project_id IN (SELECT id FROM above)))')}
             SELECT t.*, coalesce((SELECT jsonb_agg(id) FROM above), '[]') AS above, ${FACT_COLUMNS} FROM target t`,
      values: [userId, ...valuesOf(ref)],
    });
    return rows;
  }
}

const factsOf = (userId: string, { given, roles, implications, groups }: FactsRow): RoleFacts => ({ userId, groupIds: groups, given, roles, implications });
const scopeOf = (row: ProjectFacts): RoleScope => ({ kind: 'project', id: row.id, aboveIds: row.above, domainId: row.domain_id });
const named = (userId: string, row: FactsRow, scope: RoleScope): Named[] => effectiveRoles(factsOf(userId, row), scope).map(({ id, name }) => ({ id, name }));
