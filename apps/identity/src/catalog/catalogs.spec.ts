import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { CatalogRows } from './catalog.js';
import type { CatalogRepository } from './catalog.repository.js';
import { Catalogs } from './catalogs.js';

let now = 0;
const rows = (url: string): CatalogRows => ({ services: [{ id: 's', type: 'image', name: 'glance' }], endpoints: [{ id: 'e', serviceId: 's', regionId: null, interface: 'public', url }] });
const enabled = jest.fn<() => Promise<CatalogRows>>();
const catalogs = (): Catalogs => new Catalogs({ enabled } as unknown as CatalogRepository);
const urlOf = async (of: Catalogs, base = 'http://a'): Promise<string | undefined> => (await of.at(base))[0]?.endpoints[0]?.url;

beforeEach(() => {
  now = 10_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  enabled.mockReset().mockImplementation(() => Promise.resolve(rows('$(public_url)s/1')));
});
afterEach(() => { jest.restoreAllMocks(); });

it('asks once for many, and gives each address its own', async () => {
  const of = catalogs();
  expect(await Promise.all([urlOf(of), urlOf(of), urlOf(of, 'http://b')])).toEqual(['http://a/1', 'http://a/1', 'http://b/1']);
  expect(await of.at('http://a')).toBe(await of.at('http://a'));
  expect(enabled).toHaveBeenCalledTimes(1);
});

it('asks again in passing after a second, and waits for the answer before two', async () => {
  const of = catalogs();
  await urlOf(of);
  enabled.mockImplementation(() => Promise.resolve(rows('$(public_url)s/2')));
  now += 1_100;
  expect(await urlOf(of)).toBe('http://a/1');
  await Promise.resolve();
  expect(await urlOf(of)).toBe('http://a/2');
  enabled.mockImplementation(() => Promise.resolve(rows('$(public_url)s/3')));
  now += 1_950;
  expect(await urlOf(of)).toBe('http://a/3');
});

it('goes on with what it knows while the database is away, and has nothing to say before it knew anything', async () => {
  const of = catalogs();
  await urlOf(of);
  enabled.mockImplementation(() => Promise.reject(new Error('away')));
  now += 60_000;
  expect(await urlOf(of)).toBe('http://a/1');
  await expect(urlOf(catalogs())).rejects.toThrow('away');
});
