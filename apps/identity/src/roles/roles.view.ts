import type { ImplicationRow } from './implied-roles.repository.js';
import type { RoleRow } from './roles.repository.js';

export const roleView = (v3: string, role: RoleRow) => ({
  ...role.extra, id: role.id, name: role.name, domain_id: role.domainId, description: role.description, options: role.options, links: { self: `${v3}/roles/${role.id}` },
});

/** A role as implications name it. */
const brief = (v3: string, id: string, name: string) => ({ id, name, links: { self: `${v3}/roles/${id}` } });
export const priorView = (v3: string, row: Pick<ImplicationRow, 'priorId' | 'priorName'>) => brief(v3, row.priorId, row.priorName);
export const impliedView = (v3: string, row: Pick<ImplicationRow, 'impliedId' | 'impliedName'>) => brief(v3, row.impliedId, row.impliedName);
