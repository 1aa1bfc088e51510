import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import type { Paged } from '../http/links.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { ReadProjectTree } from './project-tree.js';
import { ProjectsRepository, type ProjectRow } from './projects.repository.js';
import { CreateProjectBody, ProjectQuery, ProjectsQuery, UpdateProjectBody } from './projects.schema.js';
import { projectTreeView, projectView } from './projects.view.js';
import { ProjectWrites } from './project-writes.js';

@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class ProjectsController {
  constructor(private readonly projects: ProjectsRepository, private readonly tree: ReadProjectTree, private readonly writes: ProjectWrites, private readonly base: BaseUrl) {}

  @Get('projects')
  @Policy('identity:projects:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(ProjectsQuery) query: ProjectsQuery, @Req() request: FastifyRequest) {
    return this.listView(request, '/projects', await this.projects.list(query, caller.scopeDomainId ?? undefined));
  }

  @Post('projects')
  @Policy('identity:projects:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateProjectBody) body: CreateProjectBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { project: projectView(this.base.v3(request), await this.writes.create(caller, body, ids)) };
  }

  @Get('projects/:id')
  @Policy('identity:projects:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @ZodQuery(ProjectQuery) query: ProjectQuery, @Req() request: FastifyRequest) {
    const row = await this.projects.get(id);
    enforce('identity:projects:get', caller, { projectId: id, domainId: row?.domainId ?? row?.id });
    const project = found('project', id, row);
    const v3 = this.base.v3(request);
    return { project: { ...projectView(v3, project), ...projectTreeView(v3, id, await this.tree.run(caller, project, query)) } };
  }

  @Patch('projects/:id')
  @Policy('identity:projects:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateProjectBody) body: UpdateProjectBody, @Req() request: FastifyRequest) {
    return { project: projectView(this.base.v3(request), await this.writes.update(caller, id, body)) };
  }

  @Delete('projects/:id')
  @Policy('identity:projects:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.writes.remove(caller, id);
  }

  /** Projects that the caller could have a token for. */
  @Get('auth/projects')
  @Policy('identity:auth:projects')
  async own(@CallerParam() caller: Caller, @ZodQuery(ProjectsQuery) query: ProjectsQuery, @Req() request: FastifyRequest) {
    return this.listView(request, '/auth/projects', await this.projects.listOfUser(caller.userId, query));
  }

  private listView(request: FastifyRequest, path: string, { rows, next }: Paged<ProjectRow>) {
    return { projects: rows.map((row) => projectView(this.base.v3(request), row)), links: this.base.links(request, path, next) };
  }
}
