import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Put } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { getProjectUsage, getServer, InstanceId, listAllocations, type Allocation, type ResourceProvider } from '#libs/contracts';
import { asSkyError, badRequest, notFound } from '#libs/errors';
import { HttpError } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { candidatesView, consumerAllocationsView, placementVersions, projectUsagesView, resourceClassView, STANDARD_RESOURCES, STANDARD_TRAITS } from '#libs/openstack';
import { asking } from '../http/call.js';
import { Describe } from '../http/describe.js';
import { dashed } from '../http/input-types.js';
import { Candidates, CandidatesQuery, ConsumerAllocations, PlacementVersions, ProjectUsages, ResourceClassAnswer, ResourceClasses, TraitList, TraitsQuery, UsagesQuery } from './answers.js';
import { demandKnown, gives, meets, readWish } from './decide/provider-wish.js';
import { onlyKnown, PlacementCallParam, since, type PlacementCall } from './placement-call.js';
import { allProviders, oneProvider } from './providers.js';

const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
/** resources, resources1, from 1.33 resources_ANY; and the microversion of each name. */
const GROUPED: Readonly<Record<string, number>> = { resources: 10, required: 17, member_of: 21, in_tree: 31 };
const WIDE: Readonly<Record<string, number>> = { limit: 16, group_policy: 25, root_required: 35, same_subtree: 36 };

/** Discovery: clients read it before they have a token. */
@Controller('placement')
export class PlacementVersionsController {
  @Get()
  @Policy('public')
  @Describe({ summary: "Placement's versions", answers: { 200: PlacementVersions } })
  list() { return placementVersions(); }
}

