import { z } from 'zod';
import { bodyFlag, description } from '../http/body.js';
import { inexactName, paging } from '../http/queries.js';
import { name } from '../http/text.js';
import { LIMITS } from '../limits.js';
import { PUBLIC_URL } from './catalog.js';

/** Keystone's regions are named by whoever makes them. */
const regionId = name.min(1).regex(/^[^/?#]+$/);
const enough = (it: object): boolean => Object.keys(it).length > 0;
const EMPTY = '{} does not have enough properties';

const region = { id: regionId.or(z.literal('')).optional(), description: description.optional(), parent_region_id: regionId.nullable().optional() };
export const CreateRegionBody = z.strictObject({ region: z.looseObject(region) });
export type CreateRegionBody = z.output<typeof CreateRegionBody>;
export const UpdateRegionBody = z.strictObject({ region: z.looseObject(region).refine(enough, EMPTY) });
export type UpdateRegionBody = z.output<typeof UpdateRegionBody>;
export const REGION_KEYS = Object.keys(region);

const service = { type: name.min(1).optional(), name: name.min(1).optional(), description: description.optional(), enabled: bodyFlag.optional() };
export const CreateServiceBody = z.strictObject({ service: z.looseObject({ ...service, type: name.min(1) }) });
export type CreateServiceBody = z.output<typeof CreateServiceBody>;
export const UpdateServiceBody = z.strictObject({ service: z.looseObject(service).refine(enough, EMPTY) });
export type UpdateServiceBody = z.output<typeof UpdateServiceBody>;
export const SERVICE_KEYS = Object.keys(service);

/** An address, or one that begins with where the client came to; only names that can be filled in stand in brackets. */
const url = name.min(1).max(LIMITS.urlChars).regex(/^([a-zA-Z0-9+.-]+:.+|\$\(public_url\)s(\/.*)?)$/)
  .refine((text) => text.slice(text.startsWith(PUBLIC_URL) ? PUBLIC_URL.length : 0).replace(/[$%]\((project_id|tenant_id|user_id)\)s/g, '').search(/[$%]\(/) === -1,
    'The URL may name $(project_id)s, $(tenant_id)s and $(user_id)s, and begin with $(public_url)s; nothing else can be filled in.');
const endpoint = {
  interface: z.enum(['admin', 'internal', 'public']).optional(), region_id: regionId.nullable().optional(), region: regionId.nullable().optional(), service_id: name.min(1).optional(), url: url.optional(),
  name: name.nullable().optional(), description: description.optional(), enabled: bodyFlag.optional(),
};
export const CreateEndpointBody = z.strictObject({ endpoint: z.looseObject({ ...endpoint, interface: z.enum(['admin', 'internal', 'public']), service_id: name.min(1), url }) });
export type CreateEndpointBody = z.output<typeof CreateEndpointBody>;
export const UpdateEndpointBody = z.strictObject({ endpoint: z.looseObject(endpoint).refine(enough, EMPTY) });
export type UpdateEndpointBody = z.output<typeof UpdateEndpointBody>;
export const ENDPOINT_KEYS = Object.keys(endpoint);

/** Regions have no names: old clients ask for one by name when there is none of that id, and must not be shown another. */
export const RegionsQuery = z.object({ parent_region_id: name.optional(), name: name.optional(), ...paging });
export type RegionsQuery = z.output<typeof RegionsQuery>;
export const ServicesQuery = z.object({ name: name.optional(), ...inexactName, type: name.optional(), ...paging });
export type ServicesQuery = z.output<typeof ServicesQuery>;
export const EndpointsQuery = z.object({ interface: z.enum(['admin', 'internal', 'public']).optional(), service_id: name.optional(), region_id: name.optional(), ...paging });
export type EndpointsQuery = z.output<typeof EndpointsQuery>;
