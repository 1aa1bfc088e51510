/**
 * The catalog: what a client learns of where services are. Pure: from rows to what a token's answer shows. Disabled services and
 * endpoints are not in it, and services without endpoints are, as in Keystone's.
 */
import { createHash } from 'node:crypto';

export type Interface = 'public' | 'internal' | 'admin';
export interface CatalogEndpoint { id: string; interface: Interface; region_id: string | null; url: string; region: string | null }
export interface CatalogEntry { endpoints: CatalogEndpoint[]; id: string; type: string; name: string }

/** As stored; in the order in which they were made. */
export interface ServiceRow { id: string; type: string; name: string | null }
export interface EndpointRow { id: string; serviceId: string; regionId: string | null; interface: Interface; url: string }
export interface CatalogRows { services: readonly ServiceRow[]; endpoints: readonly EndpointRow[] }

/** Stands at the beginning of a URL for the address by which the client came. */
export const PUBLIC_URL = '$(public_url)s';

/** What a new cloud has; an entry appears with its service. */
const SERVICES = [
  { type: 'identity', name: 'keystone', path: '/identity/v3' },
  { type: 'compute', name: 'nova', path: '/compute/v2.1' },
  { type: 'image', name: 'glance', path: '/image' },
  { type: 'placement', name: 'placement', path: '/placement' },
] as const;
// First match wins in several clients, so the order is fixed.
const INTERFACES = ['public', 'internal', 'admin'] as const;

/** Ids that are the same whenever they are made for a cloud: earlier versions kept none, and clients may have noted them. */
const stableId = (cloudId: string, what: string): string => createHash('sha256').update(`${cloudId}/${what}`).digest('hex').slice(0, 32);

export function seededCatalog(cloudId: string, region: string): CatalogRows {
  const services = SERVICES.map(({ type, name }) => ({ id: stableId(cloudId, `service/${type}`), type, name }));
  const endpoints = SERVICES.flatMap(({ type, path }) => INTERFACES.map((side) => ({
    id: stableId(cloudId, `endpoint/${region}/${type}/${side}`), serviceId: stableId(cloudId, `service/${type}`), regionId: region, interface: side, url: `${PUBLIC_URL}${path}`,
  })));
  return { services, endpoints };
}

/** Whose catalog it is: some services want their ids in the URL. */
export interface CatalogOwner { projectId: string | null; userId: string }

/** Keystone knows both forms, and both names of a project. */
const PLACEHOLDER = /[$%]\((project_id|tenant_id|user_id)\)s/g;

/** Does any URL depend on whose catalog it is? */
export const isPersonal = ({ endpoints }: CatalogRows): boolean => endpoints.some(({ url }) => url.search(PLACEHOLDER) !== -1);

/** @param baseUrl absolute, without a trailing slash. */
export function catalogOf({ services, endpoints }: CatalogRows, baseUrl: string, owner?: CatalogOwner): CatalogEntry[] {
  const byService = Map.groupBy(endpoints, ({ serviceId }) => serviceId);
  return services.map(({ id, type, name }) => ({
    endpoints: (byService.get(id) ?? []).flatMap((endpoint) => {
      const url = urlFor(endpoint.url, baseUrl, owner);
      return url === undefined ? [] : [{ id: endpoint.id, interface: endpoint.interface, region_id: endpoint.regionId, url, region: endpoint.regionId }];
    }),
    id, type, name: name ?? '',
  }));
}

/** undefined: it wants a project's id, and there is none. */
function urlFor(url: string, baseUrl: string, owner: CatalogOwner | undefined): string | undefined {
  let complete = true;
  const filled = url.replace(PLACEHOLDER, (_, name: string) => {
    const id = (name === 'user_id' ? owner?.userId : owner?.projectId) ?? '';
    if (id === '') complete = false;
    return id;
  });
  if (!complete) return undefined;
  return filled.startsWith(PUBLIC_URL) ? `${baseUrl}${filled.slice(PUBLIC_URL.length)}` : filled;
}
