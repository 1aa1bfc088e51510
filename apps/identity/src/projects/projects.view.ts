import type { ProjectRow } from './projects.repository.js';

export const projectView = (v3: string, project: ProjectRow) => ({
  id: project.id, name: project.name, domain_id: project.domainId, description: project.description, enabled: project.enabled,
  parent_id: project.parentId, is_domain: project.isDomain, tags: project.tags, options: project.options,
  links: { self: `${v3}/projects/${project.id}` },
});
