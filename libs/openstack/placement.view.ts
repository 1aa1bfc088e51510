/** The shapes of Placement's answers at 1.minor. Pure. */
import type { Allocation, ResourceProvider } from '#libs/contracts';

const BASE = '/placement';
/** A relationship of a provider and the microversion that names it first. */
const LINKS = [['', 0], ['aggregates', 1], ['inventories', 0], ['usages', 0], ['traits', 6], ['allocations', 11]] as const;

const hrefOf = (id: string, part: string): string => `${BASE}/resource_providers/${id}${part === '' ? '' : `/${part}`}`;

export function providerView({ id, name, generation }: ResourceProvider, minor: number) {
  return {
    uuid: id, name, generation,
    // Hosts stand alone: no trees.
    ...(minor >= 14 && { parent_provider_uuid: null, root_provider_uuid: id }),
    links: LINKS.filter(([, since]) => minor >= since).map(([part]) => ({ rel: part === '' ? 'self' : part, href: hrefOf(id, part) })),
  };
}

type Inventory = ResourceProvider['inventories'][string];
export const inventoryView = ({ total, reserved, minUnit, maxUnit, stepSize, allocationRatio }: Inventory) => ({
  total, reserved, min_unit: minUnit, max_unit: maxUnit, step_size: stepSize, allocation_ratio: allocationRatio,
});

export const inventoriesView = ({ generation, inventories }: ResourceProvider) => ({
  resource_provider_generation: generation, inventories: Object.fromEntries(Object.entries(inventories).map(([name, inventory]) => [name, inventoryView(inventory)])),
});

export const usagesView = ({ generation, inventories }: ResourceProvider) => ({
  resource_provider_generation: generation, usages: Object.fromEntries(Object.entries(inventories).map(([name, { used }]) => [name, used])),
});

export const traitsView = ({ generation, traits }: ResourceProvider) => ({ resource_provider_generation: generation, traits });

export const aggregatesView = ({ generation, aggregates }: ResourceProvider, minor: number) => ({ aggregates, ...(minor >= 19 && { resource_provider_generation: generation }) });

const added = (sum: Record<string, number>, more: Readonly<Record<string, number>>): Record<string, number> => {
  for (const [name, amount] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + amount;
  return sum;
};

/** What consumers hold of one provider. A server that moves within a host holds both. */
export function providerAllocationsView({ generation }: ResourceProvider, allocations: readonly Allocation[], minor: number) {
  const by: Record<string, { resources: Record<string, number>; consumer_generation?: number }> = {};
  for (const { instanceId, resources, generation: claimed } of allocations) {
    const one = (by[instanceId] ??= { resources: {} });
    added(one.resources, resources);
    if (minor >= 28) one.consumer_generation = Math.max(one.consumer_generation ?? 0, claimed);
  }
  return { resource_provider_generation: generation, allocations: by };
}

/** What one consumer holds of all providers; nothing known of it: no allocations, as Placement answers. */
export function consumerAllocationsView(allocations: readonly Allocation[], providers: readonly ResourceProvider[], userId: string, minor: number) {
  const by: Record<string, { generation: number; resources: Record<string, number> }> = {};
  for (const { hostId, resources } of allocations) {
    const one = (by[hostId] ??= { generation: providers.find(({ id }) => id === hostId)?.generation ?? 0, resources: {} });
    added(one.resources, resources);
  }
  const [first] = allocations;
  return {
    allocations: by,
    ...(first !== undefined && minor >= 12 && { project_id: first.projectId, user_id: userId }),
    ...(first !== undefined && minor >= 28 && { consumer_generation: Math.max(...allocations.map(({ generation }) => generation)) }),
    ...(first !== undefined && minor >= 38 && { consumer_type: CONSUMER }),
  };
}

/** Nova's word for servers. */
const CONSUMER = 'INSTANCE';

export const projectUsagesView = (usages: Readonly<Record<string, number>>, consumers: number, minor: number, type: string | undefined) => {
  if (minor < 38) return { usages };
  if (consumers === 0 || (type !== undefined && type !== CONSUMER && type !== 'all')) return { usages: {} };
  return { usages: { [type === 'all' ? 'all' : CONSUMER]: { ...usages, consumer_count: consumers } } };
};

/** What claims may use of it. */
export const capacityOfInventory = ({ total, reserved, allocationRatio }: Pick<Inventory, 'total' | 'reserved' | 'allocationRatio'>): number => Math.floor((total - reserved) * allocationRatio);

export interface CandidateAsk {
  /** Of all groups together: a host stands alone, so one host gives all. */
  readonly resources: Readonly<Record<string, number>>;
  /** Suffixes of the groups; '' is the unnumbered one. */
  readonly groups: readonly string[];
}

export function candidatesView(providers: readonly ResourceProvider[], { resources, groups }: CandidateAsk, minor: number) {
  const shown = (name: string): boolean => minor >= 27 || Object.hasOwn(resources, name);
  return {
    allocation_requests: providers.map(({ id }) => ({
      allocations: minor >= 12 ? { [id]: { resources } } : [{ resource_provider: { uuid: id }, resources }],
      ...(minor >= 34 && { mappings: Object.fromEntries(groups.map((suffix) => [suffix, [id]])) }),
    })),
    provider_summaries: Object.fromEntries(providers.map(({ id, inventories, traits }) => [id, {
      resources: Object.fromEntries(Object.entries(inventories).filter(([name]) => shown(name)).map(([name, inventory]) => [name, { capacity: capacityOfInventory(inventory), used: inventory.used }])),
      ...(minor >= 17 && { traits }), ...(minor >= 29 && { parent_provider_uuid: null, root_provider_uuid: id }),
    }])),
  };
}

const named = (path: string, name: string, parts: readonly string[]) => ({ name, links: ['', ...parts].map((part) => ({ rel: part === '' ? 'self' : part, href: `${BASE}/${path}/${name}${part === '' ? '' : `/${part}`}` })) });
/** Placement's links of a class: itself, and what later versions would have under it. */
export const resourceClassView = (name: string) => named('resource_classes', name, []);
