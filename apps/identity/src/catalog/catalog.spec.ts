import { expect, it } from '@jest/globals';
import { buildCatalog } from './catalog.js';

it('has the same ids by whatever name it is reached, and others in another cloud', () => {
  const ids = (cloud: string, base: string): string[] => buildCatalog(cloud, 'RegionOne', base).flatMap((entry) => [entry.id, ...entry.endpoints.map((endpoint) => endpoint.id)]);
  expect(ids('a', 'http://one')).toEqual(ids('a', 'https://two:443'));
  expect(ids('a', 'http://one').filter((id) => ids('b', 'http://one').includes(id))).toEqual([]);
  for (const id of ids('a', '')) expect(id).toMatch(/^[0-9a-f]{32}$/);
});
