import type { AssignmentRow } from './role-assignments.repository.js';

/**
 * One assignment in Keystone's form; its link names the assignment that was given, through which this one came about.
 * @param names with names and domains beside the ids (`include_names`).
 */
export function roleAssignmentView(v3: string, row: AssignmentRow, names: boolean) {
  const role = { id: row.role_id, ...(names && { name: row.role_name, ...(row.role_domain_id !== null && { domain: { id: row.role_domain_id, name: row.role_domain_name } }) }) };
  const links = {
    assignment: `${v3}${linkOf(row)}`,
    ...(row.via_group !== null && { membership: `${v3}/groups/${row.via_group}/users/${row.user_id}` }),
    ...(row.via_role !== null && { prior_role: `${v3}/prior_role/${row.via_role}/implies/${row.role_id}` }),
  };
  return { links, scope: { ...scopeOf(row, names), ...(row.inherited && { 'OS-INHERIT:inherited_to': 'projects' }) }, ...actorOf(row, names), role };
}

function scopeOf(row: AssignmentRow, names: boolean) {
  if (row.project_id !== null) return { project: { id: row.project_id, ...(names && { name: row.project_name, domain: { id: row.project_domain_id, name: row.project_domain_name } }) } };
  return row.domain_id === null ? { system: { all: true } } : { domain: { id: row.domain_id, ...(names && { name: row.domain_name }) } };
}

function actorOf(row: AssignmentRow, names: boolean) {
  if (row.group_id !== null) return { group: { id: row.group_id, ...(names && { name: row.group_name, domain: { id: row.group_domain_id, name: row.group_domain_name } }) } };
  return { user: { id: row.user_id, ...(names && { name: row.user_name, domain: { id: row.user_domain_id, name: row.user_domain_name } }) } };
}

function linkOf(row: AssignmentRow): string {
  const [project, domain] = [row.via_project ?? (row.via_domain === null ? row.project_id : null), row.via_domain ?? row.domain_id];
  const where = project !== null ? `/projects/${project}` : domain !== null ? `/domains/${domain}` : '/system';
  const group = row.via_group ?? row.group_id;
  const path = `${where}${group === null ? `/users/${row.user_id}` : `/groups/${group}`}/roles/${row.via_role ?? row.role_id}`;
  return row.inherited ? `/OS-INHERIT${path}/inherited_to_projects` : path;
}
