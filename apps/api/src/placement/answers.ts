/** The shapes of Placement's queries and answers at its highest microversion, for the OpenAPI document and for tests that hold the answers to them. */
import { z } from 'zod';
import { many } from '../http/input-types.js';

const Amounts = z.record(z.string(), z.int());
const Generation = { resource_provider_generation: z.int() };
const links = z.array(z.strictObject({ rel: z.string(), href: z.string() }));
const Inventory = { total: z.int(), reserved: z.int(), min_unit: z.int(), max_unit: z.int(), step_size: z.int(), allocation_ratio: z.number() };
/** Hosts stand alone: each is the root of its own tree. */
const Provider = z.strictObject({ uuid: z.uuid(), name: z.string(), generation: z.int(), parent_provider_uuid: z.null(), root_provider_uuid: z.uuid(), links });

export const PlacementVersions = z.strictObject({ versions: z.array(z.strictObject({ id: z.string(), min_version: z.string(), max_version: z.string(), status: z.string(), links })) });
export const ProviderList = z.strictObject({ resource_providers: z.array(Provider) });
export const ProviderAnswer = Provider;
export const Inventories = z.strictObject({ ...Generation, inventories: z.record(z.string(), z.strictObject(Inventory)) });
export const InventoryAnswer = z.strictObject({ ...Generation, ...Inventory });
export const ProviderUsages = z.strictObject({ ...Generation, usages: Amounts });
export const ProviderTraits = z.strictObject({ ...Generation, traits: z.array(z.string()) });
export const ProviderAggregates = z.strictObject({ ...Generation, aggregates: z.array(z.uuid()) });
export const ProviderAllocations = z.strictObject({ ...Generation, allocations: z.record(z.string(), z.strictObject({ resources: Amounts, consumer_generation: z.int() })) });
/** Of a consumer that holds nothing there is only `allocations`. */
export const ConsumerAllocations = z.strictObject({
  allocations: z.record(z.string(), z.strictObject({ generation: z.int(), resources: Amounts })),
  project_id: z.string().optional(), user_id: z.string().optional(), consumer_generation: z.int().optional(), consumer_type: z.string().optional(),
});
/** By the type of consumers. */
export const ProjectUsages = z.strictObject({ usages: z.record(z.string(), Amounts) });
export const TraitList = z.strictObject({ traits: z.array(z.string()) });
const ResourceClass = z.strictObject({ name: z.string(), links });
export const ResourceClasses = z.strictObject({ resource_classes: z.array(ResourceClass) });
export const ResourceClassAnswer = ResourceClass;
export const Candidates = z.strictObject({
  allocation_requests: z.array(z.strictObject({ allocations: z.record(z.string(), z.strictObject({ resources: Amounts })), mappings: z.record(z.string(), z.array(z.uuid())) })),
  provider_summaries: z.record(z.string(), z.strictObject({
    resources: z.record(z.string(), z.strictObject({ capacity: z.int(), used: z.int() })), traits: z.array(z.string()), parent_provider_uuid: z.null(), root_provider_uuid: z.uuid(),
  })),
});

/** What providers can be narrowed by. Of candidates each but the last two also with the suffix of a group: resources1, required_NET. */
const wish = { resources: many, required: many, member_of: many, in_tree: many };
export const ProviderQuery = z.object({ name: many, uuid: many, ...wish }).partial();
export const CandidatesQuery = z.object({ ...wish, group_policy: many, limit: many, root_required: many, same_subtree: many }).partial();
export const UsagesQuery = z.object({ project_id: many, consumer_type: many }).partial();
export const TraitsQuery = z.object({ name: many, associated: many }).partial();
