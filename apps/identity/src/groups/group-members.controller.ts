import { Controller, Delete, Get, HttpCode, Put, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam, PathId } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { UsersRepository } from '../users/users.repository.js';
import { UsersQuery } from '../users/users.schema.js';
import { userView } from '../users/users.view.js';
import { GroupMembers } from './group-members.js';
import { GroupsRepository } from './groups.repository.js';

@Controller('identity/v3/groups/:id/users')
@UseInterceptors(VaryInterceptor)
export class GroupMembersController {
  constructor(private readonly members: GroupMembers, private readonly groups: GroupsRepository, private readonly users: UsersRepository, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:group-members:list')
  async list(@CallerParam() caller: Caller, @IdParam() id: string, @ZodQuery(UsersQuery) query: UsersQuery, @Req() request: FastifyRequest) {
    const group = await this.groups.get(id);
    enforce('identity:group-members:list', caller, { domainId: group?.domainId });
    found('group', id, group);
    const { rows, next } = await this.users.list(query, caller.scopeDomainId ?? undefined, id);
    return { users: rows.map((row) => userView(this.base.v3(request), row)), links: this.base.links(request, `/groups/${id}/users`, next) };
  }

  @Get(':userId')
  @Policy('identity:group-members:check')
  @HttpCode(204)
  check(@CallerParam() caller: Caller, @IdParam() id: string, @PathId('userId') userId: string): Promise<void> {
    return this.members.check(caller, id, userId);
  }

  @Put(':userId')
  @Policy('identity:group-members:add')
  @HttpCode(204)
  add(@CallerParam() caller: Caller, @IdParam() id: string, @PathId('userId') userId: string): Promise<void> {
    return this.members.add(caller, id, userId);
  }

  @Delete(':userId')
  @Policy('identity:group-members:remove')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string, @PathId('userId') userId: string): Promise<void> {
    return this.members.remove(caller, id, userId);
  }
}
