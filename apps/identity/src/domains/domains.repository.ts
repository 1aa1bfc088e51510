import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import type { DomainsQuery } from '../http/queries.js';

export interface DomainRow { id: string; name: string; description: string; enabled: boolean }

@Injectable()
export class DomainsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: DomainsQuery): Promise<Paged<DomainRow>> {
    const limit = pageSize(query.limit);
    const rows = await this.db.prisma.domain.findMany({
      where: {
        ...(query.name !== undefined && { name: query.name }),
        ...(query.enabled !== undefined && { enabled: query.enabled }),
        ...(query.marker !== undefined && { id: { gt: query.marker } }),
      },
      orderBy: { id: 'asc' }, take: limit + 1,
    });
    return cutPage(rows, limit, (row) => row.id);
  }

  get(id: string): Promise<DomainRow | null> {
    return this.db.prisma.domain.findUnique({ where: { id } });
  }
}
