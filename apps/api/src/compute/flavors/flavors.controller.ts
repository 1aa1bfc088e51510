import { randomUUID } from 'node:crypto';
import { Body, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { allows, Policy } from '#libs/auth';
import { createFlavor, deleteFlavor, getFlavor, listFlavors, type Flavor } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { flavorDetail, flavorList } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { pagingOf, withMarker } from '../../http/paging.js';
import { last, readBody, readFlag, readQuery } from '../../http/read-input.js';
import { ExtraSpecs, FlavorAnswer, FlavorDetailList, FlavorList, MetadataAnswer } from '../answers.js';
import { CreateFlavorBody, ListFlavorsQuery } from './flavors.schema.js';

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
    const flavor = await asking(this.bus, call.caller)(createFlavor, { flavor: newFlavor(asked.flavor) });
    return { flavor: flavorDetail(flavor, call) };
  }

  @Delete(':id')
  @HttpCode(202)
  @Policy('compute:flavors:delete')
  @Describe({ summary: 'Delete a flavor; servers keep what they were made with', answers: { 202: null } })
  async delete(@CallParam() { caller }: Call, @Param('id') id: string): Promise<void> {
    await asking(this.bus, caller)(deleteFlavor, { flavorId: flavorIdOf(id) });
  }

  @Get(':id/os-extra_specs')
  @Policy('compute:flavor-extra-specs:list')
  @Describe({ summary: 'A flavor’s extra specs', answers: { 200: ExtraSpecs } })
  async extraSpecs(@CallParam() call: Call, @Param('id') id: string) {
    return { extra_specs: (await this.flavor(call, id)).extraSpecs };
  }

  @Get(':id/os-extra_specs/:key')
  @Policy('compute:flavor-extra-specs:get')
  @Describe({ summary: 'One of a flavor’s extra specs', answers: { 200: MetadataAnswer.shape.metadata } })
  async extraSpec(@CallParam() call: Call, @Param('id') id: string, @Param('key') key: string) {
    const { extraSpecs } = await this.flavor(call, id);
    if (!Object.hasOwn(extraSpecs, key)) throw notFound(`Flavor ${id} has no extra specs with key ${key}.`);
    return { [key]: extraSpecs[key] };
  }

  private flavor({ caller }: Call, id: string): Promise<Flavor> {
    return asking(this.bus, caller)(getFlavor, { flavorId: flavorIdOf(id) });
  }

  private async listAs(call: Call, detail: boolean) {
    const values = readQuery(ListFlavorsQuery, call.query);
    const paging = pagingOf(call.query, values);
    const sortKey = last(values.sort_key) ?? 'flavorid';
    if ((sortKey !== 'flavorid' && sortKey !== 'id') || last(values.sort_dir) === 'desc') throw badRequest('Flavors are sorted by flavorid, ascending; sorting them otherwise is not supported by this cloud.');
    const minRam = wholeNumber('minRam', last(values.minRam));
    const minDisk = wholeNumber('minDisk', last(values.minDisk));
    const isPublic = allows('compute:flavors:list-hidden', call.caller) ? readPublic(last(values.is_public)) : true;
    const { flavors } = paging.limit === 0 ? { flavors: [] } : await withMarker(paging.marker, asking(this.bus, call.caller)(listFlavors, {
      isPublic, limit: paging.limit, ...(paging.marker !== undefined && { marker: paging.marker }),
      ...(minRam !== undefined && { minRamMib: minRam }), ...(minDisk !== undefined && { minDiskGib: minDisk }),
    }));
    return flavorList(flavors, detail, paging, call);
  }
}

/** What is longer than any id is no flavor's. */
function flavorIdOf(text: string): string {
  if (text.length > 255) throw notFound(`Flavor ${text.slice(0, 255)} could not be found.`);
  return text;
}

const newFlavor = (asked: CreateFlavorBody['flavor']): Flavor => ({
  id: asked.id === undefined || asked.id === null ? randomUUID() : String(asked.id),
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
