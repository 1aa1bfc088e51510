import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { DomainsQuery } from '../http/queries.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { DomainsRepository } from './domains.repository.js';
import { domainView } from './domains.view.js';

@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class DomainsController {
  constructor(private readonly domains: DomainsRepository, private readonly base: BaseUrl) {}

  @Get('domains')
  @Policy('identity:domains:list')
  async list(@ZodQuery(DomainsQuery) query: DomainsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.domains.list(query);
    return { domains: rows.map((row) => domainView(this.base.v3(request), row)), links: this.base.links(request, '/domains', next) };
  }

  @Get('domains/:id')
  @Policy('identity:domains:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    if (caller.domainId !== id) enforce('identity:domains:get-any', caller);
    return { domain: domainView(this.base.v3(request), found('domain', id, await this.domains.get(id))) };
  }

  /** Domains that the caller could have a token for: roles are held on projects, so there are none. */
  @Get('auth/domains')
  @Policy('identity:auth:domains')
  own(@Req() request: FastifyRequest) {
    return { domains: [], links: this.base.links(request, '/auth/domains') };
  }
}
