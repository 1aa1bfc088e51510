import { Readable } from 'node:stream';
import { Body, Delete, Get, HttpCode, Inject, Param, Post, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { LoginWatch, Policy, TokenParam, type VerifiedToken } from '#libs/auth';
import { deleteServer, getServer, updateServer, type InstanceView } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { has, serverCreated, serverDetail, serverListText, serverUpdated } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { inTurns } from '../../http/in-turns.js';
import { withMarker } from '../../http/paging.js';
import { readBody } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';
import { ActionResult, ServerAnswer, ServerCreated, ServerDetailList, ServerList, ServerRebuilt, ServerUpdated } from '../answers.js';
import { createServer } from './create-server.js';
import { performAction } from './server-actions.js';
import { ServerContexts } from './server-contexts.js';
import { serverIdOf } from './server-id.js';
import { pageInParts } from './server-pages.js';
import { BODIES, ServerActionBody } from './server-actions.schema.js';
import { ListServersQuery, readServerListing } from './servers.query.js';
import { CreateServerBody, UpdateServerBody } from './servers.schema.js';

@ComputeController('servers')
export class ServersController {
  constructor(@Inject(BUS) private readonly bus: Bus, private readonly contexts: ServerContexts, private readonly logins: LoginWatch) {}

  @Get()
  @Policy('compute:servers:list')
  @Describe({ summary: 'List servers: id and name', query: ListServersQuery, answers: { 200: ServerList } })
  list(@CallParam() call: Call, @TokenParam() token: VerifiedToken, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.listAs(call, token, reply, false);
  }

  @Get('detail')
  @Policy('compute:servers:list')
  @Describe({ summary: 'List servers in full', query: ListServersQuery, answers: { 200: ServerDetailList } })
  detail(@CallParam() call: Call, @TokenParam() token: VerifiedToken, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.listAs(call, token, reply, true);
  }

  @Post()
  @HttpCode(202)
  @Policy('compute:servers:create')
  @Describe({ summary: 'Create one server or several', body: CreateServerBody, answers: { 202: ServerCreated } })
  async create(@CallParam() call: Call, @Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply) {
    const asked = readBody(CreateServerBody(call.version), body);
    const { id, adminPass, reservationId } = await createServer(this.bus, call, asked);
    if (asked.server.return_reservation_id === true) return { reservation_id: reservationId };
    const answer = serverCreated(id, call.links, adminPass, (asked.server.security_groups ?? []).map(({ name }) => ({ name: name ?? 'default' })));
    void reply.header('location', answer.server.links[0]?.href);
    return answer;
  }

  @Get(':id')
  @Policy('compute:servers:get')
  @Describe({ summary: 'One server', answers: { 200: ServerAnswer } })
  async get(@CallParam() call: Call, @Param('id') id: string) {
    const instance = await asking(this.bus, call.caller)(getServer, { instanceId: serverIdOf(id) });
    return { server: serverDetail(instance, await this.contexts.for(call, [instance])) };
  }

  @Put(':id')
  @Policy('compute:servers:update')
  @Describe({ summary: 'Change a server’s name, description or hostname', body: UpdateServerBody, answers: { 200: ServerUpdated } })
  async update(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    const { server } = readBody(UpdateServerBody(call.version), body);
    if (server.accessIPv4 !== undefined || server.accessIPv6 !== undefined) throw badRequest('accessIPv4 and accessIPv6 are not supported by this cloud.');
    if (server['OS-DCF:diskConfig'] === 'AUTO') throw badRequest('OS-DCF:diskConfig AUTO is not supported by this cloud.');
    const { name, description, hostname } = server as { name?: string; description?: string | null; hostname?: string };
    const instance = await asking(this.bus, call.caller)(updateServer, {
      instanceId: serverIdOf(id), ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(hostname !== undefined && { hostname }),
    });
    return { server: serverUpdated(instance, await this.contexts.for(call, has(call.version, 'server.same-everywhere') ? [instance] : [])) };
  }

  @Delete(':id')
  @HttpCode(204)
  @Policy('compute:servers:delete')
  @Describe({ summary: 'Delete a server, whatever its state', answers: { 204: null } })
  async delete(@CallParam() { caller }: Call, @Param('id') id: string): Promise<void> {
    await asking(this.bus, caller)(deleteServer, { instanceId: serverIdOf(id) });
  }

  @Post(':id/action')
  @HttpCode(202)
  @Policy('compute:servers:action')
  @Describe({ summary: `Act on a server: ${Object.keys(BODIES).join(', ')}`, body: ServerActionBody, answers: { 200: ActionResult, 202: ServerRebuilt, 204: null } })
  async act(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply) {
    const answer = await performAction({ bus: this.bus, contexts: this.contexts }, call, () => serverIdOf(id), body);
    void reply.code(answer.status).headers(answer.headers ?? {});
    return answer.body;
  }

  /**
   * As text, which is cheaper written than built and then serialised. What is long is sent while it is made, part by part, as fast
   * as it is taken: a page of long servers has a hundred megabytes, and several may be asked for at a time. A fault by then can
   * only break the answer off, and so does the end of its login.
   */
  private async listAs(call: Call, token: VerifiedToken, reply: FastifyReply, detail: boolean): Promise<Buffer | Readable> {
    const { ask, paging } = readServerListing(call, detail);
    const list = serverListText(detail, paging, call.links);
    const textOf = async (instances: InstanceView[], isLast: boolean): Promise<Buffer> => {
      const context = await this.contexts.for(call, detail ? instances : []);
      return inTurns((function* pieces() {
        yield* list.entries(instances, context);
        if (isLast) yield list.end();
      })());
    };
    void reply.type('application/json; charset=utf-8');
    if (ask === undefined) return textOf([], true);
    const parts = pageInParts(this.bus, call, ask);
    const held: Buffer[] = [];
    for (let bytes = 0; bytes <= LIMITS.listHeldBytes;) {
      const part = await withMarker(paging.marker, parts.next());
      if (part.done === true) return Buffer.concat(held);
      const text = await textOf(part.value.instances, part.value.isLast);
      if (part.value.isLast && held.length === 0) return text;
      held.push(text);
      bytes += text.length;
    }
    const answer = Readable.from((async function* rest() {
      yield* held.splice(0, Infinity);
      for await (const { instances, isLast } of parts) yield textOf(instances, isLast);
    })(), { objectMode: false, highWaterMark: 1 });
    const login = this.logins.watch(token, { endsUnanswered: true });
    login.signal.addEventListener('abort', () => answer.destroy(login.signal.reason as Error));
    return answer.once('close', () => { login.release(); });
  }
}
