import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { badRequest } from '#libs/errors';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import { LIMITS } from '../limits.js';

/** What is asked for; undefined: anything. */
export interface AssignmentsFilter {
  userId?: string | undefined; groupId?: string | undefined; roleId?: string | undefined;
  projectId?: string | undefined; domainId?: string | undefined; system?: boolean | undefined;
  /** With all projects below `projectId`. */
  subtree?: boolean | undefined;
  inherited?: boolean | undefined;
  /** Groups as their members, what is inherited on the projects that inherit it, roles with what follows from them. */
  effective?: boolean | undefined;
  /** Only on this domain and its projects. */
  withinDomain?: string | undefined;
  limit?: number | undefined; marker?: string | undefined;
}

/** An assignment with names. Exactly one of user and group; exactly one of project, domain and `system`. */
export interface AssignmentRow {
  key: string;
  user_id: string | null; user_name: string | null; user_domain_id: string | null; user_domain_name: string | null;
  group_id: string | null; group_name: string | null; group_domain_id: string | null; group_domain_name: string | null;
  project_id: string | null; project_name: string | null; project_domain_id: string | null; project_domain_name: string | null;
  domain_id: string | null; domain_name: string | null; system: boolean; inherited: boolean;
  role_id: string; role_name: string; role_domain_id: string | null; role_domain_name: string | null;
  /** Of an effective one: through which group, from which project or domain above, from which role. */
  via_group: string | null; via_project: string | null; via_domain: string | null; via_role: string | null;
}

/** Deeper than any tree of projects may grow. */
const DEEPEST = 32;

/** $1 user, $2 group, $3 role, $4 project, $5 domain, $6 system, $7 inherited, $8 within domain, $9 marker, $10 limit, $11 subtree. */
const TARGETS = `
  targets(id, domain_id) AS (
    SELECT p.id, p.domain_id FROM identity.projects p
     WHERE CASE WHEN $4::text IS NOT NULL THEN p.id = $4 ELSE $5::text IS NULL AND NOT $6 END AND ($8::text IS NULL OR p.domain_id = $8)
    UNION SELECT p.id, p.domain_id FROM targets t JOIN identity.projects p ON p.parent_id = t.id WHERE $11)`;

const GIVEN = `${TARGETS},
  found AS (
    SELECT a.id::text AS key, a.user_id, a.group_id, a.project_id, a.domain_id, a.system, a.inherited, a.role_id,
           NULL AS via_group, NULL AS via_project, NULL AS via_domain, NULL AS via_role, a.id AS place
      FROM identity.role_assignments a
     WHERE ($1::text IS NULL OR a.user_id = $1) AND ($2::text IS NULL OR a.group_id = $2) AND ($3::text IS NULL OR a.role_id = $3)
       AND ($7::boolean IS NULL OR a.inherited = $7)
       AND CASE WHEN a.project_id IS NOT NULL THEN a.project_id IN (SELECT id FROM targets)
                WHEN a.domain_id IS NOT NULL THEN $4::text IS NULL AND NOT $6 AND ($5::text IS NULL OR a.domain_id = $5) AND ($8::text IS NULL OR a.domain_id = $8)
                ELSE $4::text IS NULL AND $5::text IS NULL AND $8::text IS NULL END
       AND ($9::text IS NULL OR a.id > CASE WHEN $9 ~ '^[0-9]{1,18}$' THEN $9::bigint ELSE 0 END)
     ORDER BY place LIMIT $10)`;

/** Of $1, by themselves and through groups; of everybody. */
const MINE = `
  mine AS (SELECT a.* FROM identity.role_assignments a WHERE a.user_id = $1
           UNION ALL SELECT a.* FROM identity.group_members m JOIN identity.role_assignments a ON a.group_id = m.group_id WHERE m.user_id = $1),
  reach(project_id, holder_id, depth) AS (
    SELECT DISTINCT project_id, project_id, 0 FROM mine WHERE project_id IS NOT NULL
    UNION ALL SELECT p.id, r.holder_id, r.depth + 1 FROM reach r JOIN identity.projects p ON p.parent_id = r.project_id WHERE r.depth < ${DEEPEST})`;
const EVERYBODYS = `
  mine AS (SELECT a.* FROM identity.role_assignments a),
  reach(project_id, holder_id, depth) AS (
    SELECT id, id, 0 FROM targets
    UNION ALL SELECT r.project_id, up.id, r.depth + 1 FROM reach r JOIN identity.projects p ON p.id = r.holder_id JOIN identity.projects up ON up.id = p.parent_id
     WHERE r.depth < ${DEEPEST})`;

