import type { DomainRow } from './domains.repository.js';

export const domainView = (v3: string, { id, name, description, enabled, tags, options }: DomainRow) => ({
  id, name, description, enabled, tags, options, links: { self: `${v3}/domains/${id}` },
});
