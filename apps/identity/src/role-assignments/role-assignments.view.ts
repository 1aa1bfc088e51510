import type { RoleAssignmentRow } from './role-assignments.repository.js';

/** @param names with names and domains beside the ids (`include_names`). */
export function roleAssignmentView(v3: string, row: RoleAssignmentRow, names: boolean) {
  const project = { id: row.project_id, ...(names && { name: row.project_name, domain: { id: row.project_domain_id, name: row.project_domain_name } }) };
  const user = { id: row.user_id, ...(names && { name: row.user_name, domain: { id: row.user_domain_id, name: row.user_domain_name } }) };
  const role = { id: row.role_id, ...(names && { name: row.role_name }) };
  return { links: { assignment: `${v3}/projects/${row.project_id}/users/${row.user_id}/roles/${row.role_id}` }, scope: { project }, user, role };
}
