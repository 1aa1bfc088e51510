import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy, type PolicyRule } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { ZodQuery } from '#libs/http';
import { GroupsRepository } from '../groups/groups.repository.js';
import { GroupsQuery } from '../groups/groups.schema.js';
import { groupView } from '../groups/groups.view.js';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { ProjectsRepository } from '../projects/projects.repository.js';
import { ProjectsQuery } from '../projects/projects.schema.js';
import { projectView } from '../projects/projects.view.js';
import { UsersRepository } from './users.repository.js';

/** What belongs to a user: projects to have a token for, and groups. */
@Controller('identity/v3/users/:id')
@UseInterceptors(VaryInterceptor)
export class UserBelongingsController {
  constructor(private readonly users: UsersRepository, private readonly projects: ProjectsRepository, private readonly groups: GroupsRepository, private readonly base: BaseUrl) {}

  @Get('projects')
  @Policy('identity:users:projects')
  async ofUser(@CallerParam() caller: Caller, @IdParam() id: string, @ZodQuery(ProjectsQuery) query: ProjectsQuery, @Req() request: FastifyRequest) {
    await this.readable('identity:users:projects', caller, id);
    const { rows, next } = await this.projects.listOfUser(id, query, id === caller.userId ? undefined : (caller.scopeDomainId ?? undefined));
    return { projects: rows.map((row) => projectView(this.base.v3(request), row)), links: this.base.links(request, `/users/${id}/projects`, next) };
  }

  @Get('groups')
  @Policy('identity:users:groups')
  async groupsOf(@CallerParam() caller: Caller, @IdParam() id: string, @ZodQuery(GroupsQuery) query: GroupsQuery, @Req() request: FastifyRequest) {
    await this.readable('identity:users:groups', caller, id);
    const { rows, next } = await this.groups.list(query, caller.scopeDomainId ?? undefined, id);
    return { groups: rows.map((row) => ({ ...groupView(this.base.v3(request), row), membership_expires_at: null })), links: this.base.links(request, `/users/${id}/groups`, next) };
  }

  private async readable(rule: PolicyRule, caller: Caller, id: string): Promise<void> {
    const row = await this.users.get(id);
    enforce(rule, caller, { userId: id, domainId: row?.domainId });
    found('user', id, row);
  }
}
