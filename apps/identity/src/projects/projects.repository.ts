import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import type { ProjectsQuery } from '../http/queries.js';

export interface ProjectRow {
  id: string; name: string; domainId: string; description: string; enabled: boolean; parentId: string | null; isDomain: boolean; tags: string[]; options: unknown;
}

@Injectable()
export class ProjectsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: ProjectsQuery): Promise<Paged<ProjectRow>> {
    const limit = pageSize(query.limit);
    const rows = await this.db.prisma.project.findMany({
      where: {
        ...(query.name !== undefined && { name: query.name }),
        ...(query.domain_id !== undefined && { domainId: query.domain_id }),
        ...(query.parent_id !== undefined && { parentId: query.parent_id }),
        ...(query.enabled !== undefined && { enabled: query.enabled }),
        ...(query.is_domain !== undefined && { isDomain: query.is_domain }),
        ...(query.marker !== undefined && { id: { gt: query.marker } }),
      },
      orderBy: { id: 'asc' }, take: limit + 1,
    });
    return cutPage(rows, limit, (row) => row.id);
  }

  get(id: string): Promise<ProjectRow | null> {
    return this.db.prisma.project.findUnique({ where: { id } });
  }

  /** Enabled projects on which the user has a role. */
  async listOfUser(userId: string, query: Pick<ProjectsQuery, 'limit' | 'marker' | 'name'>): Promise<Paged<ProjectRow>> {
    const limit = pageSize(query.limit);
    const rows = await this.db.prisma.project.findMany({
      where: {
        enabled: true, domain: { enabled: true }, assignments: { some: { userId } },
        ...(query.name !== undefined && { name: query.name }),
        ...(query.marker !== undefined && { id: { gt: query.marker } }),
      },
      orderBy: { id: 'asc' }, take: limit + 1,
    });
    return cutPage(rows, limit, (row) => row.id);
  }
}
