import type { RoleRow } from './roles.repository.js';

export const roleView = (v3: string, role: RoleRow) => ({
  id: role.id, name: role.name, domain_id: role.domainId, description: role.description, options: role.options, links: { self: `${v3}/roles/${role.id}` },
});
