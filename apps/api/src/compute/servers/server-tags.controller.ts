import { Body, Delete, Get, HttpCode, Inject, Param, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Policy } from '#libs/auth';
import { deleteServerTag, getServer, setServerTags } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { explainInvalid } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { onlyIn } from '../../http/only-in.js';
import { readBody } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';
import { TagsAnswer } from '../answers.js';
import { serverIdOf } from './server-id.js';
import { Tag } from './server-parts.schema.js';
import { TagsBody } from './servers.schema.js';

const SINCE = { since: '2.26' } as const;

@ComputeController('servers/:id/tags')
export class ServerTagsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:server-tags:list')
  @Describe({ summary: 'A server’s tags', ...SINCE, answers: { 200: TagsAnswer } })
  async list(@CallParam() call: Call, @Param('id') id: string) {
    return { tags: await this.all(call, id) };
  }

  @Put()
  @Policy('compute:server-tags:update')
  @Describe({ summary: 'Replace a server’s tags', ...SINCE, body: TagsBody, answers: { 200: TagsAnswer } })
  async replace(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    onlyIn(call.version, SINCE);
    const tags = [...new Set(readBody(TagsBody, body).tags)];
    return { tags: (await asking(this.bus, call.caller)(setServerTags, { instanceId: serverIdOf(id), tags, replace: true })).tags };
  }

  @Delete()
  @HttpCode(204)
  @Policy('compute:server-tags:update')
  @Describe({ summary: 'Take away all of a server’s tags', ...SINCE, answers: { 204: null } })
  async deleteAll(@CallParam() call: Call, @Param('id') id: string): Promise<void> {
    onlyIn(call.version, SINCE);
    await asking(this.bus, call.caller)(deleteServerTag, { instanceId: serverIdOf(id), tag: null });
  }

  @Get(':tag')
  @HttpCode(204)
  @Policy('compute:server-tags:list')
  @Describe({ summary: 'Has a server this tag? 204, or 404', ...SINCE, answers: { 204: null } })
  async has(@CallParam() call: Call, @Param('id') id: string, @Param('tag') tag: string): Promise<void> {
    if (!(await this.all(call, id)).includes(tag)) throw notFound(`Server ${id} has no tag '${tag.slice(0, 255)}'`);
  }

  /** 201 for a new one, 204 for one that it had. */
  @Put(':tag')
  @HttpCode(201)
  @Policy('compute:server-tags:update')
  @Describe({ summary: 'Add a tag to a server', ...SINCE, answers: { 201: null, 204: null } })
  async add(@CallParam() call: Call, @Param('id') id: string, @Param('tag') tag: string, @Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    onlyIn(call.version, SINCE);
    if (body !== undefined && body !== null) throw badRequest("Invalid input: the request's body is to be empty.");
    const checked = Tag.safeParse(tag);
    if (!checked.success) throw badRequest(`Tag '${tag.slice(0, 255)}' is invalid. It must be a non empty string without characters '/' and ','. Validation error message: ${explainInvalid(checked.error, tag)}`);
    const { added } = await asking(this.bus, call.caller)(setServerTags, { instanceId: serverIdOf(id), tags: [tag], replace: false });
    if (added) void reply.header('location', `${call.links.versioned}/servers/${serverIdOf(id)}/tags/${encodeURIComponent(tag)}`);
    else void reply.code(204);
  }

  @Delete(':tag')
  @HttpCode(204)
  @Policy('compute:server-tags:update')
  @Describe({ summary: 'Take a tag from a server', ...SINCE, answers: { 204: null } })
  async delete(@CallParam() call: Call, @Param('id') id: string, @Param('tag') tag: string): Promise<void> {
    onlyIn(call.version, SINCE);
    if (tag.length > LIMITS.tagChars) throw notFound(`Server ${id} has no tag '${tag.slice(0, 255)}'`);
    await asking(this.bus, call.caller)(deleteServerTag, { instanceId: serverIdOf(id), tag });
  }

  private async all({ caller, version }: Call, id: string): Promise<string[]> {
    onlyIn(version, SINCE);
    return (await asking(this.bus, caller)(getServer, { instanceId: serverIdOf(id) })).tags;
  }
}
