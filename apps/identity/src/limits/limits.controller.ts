import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { allows, CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { LimitsRepository, type LimitRow, type Seen } from './limits.repository.js';
import { CreateLimits, LimitsQuery, UpdateLimit } from './limits.schema.js';
import { FLAT_MODEL, limitView } from './limits.view.js';

@Controller('identity/v3/limits')
@UseInterceptors(VaryInterceptor)
export class LimitsController {
  constructor(private readonly limits: LimitsRepository, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:limits:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(LimitsQuery) query: LimitsQuery, @Req() request: FastifyRequest) {
    const seen = seenBy(caller);
    const { rows, next } = seen === undefined ? { rows: [], next: undefined } : await this.limits.list(query, seen);
    return { limits: rows.map((row) => limitView(this.base.v3(request), row)), links: this.base.links(request, '/limits', next) };
  }

  @Post()
  @HttpCode(201)
  @Policy('identity:limits:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateLimits) body: CreateLimits, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { limits: (await this.limits.create(caller, body.limits, ids)).map((row) => limitView(this.base.v3(request), row)) };
  }

  @Get('model')
  @Policy('identity:limits:model')
  model() {
    return { model: FLAT_MODEL };
  }

  @Get(':id')
  @Policy('identity:limits:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    const row = await this.limits.get(id);
    if (row === undefined || !isSeen(row, seenBy(caller))) enforce('identity:limits:get-any', caller);
    return { limit: limitView(this.base.v3(request), found('limit', id, row)) };
  }

  @Patch(':id')
  @Policy('identity:limits:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateLimit) body: UpdateLimit, @Req() request: FastifyRequest) {
    return { limit: limitView(this.base.v3(request), await this.limits.update(caller, id, body)) };
  }

  @Delete(':id')
  @HttpCode(204)
  @Policy('identity:limits:delete')
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.limits.remove(caller, id);
  }
}

/** undefined: a token of nothing shows no limits. */
function seenBy(caller: Caller): Seen | undefined {
  if (allows('identity:limits:get-any', caller)) return 'all';
  const domainId = caller.scopeDomainId ?? null;
  if (domainId !== null) return { domainId };
  return caller.projectId === null ? undefined : { projectId: caller.projectId };
}

function isSeen(row: LimitRow, seen: Seen | undefined): boolean {
  if (seen === undefined || seen === 'all') return seen === 'all';
  return 'domainId' in seen ? row.owner_domain_id === seen.domainId : row.project_id === seen.projectId;
}
