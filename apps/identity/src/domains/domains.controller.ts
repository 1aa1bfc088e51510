import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { CreateDomain } from './create-domain.js';
import { DeleteDomain } from './delete-domain.js';
import { DomainsRepository, type DomainRow } from './domains.repository.js';
import { CreateDomainBody, DomainsQuery, UpdateDomainBody } from './domains.schema.js';
import { domainView } from './domains.view.js';
import { UpdateDomain } from './update-domain.js';

@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class DomainsController {
  constructor(
    private readonly domains: DomainsRepository, private readonly createDomain: CreateDomain, private readonly updateDomain: UpdateDomain,
    private readonly deleteDomain: DeleteDomain, private readonly base: BaseUrl,
  ) {}

  @Get('domains')
  @Policy('identity:domains:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(DomainsQuery) query: DomainsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.domains.list(query, caller.scopeDomainId ?? undefined);
    return { domains: rows.map((row) => domainView(this.base.v3(request), row)), links: this.base.links(request, '/domains', next) };
  }

  @Post('domains')
  @Policy('identity:domains:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateDomainBody) body: CreateDomainBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return this.view(request, await this.createDomain.run(caller, body, ids));
  }

  @Get('domains/:id')
  @Policy('identity:domains:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    enforce('identity:domains:get', caller, { domainId: id });
    return this.view(request, found('domain', id, await this.domains.get(id)));
  }

  @Patch('domains/:id')
  @Policy('identity:domains:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateDomainBody) body: UpdateDomainBody, @Req() request: FastifyRequest) {
    return this.view(request, await this.updateDomain.run(caller, id, body));
  }

  @Delete('domains/:id')
  @Policy('identity:domains:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.deleteDomain.run(caller, id);
  }

  /** Domains that the caller could have a token for. */
  @Get('auth/domains')
  @Policy('identity:auth:domains')
  async own(@CallerParam() caller: Caller, @ZodQuery(DomainsQuery) query: DomainsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.domains.listOfUser(caller.userId, query);
    return { domains: rows.map((row) => domainView(this.base.v3(request), row)), links: this.base.links(request, '/auth/domains', next) };
  }

  private view(request: FastifyRequest, row: DomainRow) {
    return { domain: domainView(this.base.v3(request), row) };
  }
}
