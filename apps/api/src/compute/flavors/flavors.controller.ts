import { Body, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import { allows, Policy } from '#libs/auth';
import { createFlavor, deleteFlavor, getFlavor, listFlavors, updateFlavor, type Flavor } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { flavorDetail, flavorList, has } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { onlyIn } from '../../http/only-in.js';
import { pagingOf, withMarker } from '../../http/paging.js';
import { last, readBody, readFlag, readQuery } from '../../http/read-input.js';
import { FlavorAnswer, FlavorDetailList, FlavorList } from '../answers.js';
import { flavorIdOf } from './flavor-id.js';
import { CreateFlavorBody, ListFlavorsQuery, UpdateFlavorBody } from './flavors.schema.js';

const WITH_DESCRIPTION = { since: '2.55' } as const;

@ComputeController('flavors')
export class FlavorsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:flavors:list')
  @Describe({ summary: 'List flavors: id and name', query: ListFlavorsQuery, answers: { 200: FlavorList } })
  list(@CallParam() call: Call) {
    return this.listAs(call, false);
  }

  @Get('detail')
  @Policy('compute:flavors:list')
  @Describe({ summary: 'List flavors in full', query: ListFlavorsQuery, answers: { 200: FlavorDetailList } })
  detail(@CallParam() call: Call) {
    return this.listAs(call, true);
  }

  @Get(':id')
  @Policy('compute:flavors:get')
  @Describe({ summary: 'One flavor', answers: { 200: FlavorAnswer } })
  async get(@CallParam() call: Call, @Param('id') id: string) {
    return { flavor: flavorDetail(await this.flavor(call, id), call) };
  }

  @Post()
  @HttpCode(200)
  @Policy('compute:flavors:create')
  @Describe({ summary: 'Create a flavor', body: CreateFlavorBody, answers: { 200: FlavorAnswer } })
  async create(@CallParam() call: Call, @Body() body: unknown) {
    const asked = readBody(CreateFlavorBody(call.version), body);
    const wanted = newFlavor(asked.flavor, call.ids);
    const flavor = await unlessRepeated(call.ids, asking(this.bus, call.caller)(createFlavor, { flavor: wanted }), () => this.flavor(call, wanted.id), (made) => made.name === wanted.name);
    return { flavor: flavorDetail(flavor, call) };
  }

  @Delete(':id')
  @HttpCode(202)
  @Policy('compute:flavors:delete')
  @Describe({ summary: 'Delete a flavor; servers keep what they were made with', answers: { 202: null } })
  async delete(@CallParam() { caller }: Call, @Param('id') id: string): Promise<void> {
    await asking(this.bus, caller)(deleteFlavor, { flavorId: flavorIdOf(id) });
  }

  @Put(':id')
  @Policy('compute:flavors:update')
  @Describe({ summary: 'Change a flavor’s description', ...WITH_DESCRIPTION, body: UpdateFlavorBody, answers: { 200: FlavorAnswer } })
  async update(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    onlyIn(call.version, WITH_DESCRIPTION);
    const { flavor: { description } } = readBody(UpdateFlavorBody, body);
    return { flavor: flavorDetail(await asking(this.bus, call.caller)(updateFlavor, { flavorId: flavorIdOf(id), description }), call) };
  }

  private flavor({ caller }: Call, id: string): Promise<Flavor> {
    return asking(this.bus, caller)(getFlavor, { flavorId: flavorIdOf(id) });
  }

  private async listAs(call: Call, detail: boolean) {
    const values = readQuery(ListFlavorsQuery, call.query, has(call.version, 'query.strict'));
    const paging = pagingOf(call.query, values);
    const minRam = wholeNumber('minRam', last(values.minRam));
    const minDisk = wholeNumber('minDisk', last(values.minDisk));
    const isPublic = allows('compute:flavors:list-hidden', call.caller) ? readPublic(last(values.is_public)) : true;
    const { flavors } = paging.limit === 0 ? { flavors: [] } : await withMarker(paging.marker, asking(this.bus, call.caller)(listFlavors, {
      isPublic, limit: paging.limit, sortKey: values.sort_key?.at(-1) ?? 'flavorid', sortDirection: values.sort_dir?.at(-1) === 'desc' ? 'desc' : 'asc', ...(paging.marker !== undefined && { marker: paging.marker }),
      ...(minRam !== undefined && { minRamMib: minRam }), ...(minDisk !== undefined && { minDiskGib: minDisk }),
    }));
    return flavorList(flavors, detail, paging, call);
  }
}

const newFlavor = (asked: CreateFlavorBody['flavor'], ids: Ids): Flavor => ({
  id: asked.id === undefined || asked.id === null ? ids.uuid('flavor') : String(asked.id),
  name: asked.name, vcpus: asked.vcpus, ramMib: asked.ram, diskGib: asked.disk,
  ephemeralGib: asked['OS-FLV-EXT-DATA:ephemeral'] ?? 0, swapMib: asked.swap ?? 0, rxtxFactor: asked.rxtx_factor ?? 1,
  isPublic: asked['os-flavor-access:is_public'] ?? true, disabled: false,
  description: (asked as { description?: string | null }).description ?? null, extraSpecs: {},
});

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\s*[+-]?\d{1,9}\s*$/.test(text)) throw badRequest(`Invalid ${name} filter [${text.slice(0, 100)}]`);
  return Number(text);
}

/** Public ones unless said otherwise; `None` asks for both kinds. */
function readPublic(text: string | undefined): boolean | null {
  if (text === undefined) return true;
  if (text.toLowerCase() === 'none') return null;
  try {
    return readFlag(text);
  } catch {
    throw badRequest(`Invalid is_public filter [${text.slice(0, 100)}]`);
  }
}
