import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import type { Paged } from '../http/links.js';
import { ProjectsQuery } from '../http/queries.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { ProjectsRepository, type ProjectRow } from './projects.repository.js';
import { projectView } from './projects.view.js';

@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class ProjectsController {
  constructor(private readonly projects: ProjectsRepository, private readonly base: BaseUrl) {}

  @Get('projects')
  @Policy('identity:projects:list')
  async list(@ZodQuery(ProjectsQuery) query: ProjectsQuery, @Req() request: FastifyRequest) {
    return this.view(request, '/projects', await this.projects.list(query));
  }

  @Get('projects/:id')
  @Policy('identity:projects:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    if (caller.projectId !== id) enforce('identity:projects:get-any', caller);
    return { project: projectView(this.base.v3(request), found('project', id, await this.projects.get(id))) };
  }

  /** Projects that the caller could have a token for. */
  @Get('auth/projects')
  @Policy('identity:auth:projects')
  async own(@CallerParam() caller: Caller, @ZodQuery(ProjectsQuery) query: ProjectsQuery, @Req() request: FastifyRequest) {
    return this.view(request, '/auth/projects', await this.projects.listOfUser(caller.userId, query));
  }

  @Get('users/:id/projects')
  @Policy('identity:users:projects')
  async ofUser(@CallerParam() caller: Caller, @IdParam() id: string, @ZodQuery(ProjectsQuery) query: ProjectsQuery, @Req() request: FastifyRequest) {
    if (caller.userId !== id) enforce('identity:users:get-any', caller);
    return this.view(request, `/users/${id}/projects`, await this.projects.listOfUser(id, query));
  }

  private view(request: FastifyRequest, path: string, { rows, next }: Paged<ProjectRow>) {
    return { projects: rows.map((row) => projectView(this.base.v3(request), row)), links: this.base.links(request, path, next) };
  }
}
