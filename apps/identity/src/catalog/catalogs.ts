import { Injectable } from '@nestjs/common';
import { LIMITS } from '../limits.js';
import { catalogOf, isPersonal, type CatalogEntry, type CatalogOwner, type CatalogRows } from './catalog.js';
import { CatalogRepository } from './catalog.repository.js';

interface Known { rows: CatalogRows; personal: boolean; at: number }

/**
 * The catalog as the rows say, never older than two seconds while the database can be asked, and the last known one while it
 * cannot: where services are is no secret and seldom changes. Built once per base URL, for validation answers thousands of times a second.
 */
@Injectable()
export class Catalogs {
  #rows: Known | undefined;
  #asking: Promise<void> | undefined;
  #built = new Map<string, readonly CatalogEntry[]>();

  constructor(private readonly repository: CatalogRepository) {}

  async at(baseUrl: string, owner?: CatalogOwner): Promise<readonly CatalogEntry[]> {
    const age = this.#rows === undefined ? Infinity : performance.now() - this.#rows.at;
    if (age > LIMITS.catalogFreshMs) {
      const asked = this.#refresh();
      if (this.#rows === undefined) await asked;
      else if (age > LIMITS.catalogOldMs) await asked.catch(() => undefined);
      else asked.catch(() => undefined);
    }
    const { rows, personal } = this.#rows as Known;
    if (personal && owner !== undefined) return catalogOf(rows, baseUrl, owner);
    const known = this.#built.get(baseUrl);
    if (known !== undefined) return known;
    const catalog = catalogOf(rows, baseUrl);
    if (this.#built.size >= LIMITS.catalogs) this.#built.clear();
    this.#built.set(baseUrl, catalog);
    return catalog;
  }

  /** One question at a time; whoever comes meanwhile waits for its answer. */
  #refresh(): Promise<void> {
    // What the answer shows is as old as the question.
    const at = performance.now();
    this.#asking ??= this.repository.enabled().then((rows) => {
      if (this.#rows === undefined || JSON.stringify(rows) !== JSON.stringify(this.#rows.rows)) this.#built = new Map();
      this.#rows = { rows, personal: isPersonal(rows), at };
    }).finally(() => { this.#asking = undefined; });
    return this.#asking;
  }
}
