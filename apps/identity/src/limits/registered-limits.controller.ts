import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { CreateRegisteredLimits, RegisteredLimitsQuery, UpdateRegisteredLimit } from './limits.schema.js';
import { registeredLimitView } from './limits.view.js';
import { RegisteredLimitsRepository } from './registered-limits.repository.js';

@Controller('identity/v3/registered_limits')
@UseInterceptors(VaryInterceptor)
export class RegisteredLimitsController {
  constructor(private readonly limits: RegisteredLimitsRepository, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:registered-limits:list')
  async list(@ZodQuery(RegisteredLimitsQuery) query: RegisteredLimitsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.limits.list(query);
    return { registered_limits: rows.map((row) => registeredLimitView(this.base.v3(request), row)), links: this.base.links(request, '/registered_limits', next) };
  }

  @Post()
  @HttpCode(201)
  @Policy('identity:registered-limits:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateRegisteredLimits) body: CreateRegisteredLimits, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    const rows = await this.limits.create(caller, body.registered_limits, ids);
    return { registered_limits: rows.map((row) => registeredLimitView(this.base.v3(request), row)) };
  }

  @Get(':id')
  @Policy('identity:registered-limits:get')
  async get(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { registered_limit: registeredLimitView(this.base.v3(request), found('registered limit', id, await this.limits.get(id))) };
  }

  @Patch(':id')
  @Policy('identity:registered-limits:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateRegisteredLimit) body: UpdateRegisteredLimit, @Req() request: FastifyRequest) {
    return { registered_limit: registeredLimitView(this.base.v3(request), await this.limits.update(caller, id, body)) };
  }

  @Delete(':id')
  @HttpCode(204)
  @Policy('identity:registered-limits:delete')
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.limits.remove(caller, id);
  }
}
