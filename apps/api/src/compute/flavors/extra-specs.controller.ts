import { Body, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { deleteFlavorExtraSpec, getFlavor, setFlavorExtraSpecs, type Flavor } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { has, whyNotExtraSpec } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { readBody } from '../../http/read-input.js';
import { ExtraSpec, ExtraSpecs } from '../answers.js';
import { flavorIdOf } from './flavor-id.js';
import { ExtraSpecBody, ExtraSpecsBody } from './flavors.schema.js';

@ComputeController('flavors/:flavorId/os-extra_specs')
export class ExtraSpecsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:flavor-extra-specs:list')
  @Describe({ summary: 'A flavor’s extra specs', answers: { 200: ExtraSpecs } })
  async list(@CallParam() call: Call, @Param('flavorId') id: string) {
    return { extra_specs: (await this.flavor(call, id)).extraSpecs };
  }

  @Get(':key')
  @Policy('compute:flavor-extra-specs:get')
  @Describe({ summary: 'One of a flavor’s extra specs', answers: { 200: ExtraSpec } })
  async get(@CallParam() call: Call, @Param('flavorId') id: string, @Param('key') key: string) {
    const { extraSpecs } = await this.flavor(call, id);
    if (!Object.hasOwn(extraSpecs, key)) throw notFound(`Flavor ${id} has no extra specs with key ${key}.`);
    return { [key]: extraSpecs[key] };
  }

  @Post()
  @HttpCode(200)
  @Policy('compute:flavor-extra-specs:update')
  @Describe({ summary: 'Add to a flavor’s extra specs; servers made before keep theirs', body: ExtraSpecsBody, answers: { 200: ExtraSpecs } })
  async add(@CallParam() call: Call, @Param('flavorId') id: string, @Body() body: unknown) {
    return { extra_specs: await this.set(call, id, checked(call, readBody(ExtraSpecsBody, body).extra_specs)) };
  }

  @Put(':key')
  @Policy('compute:flavor-extra-specs:update')
  @Describe({ summary: 'Set one of a flavor’s extra specs', body: ExtraSpecBody, answers: { 200: ExtraSpec } })
  async replace(@CallParam() call: Call, @Param('flavorId') id: string, @Param('key') key: string, @Body() body: unknown) {
    const asked = checked(call, readBody(ExtraSpecBody, body));
    if (!Object.hasOwn(asked, key)) throw badRequest('Request body and URI mismatch');
    return this.set(call, id, asked);
  }

  @Delete(':key')
  @HttpCode(200)
  @Policy('compute:flavor-extra-specs:delete')
  @Describe({ summary: 'Delete one of a flavor’s extra specs', answers: { 200: null } })
  async delete(@CallParam() { caller }: Call, @Param('flavorId') id: string, @Param('key') key: string): Promise<void> {
    if (key.length > 255) throw notFound(`Flavor ${flavorIdOf(id)} has no extra specs with key ${key.slice(0, 255)}.`);
    await asking(this.bus, caller)(deleteFlavorExtraSpec, { flavorId: flavorIdOf(id), key });
  }

  private flavor({ caller }: Call, id: string): Promise<Flavor> {
    return asking(this.bus, caller)(getFlavor, { flavorId: flavorIdOf(id) });
  }

  /** Answers what was asked for, not all that is there. */
  private async set({ caller }: Call, id: string, extraSpecs: Record<string, string>): Promise<Record<string, string>> {
    await asking(this.bus, caller)(setFlavorExtraSpecs, { flavorId: flavorIdOf(id), extraSpecs });
    return extraSpecs;
  }
}

function checked({ version }: Call, asked: Record<string, string | number>): Record<string, string> {
  const specs = Object.fromEntries(Object.entries(asked).map(([key, value]) => [key, String(value)]));
  if (has(version, 'flavor.checked-extra-specs')) {
    for (const [key, value] of Object.entries(specs)) {
      const problem = whyNotExtraSpec(key, value);
      if (problem !== undefined) throw badRequest(problem);
    }
  }
  return specs;
}
