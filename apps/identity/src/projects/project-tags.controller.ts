import { Controller, Delete, Get, HttpCode, Put, Req, Res, UseInterceptors } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy, type PolicyRule } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { parseInput, ZodBody } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { Tag } from '../http/body.js';
import { found } from '../http/found.js';
import { IdParam, PathId } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { ChangeTags } from './change-tags.js';
import { ProjectsRepository, type ProjectRow } from './projects.repository.js';
import { TagsBody } from './projects.schema.js';

@Controller('identity/v3/projects/:id/tags')
@UseInterceptors(VaryInterceptor)
export class ProjectTagsController {
  constructor(private readonly projects: ProjectsRepository, private readonly changeTags: ChangeTags, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:project-tags:list')
  async list(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    return this.view(request, id, (await this.readable('identity:project-tags:list', caller, id)).tags);
  }

  @Put()
  @Policy('identity:project-tags:update')
  async replace(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(TagsBody) { tags }: TagsBody, @Req() request: FastifyRequest) {
    await this.changeable('identity:project-tags:update', caller, id);
    return this.view(request, id, await this.changeTags.run(caller, id, () => tags));
  }

  @Delete()
  @Policy('identity:project-tags:delete')
  @HttpCode(204)
  async clear(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    await this.changeable('identity:project-tags:delete', caller, id);
    await this.changeTags.run(caller, id, () => []);
  }

  @Get(':tag')
  @Policy('identity:project-tags:get')
  @HttpCode(204)
  async check(@CallerParam() caller: Caller, @IdParam() id: string, @PathId('tag') tag: string): Promise<void> {
    if (!(await this.readable('identity:project-tags:get', caller, id)).tags.includes(tag)) throw absent(tag);
  }

  @Put(':tag')
  @Policy('identity:project-tags:update')
  @HttpCode(201)
  async add(@CallerParam() caller: Caller, @IdParam() id: string, @PathId('tag') text: string, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    const tag = parseInput(Tag, text);
    await this.changeable('identity:project-tags:update', caller, id);
    await this.changeTags.run(caller, id, (tags) => [...new Set([...tags, tag])]);
    reply.header('location', `${this.base.v3(request)}/projects/${id}/tags/${encodeURIComponent(tag)}`);
  }

  @Delete(':tag')
  @Policy('identity:project-tags:delete')
  @HttpCode(204)
  async remove(@CallerParam() caller: Caller, @IdParam() id: string, @PathId('tag') tag: string): Promise<void> {
    await this.changeable('identity:project-tags:delete', caller, id);
    await this.changeTags.run(caller, id, (tags) => {
      if (!tags.includes(tag)) throw absent(tag);
      return tags.filter((other) => other !== tag);
    });
  }

  private async readable(rule: PolicyRule, caller: Caller, id: string): Promise<ProjectRow> {
    const row = await this.projects.get(id);
    enforce(rule, caller, { projectId: id, domainId: row?.domainId ?? row?.id });
    return found('project', id, row);
  }

  private async changeable(rule: PolicyRule, caller: Caller, id: string): Promise<void> {
    const row = await this.projects.get(id);
    enforce(rule, caller, { domainId: row?.domainId ?? undefined });
    if (row === null || row.isDomain) throw notFound(`Could not find project: ${id}.`);
  }

  private view(request: FastifyRequest, id: string, tags: string[]) {
    return { links: { self: `${this.base.v3(request)}/projects/${id}/tags` }, tags };
  }
}

const absent = (tag: string): Error => notFound(`Could not find project tag: ${tag}.`);
