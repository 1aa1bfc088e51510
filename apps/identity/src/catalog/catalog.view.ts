import type { CatalogEndpoint, CatalogEntry } from './catalog.js';

export const serviceView = (v3: string, { id, name, type }: CatalogEntry) => ({ name, id, type, enabled: true, links: { self: `${v3}/services/${id}` } });

export const endpointView = (v3: string, serviceId: string, endpoint: CatalogEndpoint) => ({
  id: endpoint.id, interface: endpoint.interface, region_id: endpoint.region_id, service_id: serviceId, url: endpoint.url, enabled: true, region: endpoint.region,
  links: { self: `${v3}/endpoints/${endpoint.id}` },
});

export const regionView = (v3: string, id: string) => ({ id, description: '', parent_region_id: null, links: { self: `${v3}/regions/${id}` } });
