import type { Endpoint } from './endpoints.repository.js';
import type { Region } from './regions.repository.js';
import type { Service } from './services.repository.js';

/** Attributes that Keystone shows only where they were given. */
const given = (values: Record<string, string | null>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== null));

export const serviceView = (v3: string, { extra, name, description, id, type, enabled }: Service) => ({
  ...extra, name: name ?? '', id, type, enabled, ...given({ description }), links: { self: `${v3}/services/${id}` },
});

export const endpointView = (v3: string, baseUrl: string, { extra, id, interface: side, regionId, serviceId, url, enabled, name, description }: Endpoint) => ({
  ...extra, id, interface: side, region_id: regionId, service_id: serviceId, url: url.replace('$(public_url)s', baseUrl), enabled, region: regionId, ...given({ name, description }),
  links: { self: `${v3}/endpoints/${id}` },
});

export const regionView = (v3: string, { extra, id, description, parentId }: Region) =>
  ({ ...extra, id, description, parent_region_id: parentId, links: { self: `${v3}/regions/${encodeURIComponent(id)}` } });
