import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { CreateGroup } from './create-group.js';
import { DeleteGroup } from './delete-group.js';
import { GroupsRepository } from './groups.repository.js';
import { CreateGroupBody, GroupsQuery, UpdateGroupBody } from './groups.schema.js';
import { groupView } from './groups.view.js';
import { UpdateGroup } from './update-group.js';

@Controller('identity/v3/groups')
@UseInterceptors(VaryInterceptor)
export class GroupsController {
  constructor(
    private readonly groups: GroupsRepository, private readonly createGroup: CreateGroup, private readonly updateGroup: UpdateGroup, private readonly deleteGroup: DeleteGroup,
    private readonly base: BaseUrl,
  ) {}

  @Get()
  @Policy('identity:groups:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(GroupsQuery) query: GroupsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.groups.list(query, caller.scopeDomainId ?? undefined);
    return { groups: rows.map((row) => groupView(this.base.v3(request), row)), links: this.base.links(request, '/groups', next) };
  }

  @Post()
  @Policy('identity:groups:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateGroupBody) body: CreateGroupBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { group: groupView(this.base.v3(request), await this.createGroup.run(caller, body, ids)) };
  }

  @Get(':id')
  @Policy('identity:groups:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    const row = await this.groups.get(id);
    enforce('identity:groups:get', caller, { domainId: row?.domainId });
    return { group: groupView(this.base.v3(request), found('group', id, row)) };
  }

  @Patch(':id')
  @Policy('identity:groups:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateGroupBody) body: UpdateGroupBody, @Req() request: FastifyRequest) {
    return { group: groupView(this.base.v3(request), await this.updateGroup.run(caller, id, body)) };
  }

  @Delete(':id')
  @Policy('identity:groups:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.deleteGroup.run(caller, id);
  }
}
