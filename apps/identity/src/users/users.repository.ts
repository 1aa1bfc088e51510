import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { cutPage, pageSize, type Paged } from '../http/links.js';
import type { UsersQuery } from '../http/queries.js';

export interface UserRow {
  id: string; name: string; domainId: string; enabled: boolean; email: string | null; description: string | null;
  defaultProjectId: string | null; passwordExpiresAt: Date | null; options: unknown;
}

/** Never the password's hash. */
const VISIBLE = {
  id: true, name: true, domainId: true, enabled: true, email: true, description: true, defaultProjectId: true, passwordExpiresAt: true, options: true,
} as const;

@Injectable()
export class UsersRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async list(query: UsersQuery): Promise<Paged<UserRow>> {
    const limit = pageSize(query.limit);
    const rows = await this.db.prisma.user.findMany({
      select: VISIBLE,
      where: {
        ...(query.name !== undefined && { name: query.name }),
        ...(query.domain_id !== undefined && { domainId: query.domain_id }),
        ...(query.enabled !== undefined && { enabled: query.enabled }),
        ...(query.marker !== undefined && { id: { gt: query.marker } }),
      },
      orderBy: { id: 'asc' }, take: limit + 1,
    });
    return cutPage(rows, limit, (row) => row.id);
  }

  get(id: string): Promise<UserRow | null> {
    return this.db.prisma.user.findUnique({ select: VISIBLE, where: { id } });
  }
}
