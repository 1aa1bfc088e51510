import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import type { RolesQuery } from '../http/queries.js';

export interface RoleRow { id: string; name: string; domainId: string | null; description: string | null; options: unknown }

@Injectable()
export class RolesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Without a domain: the roles of the whole cloud. */
  async list(query: RolesQuery): Promise<Paged<RoleRow>> {
    const limit = pageSize(query.limit);
    const rows = await this.db.prisma.role.findMany({
      where: {
        domainId: query.domain_id ?? null,
        ...(query.name !== undefined && { name: query.name }),
        ...(query.marker !== undefined && { id: { gt: query.marker } }),
      },
      orderBy: { id: 'asc' }, take: limit + 1,
    });
    return cutPage(rows, limit, (row) => row.id);
  }

  get(id: string): Promise<RoleRow | null> {
    return this.db.prisma.role.findUnique({ where: { id } });
  }
}