/** What is claimed, what could be, and the words for it. */
@Controller('placement')
export class PlacementController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get('allocations/:consumer')
  @Policy('placement:allocations:list')
  @Describe({ summary: 'What a server holds of hosts', answers: { 200: ConsumerAllocations } })
  async allocations(@PlacementCallParam() { caller, minor }: PlacementCall, @Param('consumer') consumer: string) {
    const { data: instanceId } = InstanceId.safeParse(UUID.test(consumer) ? dashed(consumer) : consumer);
    if (instanceId === undefined) throw notFound(`Malformed consumer_uuid: ${consumer.slice(0, 64)}`);
    const { allocations } = await this.bus.ask(listAllocations, { instanceId }, { requestId: caller.requestId });
    const providers = await this.#providersOf(allocations, caller.requestId);
    return consumerAllocationsView(allocations, providers, allocations.length === 0 ? '' : await this.#userOf(caller, instanceId, allocations[0]!.projectId), minor);
  }

  @Get('usages')
  @Policy('placement:usages:list')
  @Describe({ summary: 'What a project holds of all hosts', query: UsagesQuery, answers: { 200: ProjectUsages } })
  async usages(@PlacementCallParam() { caller, minor, query }: PlacementCall) {
    since(minor, 9);
    onlyKnown(query, (name) => name === 'project_id' || name === 'user_id' || (name === 'consumer_type' && minor >= 38));
    const projectId = query.get('project_id');
    if (projectId === null || projectId === '') throw badRequest("Invalid query string parameters: 'project_id' is a required property", { details: { code: 'placement.query.missing_value' } });
    if (query.has('user_id')) throw badRequest("Invalid query string parameters: 'user_id' is not offered: claims are counted by project alone.", { details: { code: 'placement.query.bad_value' } });
    const { usages, consumers } = await this.bus.ask(getProjectUsage, { projectId: projectId.slice(0, 255) }, { requestId: caller.requestId });
    return projectUsagesView(usages, consumers, minor, query.get('consumer_type') ?? undefined);
  }

  @Get('traits')
  @Policy('placement:traits:list')
  @Describe({ summary: 'List traits: the standard ones, and those that hosts have', query: TraitsQuery, answers: { 200: TraitList } })
  async traits(@PlacementCallParam() { caller, minor, query }: PlacementCall) {
    since(minor, 6);
    onlyKnown(query, (name) => name === 'name' || name === 'associated');
    const used = new Set((await allProviders(this.bus, caller.requestId)).flatMap(({ traits }) => traits));
    const associated = query.get('associated')?.toLowerCase();
    if (associated !== undefined && !['true', 'false'].includes(associated)) throw badRequest("The query parameter 'associated' only accepts 'true' or 'false'", { details: { code: 'placement.query.bad_value' } });
    const known = [...new Set([...STANDARD_TRAITS, ...used])].filter((name) => associated === undefined || used.has(name) === (associated === 'true')).sort();
    return { traits: known.filter(named(query.get('name'))) };
  }

  @Get('traits/:name')
  @HttpCode(204)
  @Policy('placement:traits:list')
  @Describe({ summary: 'Is there this trait?', answers: { 204: null } })
  async trait(@PlacementCallParam() { caller, minor }: PlacementCall, @Param('name') name: string): Promise<void> {
    since(minor, 6);
    if (STANDARD_TRAITS.has(name) || (await allProviders(this.bus, caller.requestId)).some(({ traits }) => traits.includes(name))) return;
    throw notFound(`No such trait(s): ${name.slice(0, 255)}.`);
  }

  @Get('resource_classes')
  @Policy('placement:resource-classes:list')
  @Describe({ summary: 'List resource classes: the standard ones, and those that hosts have', answers: { 200: ResourceClasses } })
  async classes(@PlacementCallParam() { caller, minor }: PlacementCall) {
    since(minor, 2);
    return { resource_classes: [...await this.#classes(caller.requestId)].map(resourceClassView) };
  }

  @Get('resource_classes/:name')
  @Policy('placement:resource-classes:list')
  @Describe({ summary: 'One resource class', answers: { 200: ResourceClassAnswer } })
  async class(@PlacementCallParam() { caller, minor }: PlacementCall, @Param('name') name: string) {
    since(minor, 2);
    if (!(await this.#classes(caller.requestId)).has(name)) throw notFound(`No such resource class ${name.slice(0, 255)}.`);
    return resourceClassView(name);
  }

  /** From the inventories, as they are this moment, of hosts that take new servers; what a server really gets, its claim says. */
  @Get('allocation_candidates')
  @Policy('placement:allocation-candidates:list')
  @Describe({ summary: 'Hosts that could give what is asked for; each parameter of a wish also with the suffix of a group', query: CandidatesQuery, answers: { 200: Candidates } })
  async candidates(@PlacementCallParam() { caller, minor, query }: PlacementCall) {
    since(minor, 10);
    const suffixOf = (name: string): string | undefined => {
      const match = (minor >= 33 ? /^(resources|required|member_of|in_tree)([A-Za-z0-9_-]{0,64})$/ : /^(resources|required|member_of|in_tree)([1-9]\d*)?$/).exec(name);
      return match !== null && minor >= GROUPED[match[1]!]! && (match[2] === undefined || match[2] === '' || minor >= 25) ? (match[2] ?? '') : undefined;
    };
    onlyKnown(query, (name) => minor >= (WIDE[name] ?? Infinity) || suffixOf(name) !== undefined);
    const groups = [...new Set([...query.keys()].flatMap((name) => (Object.hasOwn(WIDE, name) ? [] : suffixOf(name) ?? [])))];
    const wishes = groups.map((suffix) => readWish(query, suffix, minor));
    if (wishes.length === 0 || wishes.some(({ resources }) => Object.keys(resources).length === 0)) throw badRequest("Invalid query string parameters: 'resources' is a required property of each group.", { details: { code: 'placement.query.missing_value' } });
    const policy = query.get('group_policy');
    if (policy !== null && policy !== 'none' && policy !== 'isolate') throw badRequest("Invalid query string parameters: 'group_policy' is none or isolate.", { details: { code: 'placement.query.bad_value' } });
    const numbered = groups.filter((suffix) => suffix !== '').length;
    if (numbered > 1 && policy === null) throw badRequest('The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.');
    const limit = query.get('limit');
    if (limit !== null && !/^[1-9]\d{0,8}$/.test(limit)) throw badRequest("Invalid query string parameters: 'limit' is a positive integer.", { details: { code: 'placement.query.bad_value' } });
    const root = query.has('root_required') ? [readWish(new URLSearchParams([['required', query.get('root_required')!]]), '', minor)] : [];
    const providers = await allProviders(this.bus, caller.requestId);
    for (const wish of [...wishes, ...root]) demandKnown(wish, providers);
    const resources: Record<string, number> = {};
    for (const wish of wishes) for (const [name, amount] of Object.entries(wish.resources)) resources[name] = (resources[name] ?? 0) + amount;
    // Hosts stand alone: groups that have to be on different providers of one tree find none.
    const found = numbered > 1 && policy === 'isolate' ? [] : providers.filter((provider) => provider.takesNew !== false && [...wishes, ...root].every((wish) => meets(provider, wish)) && gives(provider.inventories, resources));
    return candidatesView(limit === null ? found : found.slice(0, Number(limit)), { resources, groups }, minor);
  }

  async #classes(requestId: string): Promise<Set<string>> {
    return new Set([...STANDARD_RESOURCES, ...(await allProviders(this.bus, requestId)).flatMap(({ inventories }) => Object.keys(inventories))]);
  }

  async #providersOf(allocations: readonly Allocation[], requestId: string): Promise<ResourceProvider[]> {
    return Promise.all([...new Set(allocations.map(({ hostId }) => hostId))].map((id) => oneProvider(this.bus, requestId, id)));
  }

  /** Claims do not know users, their servers do; one that is being deleted answers by its project. */
  async #userOf(caller: PlacementCall['caller'], instanceId: InstanceId, projectId: string): Promise<string> {
    try {
      return (await asking(this.bus, caller)(getServer, { instanceId })).userId;
    } catch (error) {
      if (asSkyError(error).kind === 'not-found') return projectId;
      throw error;
    }
  }
}

/** Paths that Placement has writes on. */
const WRITABLE = [
  'resource_providers', 'resource_providers/:uuid', 'resource_providers/:uuid/inventories', 'resource_providers/:uuid/inventories/:name', 'resource_providers/:uuid/traits',
  'resource_providers/:uuid/aggregates', 'allocations', 'allocations/:consumer', 'traits/:name', 'resource_classes', 'resource_classes/:name', 'reshaper',
];

/** Nobody writes here: two owners of one claim would be none. */
@Controller('placement')
@Policy('placement:write')
export class PlacementWritesController {
  @Post(WRITABLE) post(): never { return refuse(); }
  @Put(WRITABLE) put(): never { return refuse(); }
  @Patch(WRITABLE) patch(): never { return refuse(); }
  @Delete(WRITABLE) delete(): never { return refuse(); }
}

function refuse(): never {
  throw new HttpError(405, "Placement is read-only here: Skylite's scheduler owns inventories, traits and allocations. Hosts report what they have, servers claim it; aggregates are changed through the compute API.", { allow: 'GET' });
}

/** `in:A,B` or `startswith:A` */
function named(text: string | null): (name: string) => boolean {
  if (text === null) return () => true;
  if (text.startsWith('in:')) {
    const names = new Set(text.slice(3).split(','));
    return (name) => names.has(name);
  }
  if (text.startsWith('startswith:')) return (name) => name.startsWith(text.slice(11));
  throw badRequest('Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix].', { details: { code: 'placement.query.bad_value' } });
}
