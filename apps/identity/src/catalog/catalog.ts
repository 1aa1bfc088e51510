import { createHash } from 'node:crypto';

export interface CatalogEndpoint { id: string; interface: 'public' | 'internal' | 'admin'; region_id: string; url: string; region: string }
export interface CatalogEntry { endpoints: CatalogEndpoint[]; id: string; type: string; name: string }

/** What is really there; an entry appears with its service. */
const SERVICES = [
  { type: 'identity', name: 'keystone', path: '/identity/v3' },
  { type: 'compute', name: 'nova', path: '/compute/v2.1' },
  { type: 'image', name: 'glance', path: '/image' },
  { type: 'placement', name: 'placement', path: '/placement' },
] as const;
// First match wins in several clients, so the order is fixed.
const INTERFACES = ['public', 'internal', 'admin'] as const;

/** Ids that stay the same for a cloud, without being stored. */
const stableId = (cloudId: string, what: string): string => createHash('sha256').update(`${cloudId}/${what}`).digest('hex').slice(0, 32);

/** @param baseUrl absolute, without a trailing slash. */
export const buildCatalog = (cloudId: string, region: string, baseUrl: string): CatalogEntry[] => SERVICES.map(({ type, name, path }) => ({
  endpoints: INTERFACES.map((side) => ({ id: stableId(cloudId, `endpoint/${region}/${type}/${side}`), interface: side, region_id: region, url: `${baseUrl}${path}`, region })),
  id: stableId(cloudId, `service/${type}`), type, name,
}));
