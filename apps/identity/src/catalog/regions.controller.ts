import { Controller, Delete, Get, HttpCode, Patch, Post, Put, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { CreateRegionBody, RegionsQuery, UpdateRegionBody } from './catalog.schema.js';
import { regionView } from './catalog.view.js';
import { ChangeRegions } from './change-regions.js';
import { RegionsRepository, type Region } from './regions.repository.js';

@Controller('identity/v3/regions')
@UseInterceptors(VaryInterceptor)
export class RegionsController {
  constructor(private readonly regions: RegionsRepository, private readonly change: ChangeRegions, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:regions:list')
  async list(@ZodQuery(RegionsQuery) query: RegionsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.regions.list(query);
    return { regions: rows.map((row) => this.view(request, row)), links: this.base.links(request, '/regions', next) };
  }

  @Post()
  @Policy('identity:regions:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateRegionBody) body: CreateRegionBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { region: this.view(request, await this.change.create(caller, body, ids)) };
  }

  /** Keystone's way to make a region under a name of one's own. */
  @Put(':id')
  @Policy('identity:regions:create')
  @HttpCode(201)
  async put(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(CreateRegionBody) body: CreateRegionBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { region: this.view(request, await this.change.create(caller, body, ids, id)) };
  }

  @Get(':id')
  @Policy('identity:regions:get')
  async get(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { region: this.view(request, found('region', id, await this.regions.get(id))) };
  }

  @Patch(':id')
  @Policy('identity:regions:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateRegionBody) body: UpdateRegionBody, @Req() request: FastifyRequest) {
    return { region: this.view(request, await this.change.update(caller, id, body)) };
  }

  @Delete(':id')
  @Policy('identity:regions:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.change.remove(caller, id);
  }

  private view(request: FastifyRequest, row: Region) {
    return regionView(this.base.v3(request), row);
  }
}
