import { Inject, Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { LimitsRepository, type LimitRow } from '../limits/limits.repository.js';
import type { TreeNode } from './decide/project-tree.js';
import { ProjectsRepository, type ProjectRow } from './projects.repository.js';
import type { ProjectQuery } from './projects.schema.js';

export interface ProjectTree {
  /** Ids from the parent upwards, the domain last. */
  above?: string[];
  below?: TreeNode[];
  /** Only those for which the caller could have a token, as Keystone tells them. */
  parents?: ProjectRow[]; subtree?: ProjectRow[];
  /** Of those, by project: what it has instead of the defaults. Left out: nobody asked. */
  limits?: ReadonlyMap<string, LimitRow[]>;
}

/** Reads what a request asks for of the tree around a project. */
@Injectable()
export class ReadProjectTree {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly projects: ProjectsRepository, private readonly limits: LimitsRepository) {}

  async run(caller: Caller, project: ProjectRow, query: ProjectQuery): Promise<ProjectTree> {
    const tree: ProjectTree = {};
    if (query.parents_as_ids === true || query.parents_as_list === true) {
      const above = (await this.projects.andAbove(this.db.pool, project.id)).slice(1).map(({ id }) => id);
      if (query.parents_as_list === true) tree.parents = await this.projects.ofUserAmong(caller.userId, above);
      else tree.above = project.domainId === null ? [] : [...above, project.domainId];
    }
    if (query.subtree_as_ids === true || query.subtree_as_list === true) {
      const below = await this.projects.below(this.db.pool, project.id);
      if (query.subtree_as_list === true) tree.subtree = await this.projects.ofUserAmong(caller.userId, below.map(({ id }) => id));
      else tree.below = below;
    }
    if (query.include_limits === true) tree.limits = await this.limits.ofProjects([...(tree.parents ?? []), ...(tree.subtree ?? [])].map(({ id }) => id));
    return tree;
  }
}
