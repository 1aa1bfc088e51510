import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import type { RoleAssignmentsQuery } from '../http/queries.js';

export interface RoleAssignmentRow {
  user_id: string; user_name: string; user_domain_id: string; user_domain_name: string;
  project_id: string; project_name: string; project_domain_id: string; project_domain_name: string;
  role_id: string; role_name: string;
}

@Injectable()
export class RoleAssignmentsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The marker is `user.project.role`. */
  async list(query: RoleAssignmentsQuery): Promise<Paged<RoleAssignmentRow>> {
    const limit = pageSize(query.limit);
    const [markerUser = null, markerProject = '', markerRole = ''] = query.marker?.split('.') ?? [];
    const { rows } = await this.db.pool.query<RoleAssignmentRow>(
      `SELECT u.id AS user_id, u.name AS user_name, ud.id AS user_domain_id, ud.name AS user_domain_name,
              p.id AS project_id, p.name AS project_name, pd.id AS project_domain_id, pd.name AS project_domain_name,
              r.id AS role_id, r.name AS role_name
         FROM identity.role_assignments a
         JOIN identity.users u ON u.id = a.user_id JOIN identity.domains ud ON ud.id = u.domain_id
         JOIN identity.projects p ON p.id = a.project_id JOIN identity.domains pd ON pd.id = p.domain_id
         JOIN identity.roles r ON r.id = a.role_id
        WHERE ($1::text IS NULL OR a.user_id = $1) AND ($2::text IS NULL OR a.project_id = $2) AND ($3::text IS NULL OR a.role_id = $3)
          AND ($4::text IS NULL OR (a.user_id, a.project_id, a.role_id) > ($4, $5, $6))
        ORDER BY a.user_id, a.project_id, a.role_id LIMIT $7`,
      [query['user.id'] ?? null, query['scope.project.id'] ?? null, query['role.id'] ?? null, markerUser, markerProject, markerRole, limit + 1]);
    return cutPage(rows, limit, (row) => `${row.user_id}.${row.project_id}.${row.role_id}`);
  }
}
