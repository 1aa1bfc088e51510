import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SkyError } from '#libs/errors';
import { readListQuery, SORT_KEYS } from './list-query.js';
import { listStatement } from './list-sql.js';

const caller = { userId: 'u', userName: 'u', projectId: 'p', projectName: 'p', domainId: 'd', roles: ['member'], isAdmin: false, requestId: 'req' };

describe('readListQuery', () => {
  it('has defaults, and a total order', () => {
    expect(readListQuery({})).toMatchObject({ limit: 100, visibility: undefined, hidden: false, sort: [{ key: 'created_at', descending: true }, { key: 'id', descending: true }], properties: {} });
    expect(readListQuery({ limit: '5000' }).limit).toBe(1000);
  });

  it('reads both ways to sort', () => {
    const sort = [{ key: 'name', descending: false }, { key: 'size', descending: true }, { key: 'created_at', descending: false }, { key: 'id', descending: false }];
    expect(readListQuery({ sort: 'name:asc,size:desc' }).sort).toEqual(sort);
    expect(readListQuery({ sort_key: ['name', 'size'], sort_dir: ['asc', 'desc'] }).sort).toEqual(sort);
    expect(readListQuery({ sort: 'name' }).sort[0]).toEqual({ key: 'name', descending: true });
  });

  it('reads filters', () => {
    expect(readListQuery({ name: 'in:a,"b,c"', status: 'active', tag: ['x', 'y'], size_min: '3', os_hidden: 'true', created_at: 'gte:2026-01-02T03:04:05Z', hw: 'q', member_status: 'all' })).toMatchObject({
      names: ['a', 'b,c'], status: ['active'], tags: ['x', 'y'], sizeMin: 3, hidden: true, properties: { hw: 'q' }, times: [{ field: 'created_at', operator: '>=', at: new Date('2026-01-02T03:04:05Z') }],
    });
  });

  it.each<[Record<string, string | string[]>, RegExp]>([
    [{ limit: '-1' }, /limit must be a whole number/], [{ limit: 'x' }, /limit/], [{ sort: 'password' }, /Invalid sort key: password/], [{ sort: 'name:up' }, /sort direction/],
    [{ sort: 'name', sort_key: 'id' }, /cannot be combined/], [{ visibility: 'secret' }, /visibility/], [{ status: 'good' }, /status/], [{ protected: 'maybe' }, /protected/], [{ created_at: 'yesterday' }, /created_at/], [{ created_at: 'gt:0000-01-01T00:00:00Z' }, /created_at/], [{ size_max: '1e3' }, /size_max/],
  ])('refuses %j and says why', (query, reason) => {
    expect(() => readListQuery(query)).toThrow(reason);
  });

  it('never puts a value of a client into the text of a statement', () => {
    const value = fc.oneof(fc.string(), fc.constantFrom("'; DROP TABLE x; --", 'in:a,b', 'name:asc', '1'));
    const name = fc.oneof(fc.constantFrom('name', 'tag', 'owner', 'sort', 'marker', 'status', 'size_min', 'checksum', 'disk_format', 'limit', 'id'), fc.string({ minLength: 1 }));
    const texts = new Set<string>();
    fc.assert(fc.property(fc.dictionary(name, value, { maxKeys: 3 }), (query) => {
      try {
        texts.add(listStatement(readListQuery(query), caller, 'id').text);
      } catch (error) {
        if (!(error instanceof SkyError)) throw error;
      }
    }));
    for (const text of texts) expect(text).not.toMatch(/DROP|;/);
    expect(SORT_KEYS.length).toBeGreaterThan(10);
  });
});
