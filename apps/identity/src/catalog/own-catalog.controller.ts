import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { Catalogs } from './catalogs.js';
import { BaseUrl } from '../http/base-url.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';

/** The catalog of the caller's token. */
@Controller('identity/v3/auth/catalog')
@UseInterceptors(VaryInterceptor)
export class OwnCatalogController {
  constructor(private readonly catalogs: Catalogs, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:auth:catalog')
  async get(@CallerParam() caller: Caller, @Req() request: FastifyRequest) {
    if (caller.projectId === null && typeof caller.scopeDomainId !== 'string' && caller.isSystem !== true) throw forbidden('A scoped token is required to produce a service catalog.');
    const catalog = await this.catalogs.at(this.base.of(request), { projectId: caller.projectId, userId: caller.userId });
    return { catalog, links: this.base.links(request, '/auth/catalog') };
  }
}
