import type { GroupRow } from './groups.repository.js';

export const groupView = (v3: string, group: GroupRow) => ({
  ...group.extra, id: group.id, name: group.name, domain_id: group.domainId, description: group.description, links: { self: `${v3}/groups/${group.id}` },
});
