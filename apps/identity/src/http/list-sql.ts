/**
 * Lists in SQL: filters, order and pages of one table, built from a query of the API. Pure: gives text and values and
 * runs nothing. Column names come from code, values only ever as parameters.
 */
import { LIMITS } from '../limits.js';

export interface PageQuery { limit?: number | undefined; marker?: string | undefined; sort_key?: string | undefined; sort_dir?: string | undefined }

/** Keystone's inexact filters: `name__contains=x`; with an i before the comparator letters' case does not matter. */
const INEXACT: Record<string, (column: string, value: string) => string> = {
  contains: (column, value) => `position(${value} IN ${column}) > 0`,
  startswith: (column, value) => `starts_with(${column}, ${value})`,
  endswith: (column, value) => `right(${column}, length(${value})) = ${value}`,
};

export const INEXACT_SUFFIXES = Object.keys(INEXACT).flatMap((comparator) => [`__${comparator}`, `__i${comparator}`]);

export class ListSql {
  readonly values: unknown[] = [];
  readonly #conditions: string[] = [];

  /** A parameter for a value. */
  value(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  and(condition: string): this {
    this.#conditions.push(condition);
    return this;
  }

  /** `undefined`: not asked for. */
  equals(column: string, value: string | boolean | undefined): this {
    return value === undefined ? this : this.and(`${column} = ${this.value(value)}`);
  }

  /** `key` itself and every inexact form of it that the query has. */
  text(column: string, query: Readonly<Record<string, unknown>>, key: string): this {
    this.equals(column, textIn(query, key));
    for (const [comparator, compare] of Object.entries(INEXACT)) {
      const [exact, loose] = [textIn(query, `${key}__${comparator}`), textIn(query, `${key}__i${comparator}`)];
      if (exact !== undefined) this.and(compare(column, `${this.value(exact)}::text`));
      if (loose !== undefined) this.and(compare(`lower(${column})`, `lower(${this.value(loose)}::text)`));
    }
    return this;
  }

  /**
   * WHERE, ORDER BY and LIMIT, with one row more than the page holds.
   * @param alias of the table whose id is the marker. @param table its name. @param columns the sort keys there are.
   */
  end(query: PageQuery, alias: string, table: string, columns: Readonly<Record<string, string>>): string {
    const column = columns[query.sort_key ?? 'id'] ?? `${alias}.id`;
    const down = query.sort_dir === 'desc';
    const byId = column === `${alias}.id`;
    if (query.marker !== undefined) {
      const marker = this.value(query.marker);
      const compare = down ? '<' : '>';
      // By id no row is needed to know where a page begins: it may have gone since.
      this.and(byId ? `${column} ${compare} ${marker}` : `(${column}, ${alias}.id) ${compare} (SELECT ${column}, ${alias}.id FROM ${table} ${alias} WHERE ${alias}.id = ${marker})`);
    }
    const where = this.#conditions.length === 0 ? '' : `WHERE ${this.#conditions.join(' AND ')}`;
    const direction = down ? 'DESC' : 'ASC';
    const order = byId ? `${column} ${direction}` : `${column} ${direction}, ${alias}.id ${direction}`;
    return `${where} ORDER BY ${order} LIMIT ${Math.min(query.limit ?? LIMITS.page, LIMITS.page) + 1}`;
  }
}

const textIn = (query: Readonly<Record<string, unknown>>, key: string): string | undefined => {
  const value = query[key];
  return typeof value === 'string' ? value : undefined;
};
