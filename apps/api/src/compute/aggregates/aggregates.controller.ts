import { Body, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { changeAggregate, createAggregate, getAggregate, listAggregates, type AggregateChange } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { aggregateView, newAggregateView } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { readBody } from '../../http/read-input.js';
import { AggregateAnswer, AggregateList, NewAggregate } from '../answers.js';
import { AggregateActionBody, CreateAggregateBody, UpdateAggregateBody } from './aggregates.schema.js';

@ComputeController('os-aggregates')
export class AggregatesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:aggregates:list')
  @Describe({ summary: 'List host aggregates', answers: { 200: AggregateList } })
  async list(@CallParam() { caller, version }: Call) {
    const { aggregates } = await this.bus.ask(listAggregates, {}, { requestId: caller.requestId });
    return { aggregates: aggregates.map((aggregate) => aggregateView(aggregate, version)) };
  }

  @Post()
  @HttpCode(200)
  @Policy('compute:aggregates:create')
  @Describe({ summary: 'Create a host aggregate', body: CreateAggregateBody, answers: { 200: NewAggregate } })
  async create(@CallParam() { caller, version, ids }: Call, @Body() body: unknown) {
    const { aggregate: asked } = readBody(CreateAggregateBody, body);
    const made = await asking(this.bus, caller)(createAggregate, { uuid: ids.uuid('aggregate'), name: asked.name, availabilityZone: asked.availability_zone ?? null });
    return { aggregate: newAggregateView(made, version) };
  }

  @Get(':id')
  @Policy('compute:aggregates:get')
  @Describe({ summary: 'One host aggregate', answers: { 200: AggregateAnswer } })
  async get(@CallParam() { caller, version }: Call, @Param('id') id: string) {
    return { aggregate: aggregateView(await this.bus.ask(getAggregate, { id: idOf(id) }, { requestId: caller.requestId }), version) };
  }

  @Put(':id')
  @Policy('compute:aggregates:update')
  @Describe({ summary: "Change an aggregate's name or zone", body: UpdateAggregateBody, answers: { 200: AggregateAnswer } })
  async update(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    const { aggregate: asked } = readBody(UpdateAggregateBody, body);
    return this.#change(call, id, { do: 'update', ...(asked.name !== undefined && { name: asked.name }), ...(asked.availability_zone !== undefined && { availabilityZone: asked.availability_zone }) });
  }

  @Delete(':id')
  @HttpCode(200)
  @Policy('compute:aggregates:delete')
  @Describe({ summary: 'Delete an aggregate that has no hosts', answers: { 200: null } })
  async delete(@CallParam() { caller }: Call, @Param('id') id: string): Promise<void> {
    await asking(this.bus, caller)(changeAggregate, { id: idOf(id), change: { do: 'delete' } });
  }

  @Post(':id/action')
  @HttpCode(200)
  @Policy('compute:aggregates:update')
  @Describe({ summary: 'add_host, remove_host, set_metadata', body: AggregateActionBody, answers: { 200: AggregateAnswer } })
  async act(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    const asked = readBody(AggregateActionBody, body);
    if ('add_host' in asked) return this.#change(call, id, { do: 'add-host', host: asked.add_host.host });
    if ('remove_host' in asked) return this.#change(call, id, { do: 'remove-host', host: asked.remove_host.host });
    return this.#change(call, id, { do: 'set-metadata', metadata: asked.set_metadata.metadata });
  }

  async #change({ caller, version }: Call, id: string, change: AggregateChange) {
    const { aggregate } = await asking(this.bus, caller)(changeAggregate, { id: idOf(id), change });
    return { aggregate: aggregate && aggregateView(aggregate, version) };
  }
}

function idOf(text: string): number {
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) > 0x7fff_ffff) throw badRequest(`Invalid input received: id must be an integer, not ${text.slice(0, 255)}`);
  return Number(text);
}
