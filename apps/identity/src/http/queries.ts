import { z } from 'zod';
import { name } from './text.js';

/** Keystone's idea of a flag in a query: present and not 0 or false. */
export const flag = z.string().max(8).transform((text) => !['0', 'false', 'no', 'off'].includes(text.toLowerCase()));

const limit = z.string().max(9).refine((text) => /^[1-9]\d*$/.test(text), 'limit must be a whole number above 0').transform(Number);
const paging = { limit: limit.optional(), marker: name.optional() };

/** Unknown parameters are ignored, as Keystone does: clients send more than any one version knows. */
export const ProjectsQuery = z.object({ name: name.optional(), domain_id: name.optional(), parent_id: name.optional(), enabled: flag.optional(), is_domain: flag.optional(), ...paging });
export type ProjectsQuery = z.output<typeof ProjectsQuery>;
export const UsersQuery = z.object({ name: name.optional(), domain_id: name.optional(), enabled: flag.optional(), ...paging });
export type UsersQuery = z.output<typeof UsersQuery>;
export const DomainsQuery = z.object({ name: name.optional(), enabled: flag.optional(), ...paging });
export type DomainsQuery = z.output<typeof DomainsQuery>;
export const RolesQuery = z.object({ name: name.optional(), domain_id: name.optional(), ...paging });
export type RolesQuery = z.output<typeof RolesQuery>;
export const CatalogQuery = z.object({ name: name.optional(), type: name.optional(), interface: name.optional(), service_id: name.optional(), region_id: name.optional(), parent_region_id: name.optional() });
export type CatalogQuery = z.output<typeof CatalogQuery>;
export const RoleAssignmentsQuery = z.object({
  'user.id': name.optional(), 'role.id': name.optional(), 'group.id': name.optional(),
  'scope.project.id': name.optional(), 'scope.domain.id': name.optional(), 'scope.system': name.optional(), 'scope.OS-INHERIT:inherited_to': name.optional(),
  include_names: flag.optional(), effective: flag.optional(), ...paging,
});
export type RoleAssignmentsQuery = z.output<typeof RoleAssignmentsQuery>;
