import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { INEXACT_SUFFIXES, ListSql } from './list-sql.js';

const SORT = { id: 't.id', name: 't.name' };

describe('a list in SQL', () => {
  it('filters, orders and cuts', () => {
    const sql = new ListSql().text('t.name', { name__icontains: 'A', name: 'b' }, 'name').equals('t.enabled', true).equals('t.domain_id', undefined);
    expect(sql.end({ limit: 5, marker: 'm', sort_key: 'name', sort_dir: 'desc' }, 't', 'x.t', SORT)).toBe(
      'WHERE t.name = $1 AND position(lower($2::text) IN lower(t.name)) > 0 AND t.enabled = $3 AND (t.name, t.id) < (SELECT t.name, t.id FROM x.t t WHERE t.id = $4) ORDER BY t.name DESC, t.id DESC LIMIT 6');
    expect(sql.values).toEqual(['b', 'A', true, 'm']);
    expect(new ListSql().end({}, 't', 'x.t', SORT)).toBe(' ORDER BY t.id ASC LIMIT 10001');
    expect(new ListSql().end({ marker: 'm' }, 't', 'x.t', SORT)).toBe('WHERE t.id > $1 ORDER BY t.id ASC LIMIT 10001');
  });

  it('has a value for every parameter, and nothing of a client in its text', () => {
    const query = fc.record(Object.fromEntries(['', ...INEXACT_SUFFIXES].map((suffix) => [`name${suffix}`, fc.string({ minLength: 1 }).map((text) => `§${text}`)])), { requiredKeys: [] });
    fc.assert(fc.property(query, fc.option(fc.string({ minLength: 1 }).map((text) => `§${text}`), { nil: undefined }), (asked, marker) => {
      const sql = new ListSql().text('t.name', asked, 'name');
      const text = sql.end({ marker }, 't', 'x.t', SORT);
      expect(text).not.toContain('§');
      expect(new Set(text.match(/\$\d+/g) ?? [])).toEqual(new Set(sql.values.map((_, i) => `$${i + 1}`)));
    }));
  });

  it('orders by nothing that it was not told of', () => {
    expect(new ListSql().end({ sort_key: 'id; DROP TABLE' }, 't', 'x.t', SORT)).toBe(' ORDER BY t.id ASC LIMIT 10001');
  });
});
