import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cutPage, listLinks, pageSize } from './links.js';

describe('lists', () => {
  it('link to themselves with their query, and to what follows', () => {
    expect(listLinks('http://c/x', {})).toEqual({ next: null, self: 'http://c/x', previous: null });
    expect(listLinks('http://c/x', { name: 'a b', limit: '2', marker: 'old' }, 'new')).toEqual({
      next: 'http://c/x?name=a+b&limit=2&marker=new', self: 'http://c/x?name=a+b&limit=2&marker=old', previous: null });
  });

  it('give every row exactly once, page by page', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 30 }), fc.integer({ min: 1, max: 7 }), (names, limit) => {
      const rows = names.sort((a, b) => (a < b ? -1 : 1));
      const seen: string[] = [];
      let marker: string | undefined;
      do {
        const page = cutPage(rows.filter((row) => marker === undefined || row > marker).slice(0, limit + 1), limit, (row) => row);
        seen.push(...page.rows);
        marker = page.next;
      } while (marker !== undefined);
      expect(seen).toEqual(rows);
    }));
  });

  it('are never longer than the bound', () => {
    expect([pageSize(undefined), pageSize(5), pageSize(999_999_999)]).toEqual([10_000, 5, 10_000]);
  });
});
