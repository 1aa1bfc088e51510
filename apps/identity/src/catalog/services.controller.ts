import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { CreateServiceBody, ServicesQuery, UpdateServiceBody } from './catalog.schema.js';
import { serviceView } from './catalog.view.js';
import { ChangeServices } from './change-services.js';
import { ServicesRepository, type Service } from './services.repository.js';

@Controller('identity/v3/services')
@UseInterceptors(VaryInterceptor)
export class ServicesController {
  constructor(private readonly services: ServicesRepository, private readonly change: ChangeServices, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:services:list')
  async list(@ZodQuery(ServicesQuery) query: ServicesQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.services.list(query);
    return { services: rows.map((row) => this.view(request, row)), links: this.base.links(request, '/services', next) };
  }

  @Post()
  @Policy('identity:services:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateServiceBody) body: CreateServiceBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { service: this.view(request, await this.change.create(caller, body, ids)) };
  }

  @Get(':id')
  @Policy('identity:services:get')
  async get(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { service: this.view(request, found('service', id, await this.services.get(id))) };
  }

  @Patch(':id')
  @Policy('identity:services:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateServiceBody) body: UpdateServiceBody, @Req() request: FastifyRequest) {
    return { service: this.view(request, await this.change.update(caller, id, body)) };
  }

  @Delete(':id')
  @Policy('identity:services:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.change.remove(caller, id);
  }

  private view(request: FastifyRequest, row: Service) {
    return serviceView(this.base.v3(request), row);
  }
}
