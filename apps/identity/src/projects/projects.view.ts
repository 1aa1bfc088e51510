import { limitView } from '../limits/limits.view.js';
import { parentsAsIds, subtreeAsIds } from './decide/project-tree.js';
import type { ProjectRow } from './projects.repository.js';
import type { ProjectTree } from './project-tree.js';

export const projectView = (v3: string, project: ProjectRow) => ({
  ...project.extra,
  id: project.id, name: project.name, domain_id: project.domainId, description: project.description, enabled: project.enabled,
  parent_id: project.parentId, is_domain: project.isDomain, tags: project.tags, options: project.options,
  links: { self: `${v3}/projects/${project.id}` },
});

const withLimits = (v3: string, row: ProjectRow, limits: ProjectTree['limits']) =>
  ({ project: { ...projectView(v3, row), ...(limits !== undefined && { limits: (limits.get(row.id) ?? []).map((limit) => limitView(v3, limit)) }) } });

/** What was asked for of the tree around a project. */
export const projectTreeView = (v3: string, id: string, { above, below, parents, subtree, limits }: ProjectTree) => ({
  ...(above !== undefined && { parents: parentsAsIds(above) }),
  ...(parents !== undefined && { parents: parents.map((row) => withLimits(v3, row, limits)) }),
  ...(below !== undefined && { subtree: subtreeAsIds(id, below) }),
  ...(subtree !== undefined && { subtree: subtree.map((row) => withLimits(v3, row, limits)) }),
});
