import { describe, expect, it } from '@jest/globals';
import { microsNoZone, secondsZ } from './dates.js';
import { hostIdOf } from './host-id.js';
import { computeLinks, nextLinks, resourceLinks } from './links.js';

const base = computeLinks('http://cloud:8780');

describe('links', () => {
  it('self carries the version, bookmark does not', () => {
    expect(resourceLinks(base, 'flavors', '1')).toEqual([
      { rel: 'self', href: 'http://cloud:8780/compute/v2.1/flavors/1' },
      { rel: 'bookmark', href: 'http://cloud:8780/compute/flavors/1' },
    ]);
  });

  it('keeps the project of clients that put one into their path', () => {
    expect(resourceLinks(computeLinks('https://c', '922cbb55734145b2ab92afd4e96da009'), 'servers', 'x')[0]?.href).toBe('https://c/compute/v2.1/922cbb55734145b2ab92afd4e96da009/servers/x');
  });

  it('escapes what stands in a path', () => {
    expect(resourceLinks(base, 'flavors', 'a b/c')[0]?.href).toBe('http://cloud:8780/compute/v2.1/flavors/a%20b%2Fc');
  });

  const page = (limit: number, query: [string, string][]) => ({ limit, query });
  it.each<[string, ReturnType<typeof page>, string[], string | undefined]>([
    ['a full page has one', page(2, [['limit', '2']]), ['a', 'b'], 'limit=2&marker=b'],
    ['a page that is not full has none', page(3, [['limit', '3']]), ['a', 'b'], undefined],
    ['an empty page has none', page(0, [['limit', '0']]), [], undefined],
    ['the marker is replaced, the rest stays, sorted', page(1, [['sort_key', 'b'], ['marker', 'x'], ['limit', '1'], ['sort_key', 'a']]), ['y'], 'limit=1&sort_key=b&sort_key=a&marker=y'],
    ['without a limit the service’s own counts', page(1, []), ['y'], 'marker=y'],
  ])('next: %s', (_name, asked, ids, expected) => {
    expect(nextLinks(base, 'servers/detail', asked, ids)?.[0]?.href).toBe(expected === undefined ? undefined : `http://cloud:8780/compute/v2.1/servers/detail?${expected}`);
  });
});

describe('dates', () => {
  it('servers: whole seconds and Z', () => expect(secondsZ('2026-11-21T01:02:03.456Z')).toBe('2026-11-21T01:02:03Z'));
  it.each([['2026-11-21T01:02:03.456Z', '2026-11-21T01:02:03.456000'], ['2026-11-21T01:02:03Z', '2026-11-21T01:02:03.000000']])('launches: %s -> %s', (iso, expected) => expect(microsNoZone(iso)).toBe(expected));
});

describe('hostIdOf', () => {
  it('is the same for one project on one host, and another for another project', () => {
    expect(hostIdOf('p', 'h')).toBe('0a5e9835749049c9b3e8370f570605297b49add5fbc4af20ad056840');
    expect(hostIdOf('q', 'h')).not.toBe(hostIdOf('p', 'h'));
    expect(hostIdOf('p', null)).toBe('');
  });
});
