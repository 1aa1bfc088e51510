import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { LIMITS } from '../limits.js';
import { buildCatalog, type CatalogEntry } from './catalog.js';

/** The catalog per base URL; built once, for validation answers thousands of times a second. */
@Injectable()
export class Catalogs {
  private readonly built = new Map<string, readonly CatalogEntry[]>();

  constructor(@Inject(DATABASE) private readonly db: Database, @Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig) {}

  at(baseUrl: string): readonly CatalogEntry[] {
    const known = this.built.get(baseUrl);
    if (known !== undefined) return known;
    const catalog = buildCatalog(this.db.cloudId, this.config.region, baseUrl);
    if (this.built.size >= LIMITS.catalogs) this.built.clear();
    this.built.set(baseUrl, catalog);
    return catalog;
  }

  get region(): string { return this.config.region; }
}
