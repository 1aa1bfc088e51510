import { describe, expect, it } from '@jest/globals';
import { catalogOf, isPersonal, seededCatalog, type CatalogRows } from './catalog.js';

const ids = ({ services, endpoints }: CatalogRows): string[] => [...services, ...endpoints].map(({ id }) => id);

describe('the seeded catalog', () => {
  it('has the same ids whenever it is made, and others in another cloud', () => {
    expect(ids(seededCatalog('a', 'RegionOne'))).toEqual(ids(seededCatalog('a', 'RegionOne')));
    expect(ids(seededCatalog('a', 'RegionOne')).filter((id) => ids(seededCatalog('b', 'RegionOne')).includes(id))).toEqual([]);
    for (const id of ids(seededCatalog('a', ''))) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  it('stands at the address by which the client came', () => {
    const [identity] = catalogOf(seededCatalog('a', 'RegionOne'), 'https://cloud:443');
    expect(identity).toMatchObject({ type: 'identity', name: 'keystone' });
    expect(identity?.endpoints.map((it) => [it.interface, it.region, it.url])).toEqual(['public', 'internal', 'admin'].map((side) => [side, 'RegionOne', 'https://cloud:443/identity/v3']));
  });
});

describe('a catalog', () => {
  const rows = (url: string): CatalogRows => ({ services: [{ id: 's', type: 'volume', name: null }], endpoints: [{ id: 'e', serviceId: 's', regionId: null, interface: 'public', url }] });
  const urlsOf = (url: string, owner?: { projectId: string | null; userId: string }) => catalogOf(rows(url), 'http://base', owner)[0]?.endpoints.map((it) => it.url);

  it('fills in whose it is, and leaves out what cannot be filled in', () => {
    const owner = { projectId: 'p1', userId: 'u1' };
    expect(urlsOf('http://v/$(project_id)s', owner)).toEqual(['http://v/p1']);
    expect(urlsOf('$(public_url)s/%(tenant_id)s/$(user_id)s', owner)).toEqual(['http://base/p1/u1']);
    expect(urlsOf('http://v/$(project_id)s', { ...owner, projectId: null })).toEqual([]);
    expect(urlsOf('http://v/$(public_url)s', owner)).toEqual(['http://v/$(public_url)s']);
    expect([isPersonal(rows('http://v/$(project_id)s')), isPersonal(rows('http://v'))]).toEqual([true, false]);
  });
});