/** @param mine whose assignments, and from where they reach where: down from those of one user, up from the places asked for. */
const effective = (mine: string): string => `${TARGETS},${mine},
  placed AS (
    SELECT a.user_id, a.group_id, a.role_id, r.project_id, NULL::text AS domain_id, false AS system, a.inherited,
           CASE WHEN a.inherited THEN a.project_id END AS via_project, NULL::text AS via_domain
      FROM reach r JOIN targets t ON t.id = r.project_id JOIN mine a ON a.project_id = r.holder_id AND a.inherited = (r.depth > 0)
    UNION ALL SELECT a.user_id, a.group_id, a.role_id, t.id, NULL, false, true, NULL, a.domain_id FROM targets t JOIN mine a ON a.domain_id = t.domain_id AND a.inherited
    UNION ALL SELECT a.user_id, a.group_id, a.role_id, NULL, a.domain_id, false, false, NULL, NULL FROM mine a
               WHERE a.domain_id IS NOT NULL AND NOT a.inherited AND $4::text IS NULL AND NOT $6 AND ($5::text IS NULL OR a.domain_id = $5) AND ($8::text IS NULL OR a.domain_id = $8)
    UNION ALL SELECT a.user_id, a.group_id, a.role_id, NULL, NULL, true, false, NULL, NULL FROM mine a
               WHERE a.system AND NOT a.inherited AND $4::text IS NULL AND $5::text IS NULL AND $8::text IS NULL),
  leads(from_id, role_id) AS (SELECT id, id FROM identity.roles
                        UNION SELECT l.from_id, i.implied_role_id FROM leads l JOIN identity.implied_roles i ON i.prior_role_id = l.role_id),
  held AS (
    SELECT DISTINCT coalesce(p.user_id, m.user_id) AS user_id, NULL::text AS group_id, p.project_id, p.domain_id, p.system, p.inherited, l.role_id,
           p.group_id AS via_group, p.via_project, p.via_domain, nullif(p.role_id, l.role_id) AS via_role
      FROM placed p LEFT JOIN identity.group_members m ON m.group_id = p.group_id AND ($1::text IS NULL OR m.user_id = $1) JOIN leads l ON l.from_id = p.role_id JOIN identity.roles r ON r.id = l.role_id
     WHERE r.domain_id IS NULL AND coalesce(p.user_id, m.user_id) IS NOT NULL AND ($1::text IS NULL OR coalesce(p.user_id, m.user_id) = $1) AND $2::text IS NULL
       AND ($3::text IS NULL OR l.role_id = $3) AND ($7::boolean IS NULL OR p.inherited = $7)),
  keyed AS (SELECT *, concat_ws('.', user_id, coalesce(project_id, domain_id, '-'), role_id, md5(concat_ws('.', via_group, coalesce(via_project, via_domain), via_role, inherited))) AS key FROM held),
  found AS (SELECT *, key AS place FROM keyed WHERE $9::text IS NULL OR key > $9 ORDER BY key LIMIT $10)`;

const NAMED = `
  SELECT f.key, f.user_id, u.name AS user_name, ud.id AS user_domain_id, ud.name AS user_domain_name,
         f.group_id, g.name AS group_name, gd.id AS group_domain_id, gd.name AS group_domain_name,
         f.project_id, p.name AS project_name, pd.id AS project_domain_id, pd.name AS project_domain_name,
         f.domain_id, d.name AS domain_name, f.system, f.inherited,
         f.role_id, r.name AS role_name, rd.id AS role_domain_id, rd.name AS role_domain_name, f.via_group, f.via_project, f.via_domain, f.via_role
    FROM found f JOIN identity.roles r ON r.id = f.role_id LEFT JOIN identity.domains rd ON rd.id = r.domain_id
    LEFT JOIN identity.users u ON u.id = f.user_id LEFT JOIN identity.domains ud ON ud.id = u.domain_id
    LEFT JOIN identity.groups g ON g.id = f.group_id LEFT JOIN identity.domains gd ON gd.id = g.domain_id
    LEFT JOIN identity.projects p ON p.id = f.project_id LEFT JOIN identity.domains pd ON pd.id = p.domain_id
    LEFT JOIN identity.domains d ON d.id = f.domain_id
   ORDER BY f.place`;

/** Lists of assignments, as given or as they work out. */
@Injectable()
export class RoleAssignmentsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(filter: AssignmentsFilter): Promise<Paged<AssignmentRow>> {
    const limit = pageSize(filter.limit);
    if (filter.effective === true) await this.requireBounded(filter);
    const found = filter.effective !== true ? GIVEN : effective(filter.userId === undefined ? EVERYBODYS : MINE);
    const { rows } = await this.db.pool.query<AssignmentRow>(`WITH RECURSIVE ${found} ${NAMED}`, [
      filter.userId ?? null, filter.groupId ?? null, filter.roleId ?? null, filter.projectId ?? null, filter.domainId ?? null, filter.system === true,
      filter.inherited ?? null, filter.withinDomain ?? null, filter.marker ?? null, limit + 1, filter.subtree === true,
    ]);
    return cutPage(rows, limit, (row) => row.key);
  }

  /** All that everybody has everywhere is worked out at once, for every page anew: only a small cloud is asked that. */
  private async requireBounded({ userId, projectId, domainId, system, withinDomain }: AssignmentsFilter): Promise<void> {
    if (system === true || [userId, projectId, domainId, withinDomain].some((one) => one !== undefined)) return;
    const { rowCount } = await this.db.pool.query(
      `SELECT 1 FROM identity.role_assignments a LEFT JOIN identity.group_members m ON m.group_id = a.group_id LEFT JOIN identity.projects p ON a.inherited AND p.domain_id = a.domain_id
        LIMIT ${LIMITS.effectiveAssignments + 1}`);
    if ((rowCount ?? 0) > LIMITS.effectiveAssignments) throw badRequest('There are too many effective assignments to list all of them: name a user, a project, a domain or the system.');
  }
}
