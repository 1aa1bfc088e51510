import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { RolesQuery } from '../http/queries.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { RolesRepository } from './roles.repository.js';
import { roleView } from './roles.view.js';

@Controller('identity/v3/roles')
@UseInterceptors(VaryInterceptor)
export class RolesController {
  constructor(private readonly roles: RolesRepository, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:roles:list')
  async list(@ZodQuery(RolesQuery) query: RolesQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.roles.list(query);
    return { roles: rows.map((row) => roleView(this.base.v3(request), row)), links: this.base.links(request, '/roles', next) };
  }

  @Get(':id')
  @Policy('identity:roles:get')
  async get(@IdParam() id: string, @Req() request: FastifyRequest) {
    return { role: roleView(this.base.v3(request), found('role', id, await this.roles.get(id))) };
  }
}
