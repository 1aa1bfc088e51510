import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { CreateEndpointBody, EndpointsQuery, UpdateEndpointBody } from './catalog.schema.js';
import { endpointView } from './catalog.view.js';
import { ChangeEndpoints } from './change-endpoints.js';
import { EndpointsRepository, type Endpoint } from './endpoints.repository.js';

@Controller('identity/v3/endpoints')
@UseInterceptors(VaryInterceptor)
export class EndpointsController {
  constructor(private readonly endpoints: EndpointsRepository, private readonly change: ChangeEndpoints, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:endpoints:list')
  async list(@ZodQuery(EndpointsQuery) query: EndpointsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.endpoints.list(query);
    return { endpoints: rows.map((row) => this.view(request, row)), links: this.base.links(request, '/endpoints', next) };
  }

  @Post()
  @Policy('identity:endpoints:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateEndpointBody) body: CreateEndpointBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { endpoint: this.view(request, await this.change.create(caller, body, ids)) };
  }

  @Get(':id')
  @Policy('identity:endpoints:get')
  async get(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { endpoint: this.view(request, found('endpoint', id, await this.endpoints.get(id))) };
  }

  @Patch(':id')
  @Policy('identity:endpoints:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateEndpointBody) body: UpdateEndpointBody, @Req() request: FastifyRequest) {
    return { endpoint: this.view(request, await this.change.update(caller, id, body)) };
  }

  @Delete(':id')
  @Policy('identity:endpoints:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.change.remove(caller, id);
  }

  private view(request: FastifyRequest, row: Endpoint) {
    return endpointView(this.base.v3(request), this.base.of(request), row);
  }
}
