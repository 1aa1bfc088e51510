import { Controller, Get, Inject, Param } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { listAllocations } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { aggregatesView, inventoriesView, inventoryView, providerAllocationsView, providerView, traitsView, usagesView } from '#libs/openstack';
import { Describe } from '../http/describe.js';
import { Inventories, InventoryAnswer, ProviderAggregates, ProviderAllocations, ProviderAnswer, ProviderList, ProviderQuery, ProviderTraits, ProviderUsages } from './answers.js';
import { demandKnown, meets, readWish } from './decide/provider-wish.js';
import { onlyKnown, PlacementCallParam, since, type PlacementCall } from './placement-call.js';
import { allProviders, oneProvider } from './providers.js';

/** What a list can be narrowed by, and the microversion that knows it first. */
const FILTERS: Readonly<Record<string, number>> = { name: 0, uuid: 0, member_of: 3, resources: 4, in_tree: 14, required: 18 };

/** Hosts, as Placement's readers see them. */
@Controller('placement/resource_providers')
export class ResourceProvidersController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('placement:resource-providers:list')
  @Describe({ summary: 'List hosts as resource providers', query: ProviderQuery, answers: { 200: ProviderList } })
  async list(@PlacementCallParam() { caller, minor, query }: PlacementCall) {
    onlyKnown(query, (name) => minor >= (FILTERS[name] ?? Infinity));
    const wish = readWish(query, '', minor);
    const [name, uuid] = [query.get('name'), query.get('uuid')];
    if (uuid !== null && !/^[0-9a-f-]{32,36}$/i.test(uuid)) throw badRequest(`Invalid query string parameters: '${uuid.slice(0, 64)}' is not a 'uuid'`, { details: { code: 'placement.query.bad_value' } });
    const all = await allProviders(this.bus, caller.requestId);
    demandKnown(wish, all);
    const found = all.filter((provider) => (name === null || provider.name === name) && (uuid === null || provider.id === uuid.toLowerCase()) && meets(provider, wish));
    return { resource_providers: found.map((provider) => providerView(provider, minor)) };
  }

  @Get(':uuid')
  @Policy('placement:resource-providers:get')
  @Describe({ summary: 'One host as a resource provider', answers: { 200: ProviderAnswer } })
  async get(@PlacementCallParam() { caller, minor }: PlacementCall, @Param('uuid') uuid: string) {
    return providerView(await oneProvider(this.bus, caller.requestId, uuid), minor);
  }

  @Get(':uuid/inventories')
  @Policy('placement:inventories:list')
  @Describe({ summary: 'What a host has', answers: { 200: Inventories } })
  async inventories(@PlacementCallParam() { caller }: PlacementCall, @Param('uuid') uuid: string) {
    return inventoriesView(await oneProvider(this.bus, caller.requestId, uuid));
  }

  @Get(':uuid/inventories/:name')
  @Policy('placement:inventories:list')
  @Describe({ summary: 'What a host has of one class', answers: { 200: InventoryAnswer } })
  async inventory(@PlacementCallParam() { caller }: PlacementCall, @Param('uuid') uuid: string, @Param('name') name: string) {
    const { inventories, generation } = await oneProvider(this.bus, caller.requestId, uuid);
    const inventory = Object.hasOwn(inventories, name) ? inventories[name] : undefined;
    if (inventory === undefined) throw notFound(`No inventory of class ${name.slice(0, 255)} for ${uuid}`);
    return { resource_provider_generation: generation, ...inventoryView(inventory) };
  }

  @Get(':uuid/usages')
  @Policy('placement:usages:list')
  @Describe({ summary: 'What is claimed of a host', answers: { 200: ProviderUsages } })
  async usages(@PlacementCallParam() { caller }: PlacementCall, @Param('uuid') uuid: string) {
    return usagesView(await oneProvider(this.bus, caller.requestId, uuid));
  }

  @Get(':uuid/traits')
  @Policy('placement:traits:list')
  @Describe({ summary: "A host's traits", answers: { 200: ProviderTraits } })
  async traits(@PlacementCallParam() { caller, minor }: PlacementCall, @Param('uuid') uuid: string) {
    since(minor, 6);
    return traitsView(await oneProvider(this.bus, caller.requestId, uuid));
  }

  @Get(':uuid/aggregates')
  @Policy('placement:aggregates:list')
  @Describe({ summary: 'The aggregates that a host is in', answers: { 200: ProviderAggregates } })
  async aggregates(@PlacementCallParam() { caller, minor }: PlacementCall, @Param('uuid') uuid: string) {
    since(minor, 1);
    return aggregatesView(await oneProvider(this.bus, caller.requestId, uuid), minor);
  }

  @Get(':uuid/allocations')
  @Policy('placement:allocations:list')
  @Describe({ summary: 'What servers hold of a host', answers: { 200: ProviderAllocations } })
  async allocations(@PlacementCallParam() { caller, minor }: PlacementCall, @Param('uuid') uuid: string) {
    const provider = await oneProvider(this.bus, caller.requestId, uuid);
    const { allocations } = await this.bus.ask(listAllocations, { hostId: provider.id }, { requestId: caller.requestId });
    return providerAllocationsView(provider, allocations, minor);
  }
}
