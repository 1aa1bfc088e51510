import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import type { CatalogRows } from './catalog.js';

/** What of the catalog's rows tokens show. */
@Injectable()
export class CatalogRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async enabled(): Promise<CatalogRows> {
    const { rows: [row] } = await this.db.pool.query<CatalogRows>({
      name: 'identity-catalog',
      text: `SELECT coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'type', type, 'name', name) ORDER BY created_at, id) FROM identity.services WHERE enabled), '[]') AS services,
                    coalesce((SELECT jsonb_agg(jsonb_build_object('id', id, 'serviceId', service_id, 'regionId', region_id, 'interface', interface, 'url', url) ORDER BY created_at, id)
                                FROM identity.endpoints WHERE enabled), '[]') AS endpoints`,
    });
    return row ?? { services: [], endpoints: [] };
  }
}
